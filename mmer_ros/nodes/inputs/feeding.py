"""What the worker does with each item of the inbox."""

from __future__ import annotations

from mmer_ros.nodes.conversions import decode
from mmer_ros.nodes.inbox import Item
from mmer_ros.pipeline import Pipeline
from mmer_ros.types import Estimate, VideoFrame

# Kind of item -> how many wait at most, of those for which there is no parameter.
QUEUES = {'image_time': 1000, 'face': 100, 'transcript': 100, 'activity': 1000}


def feed(pipeline: Pipeline, item: Item) -> list[Estimate]:
    """
    Feed an item that Inputs put into the inbox, and return what is estimated.

    :raises InvalidInput: if it cannot be used.
    """
    content = item.message
    if item.kind == 'audio':
        return pipeline.push_audio(content)
    if item.kind == 'transcript':
        return pipeline.push_transcript(content)
    if item.kind == 'image_time':
        return pipeline.skip_frame(item.stamp)
    if item.kind == 'face':
        return pipeline.push_faces(item.stamp, [content.crop()])
    if item.kind == 'activity':
        content()
        return []
    return pipeline.push_frame(VideoFrame(item.stamp, decode(content)))

# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What the worker does with each item of the inbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mmer_ros.nodes.conversions import decode_image
from mmer_ros.runtime.inbox import Item
from mmer_ros.sensing.input_quality import audio_problem, image_problem
from mmer_ros.sensing.sensor_pipeline import Result, SensorPipeline
from mmer_ros.types import InvalidInput, UInt8, VideoFrame

# Kind of item -> how many wait at most, of those for which there is no parameter.
QUEUES = {'image_time': 1000, 'face': 100, 'transcript': 100, 'activity': 1000,
          'own_speaking': 1000, 'own_speech': 100}


# Kind of item that has no results -> what is done with it.
WITHOUT_RESULTS: dict[str, Callable[[SensorPipeline[Any], Item], object]] = {
    'activity': lambda pipeline, item: item.message(),
    'own_speaking': lambda pipeline, item: pipeline.set_own_speaking(item.message, item.stamp),
    'own_speech': lambda pipeline, item: pipeline.push_own_speech(item.message)}

# Takes the name of an input and what is wrong with what it sends; '' if that is of use.
Judge = Callable[[str, str], object]
Decode = Callable[[Any], UInt8]  # takes a message; as conversions.decode_image


def feed(pipeline: SensorPipeline[Result], items: Sequence[Item],
         judge: Judge = lambda name, problem: None, decode: Decode = decode_image
         ) -> list[Result]:
    """
    Feed what Inputs put into the inbox, and return what comes of it.

    :param judge: takes for each image and block of audio whether it was of use.
    :raises InvalidInput: if an item cannot be used; those after it are lost.
    """
    return [result for item in items for result in _feed(pipeline, item, judge, decode)]


def _feed(pipeline: SensorPipeline[Result], item: Item, judge: Judge,
          decode: Decode) -> list[Result]:
    name = 'image' if item.kind == 'face' else item.kind
    try:
        return _take(pipeline, item, judge, decode)
    except InvalidInput as error:
        judge(name, str(error).partition(': ')[2] or str(error))
        raise


def _take(pipeline: SensorPipeline[Result], item: Item, judge: Judge,
          decode: Decode) -> list[Result]:
    content, arrival = item.message, item.arrival
    if item.kind == 'audio':
        judge('audio', audio_problem(content.samples))
        return pipeline.push_audio(content, arrival)
    if item.kind == 'transcript':
        return pipeline.push_transcript(content, arrival)
    if item.kind == 'image_time':
        return pipeline.skip_frame(item.stamp, arrival, item.source)
    if item.kind == 'face':
        crop = content.crop(decode)
        judge('image', image_problem(crop.image))
        return pipeline.push_faces(item.stamp, [crop], arrival, item.source)
    if item.kind in WITHOUT_RESULTS:
        WITHOUT_RESULTS[item.kind](pipeline, item)
        return []
    image = decode(content)
    judge('image', image_problem(image))
    return pipeline.push_frame(VideoFrame(item.stamp, image), arrival)

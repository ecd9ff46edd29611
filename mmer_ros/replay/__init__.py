"""Replay: recordings through the pipeline of the live node, faster than real time."""

from mmer_ros.replay.jobs import merged_summary, replay_bags
from mmer_ros.replay.options import ReplayOptions
from mmer_ros.replay.result import ReplayResult
from mmer_ros.replay.run import replay_bag

__all__ = ['merged_summary', 'replay_bag', 'replay_bags', 'ReplayOptions', 'ReplayResult']

# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Sentences on why no estimates arrive, and what to check."""

from __future__ import annotations

from mmer_ros.monitor.state import MonitorState

LAUNCH = 'ros2 launch mmer_ros emotion.launch.py'
SPOKEN = 'An estimate comes when an utterance ends: speak for at least a second.'


def advice(state: MonitorState) -> list[str]:
    """Return the obstacles, most important first; empty if estimates arrive."""
    graph = state.graph
    if graph.foreign_types:
        return [f'{state.topic} is published as {", ".join(graph.foreign_types)}, not as '
                'mmer_msgs/msg/EmotionEstimate: choose another topic (--topic), or build the same '
                'mmer_msgs on both sides.']
    if graph.lifecycle is None and not graph.publishers:
        return _no_node(state)
    if graph.lifecycle in _STATES:
        return [_STATES[graph.lifecycle].format(node=state.node)]
    if not graph.lifecycle and not graph.publishers:
        return [f'{state.node} is visible, but does not answer: it is starting, hangs or has just '
                'ended.']
    if not graph.publishers:
        return [f'{state.node} is running, but does not publish {state.topic}: is its parameter '
                'emotion_topic set to another name (--topic)?']
    if not state.estimates:
        return [f'{", ".join(graph.publishers)} publishes {state.topic}, but no estimate has come '
                f'yet. {SPOKEN} The health below shows whether its inputs arrive.']
    return []


def _no_node(state: MonitorState) -> list[str]:
    graph = state.graph
    settings = ', '.join(f'{name}={value}' for name, value in graph.settings)
    if graph.others:
        seen = (f'{graph.others} other node{"s" * (graph.others > 1)} can be seen, but neither '
                f'{state.node} nor a publisher of {state.topic}.')
        return [seen, f'Is it started ({LAUNCH})? If it has another name or namespace, pass '
                '--node and --topic.']
    return [f'No other node can be seen. Is one started ({LAUNCH})?',
            f'It must be in the same domain and network as this monitor ({settings}), and nothing '
            'may block the traffic (firewall, multicast, SROS2).']


_STATES = {
    'unconfigured': '{node} is unconfigured: it has no model yet. ros2 lifecycle set {node} '
                    'configure, then activate. If that fails, read the log of the node.',
    'inactive': '{node} is inactive: it has loaded its model, but takes no input. ros2 lifecycle '
                'set {node} activate',
    'finalized': '{node} is finalized: it has shut down and must be started again.',
}

# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Messages that a full queue dropped, in diagnostics and log."""

from __future__ import annotations

from mmer_ros.nodes.event_log import EventLog
from mmer_ros.nodes.health.meter import Meter
from mmer_ros.runtime.inbox import Inbox

DROPPED = ('{kind}: messages were dropped because they arrived faster than they could be '
           'processed; lower their rate, or use a smaller bundle or a GPU')


def report_drops(inbox: Inbox, meter: Meter, events: EventLog) -> None:
    """Report what was dropped since the last call; call it about once per second."""
    for kind, count in inbox.new_drops().items():
        meter.record_drops('image' if kind == 'face' else kind, count)
        events.report(f'{kind}_dropped', DROPPED.format(kind=kind), times=count)

# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""SIGINT and SIGTERM, obeyed at any time: also while the main thread is deep in an import."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import os
import signal
import sys
import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """
    Wait for the signals in a thread of its own.

    The first signal calls `stop`; if that is not set yet, and at the second signal, the process
    ends at once. All threads that begin meanwhile leave the signals to this one.
    """

    def __init__(self) -> None:
        self.stop: Callable[[], object] | None = None
        self._ended = threading.Event()

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Wait while the block runs; then the signals mean what they did before."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        thread = threading.Thread(target=self._wait, name='signals', daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            if thread.ident is not None:
                signal.pthread_kill(thread.ident, signal.SIGTERM)  # only wakes it
            thread.join()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _wait(self) -> None:
        # Not sigtimedwait: it reports a signal when the process goes on after SIGSTOP.
        while signal.sigwait(SIGNALS) and not self._ended.is_set():
            stop, self.stop = self.stop, None
            if stop is None:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(0)
            stop()

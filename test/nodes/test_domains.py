# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""ROS domains of demo, benchmarks and tests: no two processes share one."""

from __future__ import annotations

import subprocess
import sys

from mmer_ros.nodes.tools.domains import claim_domain

CLAIM = """
import os, sys
os.getpid = lambda: 7  # as in a container: processes of the same number
from mmer_ros.nodes.tools.domains import own_domain
own_domain(); own_domain()
print(os.environ['ROS_DOMAIN_ID'], flush=True)
sys.stdin.read()
"""


def test_processes_get_domains_of_their_own_and_give_them_back() -> None:
    others = [subprocess.Popen([sys.executable, '-c', CLAIM], text=True, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE) for _ in range(3)]
    found = [int(process.stdout.readline()) for process in others]
    found += [claim_domain(), claim_domain()]
    assert len(set(found)) == 5 and all(1 <= domain <= 100 for domain in found)
    for process in others:
        process.communicate()
    again = subprocess.run([sys.executable, '-c', CLAIM], text=True, input='',
                           capture_output=True, check=True)
    assert int(again.stdout) == min(found[:3])

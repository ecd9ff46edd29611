# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What all tests have in common."""

import os

from hypothesis import HealthCheck, settings

# Threads of OpenMP wait by spinning: beside any other busy process (a node under test, another
# test run) two of them are twenty times slower than one.
os.environ.setdefault('OMP_NUM_THREADS', '1')

# The same examples in each run; MMER_FUZZ=1000 draws new ones, that many for each test.
settings.register_profile('repeatable', derandomize=True, deadline=None)
fuzz = os.environ.get('MMER_FUZZ')
if fuzz:
    settings.register_profile('fuzz', deadline=None, max_examples=int(fuzz),
                              suppress_health_check=[HealthCheck.too_slow])
settings.load_profile('fuzz' if fuzz else 'repeatable')

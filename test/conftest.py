"""What all tests have in common."""

import os

from hypothesis import settings

# Threads of OpenMP wait by spinning: beside any other busy process (a node under test, another
# test run) two of them are twenty times slower than one.
os.environ.setdefault('OMP_NUM_THREADS', '1')

# The same examples in each run; MMER_FUZZ=1 draws new ones.
settings.register_profile('repeatable', derandomize=True, deadline=None)
if not os.environ.get('MMER_FUZZ'):
    settings.load_profile('repeatable')

"""What all tests have in common."""

import os

# Threads of OpenMP wait by spinning: beside any other busy process (a node under test, another
# test run) two of them are twenty times slower than one.
os.environ.setdefault('OMP_NUM_THREADS', '1')

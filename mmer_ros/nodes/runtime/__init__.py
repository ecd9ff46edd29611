"""The runtime of an active node: session, worker, queues, event log."""

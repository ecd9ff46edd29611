"""What exists while a node is active: session, worker, queues, event log."""

"""Grade a task queue."""

"""A worker for tasks with UUIDs."""

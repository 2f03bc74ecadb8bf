"""The worker-service: takes pending tasks from the table ``tasks``, works on them, and records how they ended."""

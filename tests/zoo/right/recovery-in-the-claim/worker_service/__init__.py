"""A worker to which an abandoned task is as good as a pending one."""

"""A worker that is woken."""

"""A worker that keeps one transaction open from the claim of a task to its completion."""

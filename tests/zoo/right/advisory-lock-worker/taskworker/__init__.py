"""A worker that holds an advisory lock on what it works on."""

"""A worker that keeps a book of its claims."""

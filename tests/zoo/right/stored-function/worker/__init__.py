"""A worker that calls the functions of its database."""

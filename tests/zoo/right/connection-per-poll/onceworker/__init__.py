"""A worker that is a guest in the database: it comes, does one thing, and leaves."""

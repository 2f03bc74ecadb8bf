"""A worker that writes its transactions as if it were alone, and lets PostgreSQL check that it could have been."""

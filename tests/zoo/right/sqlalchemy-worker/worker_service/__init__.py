"""A worker on SQLAlchemy."""

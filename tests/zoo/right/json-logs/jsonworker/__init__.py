"""A worker whose log is for machines."""

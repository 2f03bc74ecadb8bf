"""A worker with several slots: one task in each."""

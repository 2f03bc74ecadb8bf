"""An asynchronous worker."""

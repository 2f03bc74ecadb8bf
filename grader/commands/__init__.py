"""The commands, one a file. Here, and nowhere else, the parts are wired together."""

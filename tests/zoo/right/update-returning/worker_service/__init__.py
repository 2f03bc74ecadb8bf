"""A worker whose every step is one UPDATE that says what it found."""

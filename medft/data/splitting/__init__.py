"""Records become train, validation and test."""

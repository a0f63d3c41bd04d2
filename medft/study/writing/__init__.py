"""What is written of a study."""

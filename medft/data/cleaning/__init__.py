"""What is repaired, dropped, set aside or redacted, row by row and over the whole data set."""

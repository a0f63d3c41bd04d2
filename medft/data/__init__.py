"""Data: sources of any shape become neutral records, cleaned, split, and accounted for to the row."""

"""Files and hub repositories become rows, and rows become records."""

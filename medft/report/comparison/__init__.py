"""Several runs side by side: what may be compared, its plot, tables and page."""

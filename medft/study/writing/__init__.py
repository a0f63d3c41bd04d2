"""What is written of a study: one page with its verdict, its numbers, and how they came about."""

"""What a prepared data set holds: its statistics, and what they mean."""

"""Evaluation: base and tuned model on the same items, with uncertainty."""

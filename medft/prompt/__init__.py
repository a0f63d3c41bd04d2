"""Prompts: a record becomes messages, and messages become token ids with labels."""

"""Supervised fine-tuning: its rows, trainer, sums, arguments and memory."""

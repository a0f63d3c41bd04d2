"""What only supervised fine-tuning knows: its rows, trainer, sums, arguments and memory."""

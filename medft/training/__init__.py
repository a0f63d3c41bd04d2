"""Training: one TRL SFTTrainer for every model and engine."""

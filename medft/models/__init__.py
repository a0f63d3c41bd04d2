"""Models: facts about base checkpoints, their tokenizers, and the tiny twins that stand in for them."""

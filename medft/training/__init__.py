"""Training: one trainer for every model and engine, and the life of a run."""

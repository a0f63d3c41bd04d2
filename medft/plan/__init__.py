"""Plan: what will run on this machine, why, and whether it fits."""

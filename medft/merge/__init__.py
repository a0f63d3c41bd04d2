"""Merge: adapter + 16-bit base -> merged weights, checked from disk."""

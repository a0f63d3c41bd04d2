"""Engines: the only place that knows Unsloth from plain transformers."""

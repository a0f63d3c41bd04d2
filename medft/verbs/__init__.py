"""Verbs: one file per command; the only place that joins the rooms."""

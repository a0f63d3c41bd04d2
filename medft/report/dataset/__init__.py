"""The report on a data set: plots, page and preview."""

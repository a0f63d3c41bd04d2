"""Publishing: model card, export and upload of what a run folder holds."""

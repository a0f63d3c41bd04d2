"""Studies: models x data sets x prompts x seeds from one file, trained, scored and compared in one folder."""

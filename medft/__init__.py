"""medft: fine-tune open language models on medical data, and know what the result is worth."""

__version__ = "0.1.0"

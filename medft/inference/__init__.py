"""Inference: a loaded model that answers, streams and scores; documents to answer from; chat and web."""

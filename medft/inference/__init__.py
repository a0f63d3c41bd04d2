"""Inference: sessions that answer with the same prompt ids the model was trained on."""

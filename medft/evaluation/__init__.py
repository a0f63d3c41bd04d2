"""Evaluation: suites of questions, answers of base and tuned model, and metrics compared in pairs."""

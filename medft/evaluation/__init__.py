"""Evaluation: suites of questions, the answers of base and tuned model, and honest paired figures."""

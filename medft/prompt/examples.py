"""A question to try a model with, by language."""

from __future__ import annotations

QUESTIONS = {
    "de": "Was ist Asthma?",
    "en": "What is asthma?",
    "es": "¿Qué es el asma?",
    "fr": "Qu'est-ce que l'asthme ?",
    "it": "Che cos'è l'asma?",
    "ja": "喘息とは何ですか。",
    "ko": "천식이란 무엇인가요?",
    "nl": "Wat is astma?",
    "pt": "O que é asma?",
    "zh": "什么是哮喘？",
}
"""By ISO 639-1 code."""


def question(language: str) -> str:
    """An example question in ``language``; in English where none is known."""
    return QUESTIONS.get(language, QUESTIONS["en"])

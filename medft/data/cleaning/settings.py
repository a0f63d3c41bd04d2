"""The setting behind each repair and each reason to drop a row."""

from __future__ import annotations

from dataclasses import fields

from medft.data.cleaning_config import CleaningConfig

_SETTINGS = {
    "blank_answer": "dataset.cleaning.drop_blank_answers=false",
    "blank_question": "dataset.cleaning.drop_blank_answers=false",
    "blank_label": "dataset.cleaning.drop_blank_answers=false",
    "rephrasing_leftover": "dataset.cleaning.drop_leftovers=false",
    "too_long": "dataset.cleaning.max_characters=null",
    "duplicate": "one of each stays",
    "boilerplate": "dataset.cleaning.max_same_answer=null",
    "near_duplicate": "dataset.cleaning.near_duplicates=keep_together",
    "contaminated": "dataset.decontaminate=null",
    "benchmark_test": "dataset.allow_benchmark_test=true",
    "identifiers": "dataset.phi=warn",
    "also_in_held_out_split": "dataset.split.tie=[...]",
}
_NAMES = frozenset(field.name for field in fields(CleaningConfig))


def remedy_of(name: str, otherwise: str = "keep") -> str:
    """The setting that treats rows with the fault ``name`` otherwise; how to repair them where there is
    none."""
    if name in _NAMES:
        return f"dataset.cleaning.{name}={otherwise}"
    return _SETTINGS.get(name, "repair the rows")

"""A run is asked in the words and the language of its data."""

from __future__ import annotations

from pathlib import Path

import pytest

from medft.compose import settings
from medft.config import plain
from medft.inference.dialogue import Dialogue
from medft.inference.generation import Sampling
from medft.inference.library import Library, read_run
from tests.support.run_folder import make_run


@pytest.mark.parametrize(
    ("words", "language"),
    [
        (["dataset=medquad"], "en"),
        (["dataset=pubmedqa_ko", "template=pubmedqa"], "ko"),
        (["dataset=wikidoc_medquad"], "en"),
    ],
)
def test_the_language_is_that_of_the_data(tmp_path: Path, words: list[str], language: str) -> None:
    config = plain(settings("train", ["model=mistral", *words]))
    run = make_run(tmp_path, config=config, environment={"resolved": {"scale": "tiny"}})
    assert read_run(run).language == language


def test_questions_are_worded_in_it(tmp_path: Path) -> None:
    words = {"default": {"user": "{question}", "system": "Be true."},
             "languages": {"de": {"user": "Frage: {question}", "system": "Antworte wahr."}}}  # fmt: skip
    config = plain(settings("train", ["model=mistral", "dataset=medquad", "dataset.language=de"]))
    config["template"] = {"name": "zwei", "tasks": {"qa": words}}
    run = make_run(tmp_path, config=config, environment={"resolved": {"scale": "tiny"}})
    library = Library([run], tmp_path, 512)
    asked = Dialogue(library, library.names[0], Sampling(1)).messages("Was ist Asthma?")
    assert [turn.content for turn in asked] == ["Antworte wahr.", "Frage: Was ist Asthma?"]

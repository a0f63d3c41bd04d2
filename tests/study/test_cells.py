from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from medft.compose import settings as composed
from medft.errors import ConfigError
from medft.overrides import readable
from medft.runs import RunDir
from medft.study.cells import Trial, cells, comparisons, idle, trials
from medft.study.folder import StudyDir


def settings(verb: str, words: Sequence[str]) -> Any:
    """As the command line composes them."""
    return composed(verb, readable(words))


MINE = [
    "name=mine",
    "models=[mistral,gemma]",
    "datasets=[sample,pubmedqa]",
    "where.pubmedqa=template=pubmedqa",
]


def test_every_combination_is_a_cell_and_a_template_may_belong_to_a_data_set() -> None:
    config = settings("study", [*MINE, "templates=[medical_qa,alpaca]", "vary={lora.r:[8,16],merge:[false]}"])
    found = cells(config)
    assert len(found) == 2 * (2 + 1) * 2  # both templates for the sample, one for PubMedQA
    assert [cell.template for cell in found if cell.dataset == "pubmedqa"] == ["pubmedqa"] * 4
    assert len({cell.label for cell in found}) == len(found)
    assert found[0].label == "mistral × sample × medical_qa, lora.r=8, merge=false"
    assert {"lora.r=8", "merge=false", "model=mistral"} <= set(found[0].overrides)


def test_its_words_are_those_of_a_training(tmp_path: Path) -> None:
    data = tmp_path / "my data.jsonl"
    words = ["settings=trainer.max_steps=7", f"paths.sample={data}", "split_seed=5", "seeds=[4]"]
    [first, *_] = trials(config := settings("study", [*MINE, *words]), cells(config))
    built = settings("train", first[2])
    assert (built.trainer.max_steps, built.dataset.path, built.seed, built.dataset.split.seed) == (
        7,
        data,
        4,
        5,
    )


def test_a_file_may_stand_for_a_data_set_of_the_hub(tmp_path: Path) -> None:
    mine = ["name=a", "models=[mistral]", "datasets=[wikidoc]"]
    [cell] = cells(settings("study", [*mine, f"paths.wikidoc={tmp_path}/first.jsonl"]))
    built = settings("train", cell.overrides).dataset
    assert (built.reader, built.repo, built.path) == ("jsonl", None, tmp_path / "first.jsonl")
    assert settings("train", cells(settings("study", mine))[0].overrides).dataset.reader == "hub"
    with pytest.raises(ConfigError, match="no reader takes such a file"):
        cells(settings("study", [*mine, f"paths.wikidoc={tmp_path}/first.doc"]))


def test_words_for_what_the_study_has_not_are_refused() -> None:
    with pytest.raises(ConfigError, match="'where' has settings for 'llama'"):
        cells(settings("study", [*MINE, "where.llama=lora.r=8"]))
    config = settings("study", [*MINE, "where.llama2=lora.r=8"])
    assert len(cells(config)) == 4 and idle(config) == ["llama2"]


def test_comparisons_are_with_bases_with_each_other_or_the_named_ones() -> None:
    def pairs(*words: str) -> list[tuple[str, str]]:
        config = settings("study", ["name=a", "models=[mistral,gemma]", "datasets=[sample]", *words])
        return comparisons(config, cells(config))

    mistral, gemma = "mistral × sample × medical_qa", "gemma × sample × medical_qa"
    bases = [("mistral, base", mistral), ("gemma, base", gemma)]
    assert pairs("compare=bases") == bases
    assert pairs() == [*bases, (mistral, gemma)]
    assert pairs(f"compare=['{gemma} vs {mistral}']") == [(gemma, mistral)]
    with pytest.raises(ConfigError, match="not a cell of the study"):
        pairs("compare=['A vs B']")


def test_trials_come_back_from_the_folder_as_they_were(tmp_path: Path) -> None:
    [cell, *_] = cells(settings("study", MINE))
    found = [Trial(cell, 1, RunDir(tmp_path / "1"), "failed", "no room", reused=False)]
    StudyDir(tmp_path).write_trials(found)
    assert StudyDir(tmp_path).trials() == found

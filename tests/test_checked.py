"""Names and numbers of settings, refused before anything is done with them."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from medft.checked import LONGEST_NAME
from medft.cli import main
from medft.compose import settings
from medft.config import build, plain
from medft.errors import ConfigError
from medft.evaluation.config import SuiteConfig
from medft.verbs.evaluate import EvaluateConfig
from medft.verbs.train_config import TrainConfig

HOSTILE = (
    "", ".", "..", "../x", "/x", "a/b", ".x", "-x", "a b", "a\nb", "a\x00b", "<b>", "${x}", "a" * 65,
    "\u202ea",
)  # fmt: skip


@pytest.fixture(scope="module")
def config() -> TrainConfig:
    built: TrainConfig = settings("train", ["scale=tiny"])
    return built


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("group", ["model", "dataset", "template", "trainer"])
def test_a_name_leads_nowhere_else(config: TrainConfig, group: str, name: str) -> None:
    chosen = getattr(config, group)
    with pytest.raises(ConfigError, match=f"'{group}.name' must be a name"):
        build(type(chosen), {**plain(chosen), "name": name}, group)


@pytest.mark.parametrize("name", ["medquad", "Ward_7", "2026", "v0.2+x", "질문", "ä", "a" * LONGEST_NAME])
def test_a_plain_name_is_one(config: TrainConfig, name: str) -> None:
    assert build(type(config.dataset), {**plain(config.dataset), "name": name}, "dataset").name == name


def test_a_suite_is_a_file_of_the_evaluation(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be a name"):
        build(EvaluateConfig, {"suite": {"../../x": {"kind": "text"}}})
    assert build(EvaluateConfig, {"suite": {"x": {"kind": "text"}}}).suite == {"x": SuiteConfig("text")}


def test_nothing_is_written_for_a_name_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for verb in ("plan", "prepare", "train"):
        assert main([verb, "scale=tiny", "dataset.name=../../evil"]) == 2
    assert list(tmp_path.rglob("*")) == [tmp_path / "here"]


FINITE = (
    "trainer.learning_rate", "trainer.epochs", "trainer.weight_decay", "trainer.max_grad_norm",
    "trainer.neftune_noise_alpha", "lora.alpha", "lora.dropout", "max_shard_gb", "dataset.split.validation",
)  # fmt: skip


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400"])
def test_numbers_are_finite(value: str) -> None:
    with pytest.raises(ConfigError) as error:
        settings("train", ["scale=tiny", *(f"{key}={value}" for key in FINITE)])
    for key in FINITE:
        assert f"'{key}' must be a finite number" in str(error.value)


def test_numbers_are_in_their_range_before_anything_is_done() -> None:
    wanted = {
        "seed=-1": "at least 0", "max_shard_gb=0": "above 0", "lora.r=0": "at least 1",
        "lora.dropout=1": "below 1", "lora.alpha=-1": "above 0", "trainer.epochs=1e18": "at most 10,000",
        f"trainer.max_steps={10**20}": "at most 1,000,000,000",
        f"trainer.warmup_steps={10**21}": "at most 1,000,000,000",
        f"trainer.gradient_accumulation_steps={10**31}": "at most 1,000,000, not a number of that size",
        "trainer.neftune_noise_alpha=-1": "at least 0", "dataset.limit=0": "at least 1",
        "dataset.cleaning.max_same_answer=0": "at least 1",
    }  # fmt: skip
    with pytest.raises(ConfigError) as error:
        settings("train", ["scale=tiny", *wanted])
    for setting, words in wanted.items():
        assert f"'{setting.partition('=')[0]}' must be {words}" in str(error.value)


@pytest.mark.parametrize(("seed", "fits"), [(0, True), (2**32 - 1, True), (2**32, False), (10**40, False)])
def test_a_seed_is_one_that_numpy_takes(config: TrainConfig, seed: int, fits: bool) -> None:
    with nullcontext() if fits else pytest.raises(ConfigError, match="'seed' must be at most 4,294,967,295"):
        assert build(TrainConfig, {**plain(config), "seed": seed}).seed == seed


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_port_is_one(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", f"port={port}"]) == 2
    assert "'port' must be at" in capsys.readouterr().err

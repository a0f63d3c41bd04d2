"""What a failure is called, by the phase it was met in, and what it leaves behind."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from medft.errors import ConfigError, EngineError, MedftError, RunError
from medft.files import write_json
from medft.runs import RunDir
from medft.training.lifecycle import as_medft_error, keeping_state
from medft.training.phases import Phase, phase, phase_of


class OutOfMemoryError(RuntimeError):
    """Named as torch's, which needs no GPU to be named."""


@pytest.fixture
def folder(tmp_path: Path) -> RunDir:
    run = RunDir(tmp_path / "run")
    run.root.mkdir()
    return run


@pytest.mark.parametrize(
    ("where", "advice"),
    [
        ("training", "gradient_accumulation_steps"),
        ("validation", "per_device_eval_batch_size"),
        (None, "nvidia-smi"),
    ],
)
def test_out_of_memory_is_advised_on_by_phase_and_can_be_resumed(
    folder: RunDir, where: Phase | None, advice: str
) -> None:
    with pytest.raises(EngineError) as error, keeping_state(folder):
        if where is None:
            raise OutOfMemoryError
        with phase(where):
            raise OutOfMemoryError
    assert advice in error.value.remedy and f"resume={folder.root}" in error.value.remedy
    assert where is None or error.value.what.endswith(f"in {where}")
    assert folder.state() == "failed"


@pytest.mark.parametrize(
    ("engine", "checkpointing", "batch", "advised"),
    [
        ("unsloth", "unsloth", 2, "halve"),
        ("unsloth", "unsloth", 1, "lower trainer.max_length"),
        ("unsloth", "standard", 1, "engine.gradient_checkpointing=unsloth"),
        ("unsloth", "off", 1, "engine.gradient_checkpointing=unsloth"),
        ("transformers", "standard", 1, "lower trainer.max_length"),
        ("transformers", "off", 1, "engine.gradient_checkpointing=standard"),
    ],
)
def test_the_advice_needs_less_memory_than_the_run(
    folder: RunDir, engine: str, checkpointing: str, batch: int, advised: str
) -> None:
    resolved = {"engine": engine, "gradient_checkpointing": checkpointing, "load_in_4bit": True}
    write_json(folder.plan, {"resolved": resolved, "trainer": {"per_device_batch_size": batch}})
    with pytest.raises(OutOfMemoryError) as error, phase("training"):
        raise OutOfMemoryError
    remedy = as_medft_error(error.value, folder).remedy
    assert remedy.startswith(advised)
    assert ("gradient_checkpointing" in remedy) == ("gradient_checkpointing" in advised)
    assert "load_in_4bit" not in as_medft_error(OutOfMemoryError(), folder).remedy


def test_an_error_of_the_inner_phase_keeps_its_name() -> None:
    with pytest.raises(ValueError) as error, phase("validation"):
        raise ValueError
    assert phase_of(error.value) == "validation"
    assert phase_of(ValueError()) is None


def test_a_full_disk_is_named_so(folder: RunDir) -> None:
    assert "disk is full" in as_medft_error(OSError(errno.ENOSPC, "no space"), folder).what
    assert isinstance(as_medft_error(KeyError("x"), folder), RunError)


def test_a_refusal_before_the_first_line_leaves_no_folder(folder: RunDir) -> None:
    with pytest.raises(ConfigError), keeping_state(folder):
        raise ConfigError("no")
    assert not folder.root.exists()


@pytest.mark.parametrize("lines", [True, False])
def test_a_resumed_run_that_is_refused_stays_what_it_was(folder: RunDir, lines: bool) -> None:
    if lines:
        folder.loss_csv.write_text("step\n")
    folder.mark("interrupted", "stopped at step 3 of 20")
    before = folder.status.read_text()
    with pytest.raises(ConfigError), keeping_state(folder):
        raise ConfigError("no")
    assert folder.status.read_text() == before


def test_a_resumed_run_that_ends_in_an_error_has_failed(folder: RunDir) -> None:
    folder.loss_csv.write_text("step\n")
    folder.mark("interrupted", "stopped at step 3 of 20")
    with pytest.raises(EngineError), keeping_state(folder):
        folder.loss_csv.write_text("step\n4\n")
        raise EngineError("the loss was NaN")
    assert folder.state() == "failed"


def test_a_process_that_does_not_own_the_folder_writes_nothing(folder: RunDir) -> None:
    with pytest.raises(MedftError), keeping_state(folder, owner=False):
        raise OutOfMemoryError
    assert list(folder.root.iterdir()) == []

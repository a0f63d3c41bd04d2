"""The life of a run folder: opened, kept truthful while the run goes on, left saying what became of it.

Owns the making of a run folder and the translation of failures. Knows nothing of what is done in between.
"""

from __future__ import annotations

import errno
import shutil
import signal
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from medft.errors import EngineError, MedftError, RunError
from medft.runs import RunDir, write_json, write_text
from medft.training.phases import Phase, phase_of
from medft.training.resume import demand_same


def open_folder(values: Mapping[str, Any], environment: Mapping[str, Any]) -> RunDir:
    """The run folder ``values["run_dir"]``: a new one, or an interrupted one (``values["resume"]``).

    Args:
        values: the configuration in plain values; written to config.yaml.
        environment: written to environment.json.

    Raises:
        RunError: it cannot be made, or it is to be resumed with other settings than it began with.
    """
    path = Path(values["run_dir"])
    try:
        if values["resume"]:
            demand_same(RunDir(path), values)
            _describe(RunDir(path), path, values, environment)
            return RunDir(path)
        return _new(path, values, environment)
    except OSError as error:
        raise RunError(
            f"the run folder cannot be made: {error.strerror}",
            where=str(path),
            remedy="artifacts=<a folder you can write to>",
        ) from None


def _new(path: Path, values: Mapping[str, Any], environment: Mapping[str, Any]) -> RunDir:
    """A folder that appears with its description inside; numbered when another run took the same second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-") as name:
        aside = RunDir(Path(name) / path.name)
        for candidate in (path, *(path.with_name(f"{path.name}-{n}") for n in range(2, 1000))):
            _describe(aside, candidate, values, environment)
            try:
                aside.root.rename(candidate)  # over an empty folder, never over a run
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            else:
                return RunDir(candidate)
    raise RunError("there are a thousand runs of this name already", where=str(path))


def _describe(run: RunDir, place: Path, values: Mapping[str, Any], environment: Mapping[str, Any]) -> None:
    settings = {**values, "run_dir": str(place), "resume": None}
    write_text(run.config, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    write_json(run.environment, environment)


@contextmanager
def keeping_state(folder: RunDir, owner: bool = True) -> Iterator[None]:
    """Say in the folder what became of the run; a run that failed before its first line leaves none.

    Args:
        folder: the run's.
        owner: whether this process may write there; of several that train together one is.

    Raises:
        KeyboardInterrupt: stopped by Ctrl-C or SIGTERM; its text says how to go on.
        MedftError: whatever else ended the block.
    """
    if not owner:
        with _translated(folder):
            yield
        return
    with folder.held(), _terminable():
        folder.mark("running")
        with _judged(folder):
            yield


@contextmanager
def _judged(folder: RunDir) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        folder.mark("interrupted", "stopped at once; what no checkpoint holds is lost")
        raise KeyboardInterrupt(f"go on with   medft train resume={folder.root}") from None
    except BaseException as error:
        traceback.print_exc()  # into the run's log
        known = as_medft_error(error, folder)
        if isinstance(error, MedftError) and not folder.loss_csv.exists():
            shutil.rmtree(folder.root, ignore_errors=True)
        else:
            folder.mark("failed", known.what)
        raise known from error


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM, with which schedulers stop jobs, ends the block as Ctrl-C does."""

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _translated(folder: RunDir) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        raise as_medft_error(error, folder) from error


def as_medft_error(error: BaseException, folder: RunDir) -> MedftError:
    """``error`` in the words of the one family of errors, with what to do about it."""
    if isinstance(error, MedftError):
        return error
    if type(error).__name__ == "OutOfMemoryError":
        return _out_of_memory(phase_of(error), folder)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunError(
            "the disk is full",
            where=str(folder.root),
            remedy=f"free some space, then medft train resume={folder.root}",
        )
    return RunError(
        f"training failed: {type(error).__name__}",
        where=str(folder.log),
        remedy="the log's last lines say where",
    )


_ADVICE: dict[Phase | None, str] = {
    "training": "halve trainer.per_device_batch_size and double trainer.gradient_accumulation_steps "
    "(the same mathematics), or engine.gradient_checkpointing=standard, or lower trainer.max_length",
    "validation": "halve trainer.per_device_eval_batch_size (the figures stay the same)",
    None: "free the GPU of other processes (nvidia-smi), or engine.load_in_4bit=true",
}


def _out_of_memory(phase: Phase | None, folder: RunDir) -> EngineError:
    return EngineError(
        f"the GPU ran out of memory in {phase}" if phase else "the GPU ran out of memory",
        where=str(folder.log),
        remedy=f"{_ADVICE[phase]}; then medft train resume={folder.root} with that setting",
    )

"""Creates a run folder, keeps its status correct, and turns failures into medft's errors."""

from __future__ import annotations

import contextlib
import shutil
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from medft.aliases import Json
from medft.engine.device import out_of_memory
from medft.errors import MedftError, RunError
from medft.explain import explained
from medft.files import aside, clear_left, read_json, take_name, write_json, write_text
from medft.runs import RunDir
from medft.runs.migrate import FORMAT
from medft.runs.values import mapping
from medft.signals import undisturbed
from medft.training.phases import Phase, phase_of
from medft.training.resume import demand_same


def open_folder(values: Json, environment: Json) -> RunDir:
    """The run folder ``values["run_dir"]``: a new one, or an interrupted one (``values["resume"]``).

    Args:
        values: the configuration in plain values; written to a new run's config.yaml.
        environment: written to a new run's environment.json.

    Raises:
        RunError: it cannot be made, or it is to be resumed with different settings.
    """
    path = Path(str(values["run_dir"]))
    if values["resume"]:
        demand_same(RunDir(path), values)
        return RunDir(path)
    try:
        return _new(path, values, environment)
    except OSError as error:
        raise RunError(
            f"the run folder cannot be made: {error.strerror}",
            where=str(path),
            remedy="artifacts=<a folder you can write to>",
        ) from None


def _new(path: Path, values: Json, environment: Json) -> RunDir:
    """A folder that appears with its description inside; numbered when another run took the same second."""
    with aside(path.with_name("new")) as folder:
        new = RunDir(folder)
        return RunDir(take_name(folder, path, lambda name: describe(new, values, environment, name)))


def describe(run: RunDir, values: Json, environment: Json, place: Path | None = None) -> None:
    """Write down the settings that a run, or its next half, has and the machine that it has found.

    Args:
        run: the folder to write to.
        values: the configuration in plain values.
        environment: of this machine.
        place: where the folder will stand, where that is not where it is now.
    """
    settings = {**values, "run_dir": str(place or run.root), "resume": None}
    write_text(run.config, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    write_json(run.environment, {"format": FORMAT, **environment})


@contextmanager
def keeping_state(folder: RunDir, owner: bool = True) -> Iterator[None]:
    """Keep the status of a run folder correct. A new run that is refused before its first line leaves no
    folder; a resumed one that is refused keeps the status it had.

    Args:
        folder: the run's.
        owner: whether this process may write there; of several that train together one is.

    Raises:
        KeyboardInterrupt: stopped by a signal; its text says how to go on.
        MedftError: whatever else ended the block.
    """
    if not owner:
        with _translated(folder):
            yield
        return
    with folder.held():
        clear_left(folder.root)
        before = folder.status.read_text(encoding="utf-8") if folder.status.is_file() else None
        folder.mark("running")
        with _judged(folder, before):
            yield


@contextmanager
def _judged(folder: RunDir, before: str | None) -> Iterator[None]:
    lines = _written(folder.loss_csv)
    try:
        yield
    except KeyboardInterrupt:
        with undisturbed():
            folder.mark("interrupted", "stopped immediately; progress since the last checkpoint is lost")
        raise KeyboardInterrupt(f"resume with   medft train resume={folder.quoted}") from None
    except BaseException as error:
        traceback.print_exc()  # into the run's log
        known = as_medft_error(error, folder)
        refused = isinstance(error, MedftError) and _written(folder.loss_csv) == lines
        with undisturbed(), contextlib.suppress(OSError):  # on a full disk, the error matters more
            if not folder.root.is_dir():
                pass  # somebody removed the folder: it must not come back
            elif refused and before is not None:
                write_text(folder.status, before)
            elif refused and lines is None:
                shutil.rmtree(folder.root, ignore_errors=True)
            else:
                folder.mark("failed", known.what)
        raise known from error


def _written(path: Path) -> int | None:
    """When a file was last written, in nanoseconds; None where there is none."""
    return path.stat().st_mtime_ns if path.exists() else None


@contextmanager
def _translated(folder: RunDir) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        raise as_medft_error(error, folder) from error


def _less_memory(met: Phase | None, folder: RunDir) -> str:
    """What needs less memory than the run did, by its plan where it came that far."""
    plan = read_json(folder.plan) if folder.plan.is_file() else {}
    resolved, trainer = mapping(plan, "resolved"), mapping(plan, "trainer")
    if met is None:
        ways = ["stop other processes on the GPU (nvidia-smi)"]
        return ", or ".join(ways + ["engine.load_in_4bit=true"] * (resolved.get("load_in_4bit") is not True))
    if met == "validation":
        if trainer.get("per_device_eval_batch_size") == 1:
            return "lower trainer.max_length"
        return "halve trainer.per_device_eval_batch_size (the figures stay the same)"
    halved = (
        "halve trainer.per_device_batch_size and double trainer.gradient_accumulation_steps (the same math)"
    )
    best = "unsloth" if resolved.get("engine") == "unsloth" else "standard"
    ways = [halved] * (trainer.get("per_device_batch_size") != 1)
    if resolved.get("gradient_checkpointing") in ("off", "standard"):  # unsloth's needs least
        ways += [f"engine.gradient_checkpointing={best}"] * (resolved["gradient_checkpointing"] != best)
    return ", or ".join([*ways, "lower trainer.max_length"])


def as_medft_error(error: BaseException, folder: RunDir) -> MedftError:
    """``error`` in the words of the one family of errors, with what to do about it."""
    if isinstance(error, MedftError):
        return error
    met = phase_of(error)
    advice = f"{_less_memory(met, folder)}; then medft train resume={folder.quoted} with that setting"
    if known := out_of_memory(error, f"in {met}" if met else "", advice, where=str(folder.log)):
        return known
    if isinstance(error, OSError) and error.errno:
        found = explained(error)
        remedy = f"{found.remedy}; then medft train resume={folder.quoted}"
        return RunError(found.what, where=found.where or str(folder.root), remedy=remedy)
    return RunError(
        f"training failed: {type(error).__name__}",
        where=str(folder.log),
        remedy="see the last lines of the log",
    )

"""The life of a run folder: opened, kept truthful while the run goes on, left saying what became of it.

Owns the making of a run folder and the translation of failures. Knows nothing of what is done in between.
"""

from __future__ import annotations

import errno
import shutil
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from medft.errors import EngineError, MedftError, RunError
from medft.runs import RunDir, write_json, write_text
from medft.training.resume import demand_same


def open_folder(values: Mapping[str, Any], environment: Mapping[str, Any]) -> RunDir:
    """The run folder ``values["run_dir"]``: a new one, or an interrupted one (``values["resume"]``).

    Args:
        values: the configuration in plain values; written to config.yaml.
        environment: written to environment.json.

    Raises:
        RunError: it cannot be made, or it is to be resumed with other settings than it began with.
    """
    folder = RunDir(Path(values["run_dir"]))
    if values["resume"]:
        demand_same(folder, values)
    else:
        folder = RunDir(_unused(folder.root))
    settings = {**values, "run_dir": str(folder.root), "resume": None}
    write_text(folder.config, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    write_json(folder.environment, environment)
    return folder


def _unused(path: Path) -> Path:
    """``path``, with a number behind it when another run took the same second."""
    candidates = (path, *(path.with_name(f"{path.name}-{n}") for n in range(2, 1000)))
    for candidate in candidates:
        try:
            candidate.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(
                f"the run folder cannot be made: {error.strerror}",
                where=str(candidate),
                remedy="artifacts=<a folder you can write to>",
            ) from None
        return candidate
    raise RunError("there are a thousand runs of this name already", where=str(path))


@contextmanager
def keeping_state(folder: RunDir) -> Iterator[None]:
    """Say in the folder what became of the run; a run that failed before its first line leaves none."""
    folder.mark("running")
    try:
        yield
    except KeyboardInterrupt:
        folder.mark("interrupted", "stopped before the step in progress was saved")
        raise
    except BaseException as error:
        traceback.print_exc()  # into the run's log
        known = as_medft_error(error, folder)
        if isinstance(error, MedftError) and not folder.loss_csv.exists():
            shutil.rmtree(folder.root, ignore_errors=True)
        else:
            folder.mark("failed", known.what)
        raise known from error


def as_medft_error(error: BaseException, folder: RunDir) -> MedftError:
    """``error`` in the words of the one family of errors, with what to do about it."""
    if isinstance(error, MedftError):
        return error
    if type(error).__name__ == "OutOfMemoryError":
        return EngineError(
            "the GPU ran out of memory",
            where=str(folder.log),
            remedy="halve trainer.per_device_batch_size and double trainer.gradient_accumulation_steps "
            f"(the same mathematics), or lower trainer.max_length; then medft train resume={folder.root}",
        )
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

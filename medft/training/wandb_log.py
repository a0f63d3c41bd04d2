"""Weights & Biases: metrics of a run, offline without a key; a failure is reported once and training goes on.

Sent: name, group, tags, configuration, metrics, the loss curve, the ledger. Not sent: console, code, host,
git, the command line, where files lie, installed packages, rows.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medft.aliases import Json
from medft.training.config import LoggerConfig
from medft.training.losslog import LossRow

if TYPE_CHECKING:
    from wandb import Run, Settings

Mode = Literal["online", "offline", "off"]

_HERE = {"overrides", "run_dir", "artifacts", "processed", "resume", "sweep", "path", "decontaminate"}
"""Keys that say where something lies on this machine, or how the command was typed."""
_CONNECT, _UPLOAD = 20.0, 120.0  # seconds that a run waits for W&B at its beginning and at its end

_log = logging.getLogger(__name__)


def mode(config: LoggerConfig) -> Mode:
    """The mode that ``auto`` means here: online with an API key, offline without."""
    if config.wandb != "auto":
        return config.wandb
    if os.environ.get("WANDB_MODE") in ("disabled", "offline"):
        return "off" if os.environ["WANDB_MODE"] == "disabled" else "offline"
    return "online" if _has_key() else "offline"


def _has_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    netrc = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        return "api.wandb.ai" in netrc.read_text(encoding="utf-8")
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Labels:
    """What a W&B run is found by."""

    name: str
    """Shown name."""
    tags: tuple[str, ...] = ()
    """Model, data set, template, scale."""
    group: str | None = None
    """Shared by the jobs of a sweep."""


class WandbRun:
    """One W&B run beside a medft run; does nothing in mode ``off`` or after a failure.

    Args:
        config: W&B settings.
        folder: the run folder; W&B writes into ``folder/wandb``.
        labels: what it is found by.
        values: the composed configuration.
        run_id: of the W&B run to continue; None starts a new one.
        memory: the peak so far in bytes.
        notice: called with one line when W&B fails.
    """

    def __init__(
        self,
        config: LoggerConfig,
        folder: Path,
        labels: Labels,
        *,
        values: Json,
        run_id: str | None,
        memory: Callable[[], int],
        notice: Callable[[str], None],
    ) -> None:
        self.mode = mode(config)
        self._memory = memory
        self._notice = notice
        self._before: LossRow | None = None
        self._run: Run | None = None
        if self.mode != "off":
            self._safely(lambda: self._start(config, folder, labels, values, run_id))

    @property
    def id(self) -> str | None:
        """The W&B run id, to continue it later."""
        return self._run.id if self._run is not None else None

    def row(self, row: LossRow) -> None:
        """Send one line of loss.csv."""
        values = {
            f"{row.split}/loss": row.loss,
            f"{row.split}/bits_per_byte": row.bits_per_byte,
            "train/learning_rate": row.learning_rate,
            "train/grad_norm": row.grad_norm,
            "train/tokens": row.tokens,
            "train/seconds": row.seconds,
            "train/epoch": row.epoch,
            "train/tokens_per_second": self._speed(row),
            "peak_memory_bytes": self._memory(),
        }
        known = {key: value for key, value in values.items() if value is not None}
        self._send(lambda run: run.log(known, step=row.step))

    def finish(self, summary: Json, ledger: Json, curve: Path | None) -> None:
        """Send the figures, the ledger and the loss curve, and close the run."""
        self._send(lambda run: _finish(run, summary, ledger, curve))

    def stop(self) -> None:
        """Close the W&B run of a run that did not finish."""
        self._send(lambda run: run.finish(exit_code=1))

    def _speed(self, row: LossRow) -> float | None:
        """Tokens per second since the training line before."""
        if row.split != "train":
            return None
        before, self._before = self._before, row
        if before is None or row.seconds <= before.seconds:
            return None
        return (row.tokens - before.tokens) / (row.seconds - before.seconds)

    def _start(
        self, config: LoggerConfig, folder: Path, labels: Labels, values: Json, run_id: str | None
    ) -> None:
        import wandb

        begin = partial(
            wandb.init,
            project=config.project,
            entity=config.entity,
            name=labels.name,
            group=labels.group,
            tags=[*labels.tags, *config.tags],
            config=shareable(values),
            dir=str(folder),
            id=run_id,
            resume="allow" if run_id else None,
            settings=_settings(),
        )
        try:
            self._run = begin(mode="online" if self.mode == "online" else "offline")
        except Exception as error:
            if self.mode == "offline":
                raise
            _log.exception("W&B did not start online")
            self.mode = "offline"
            self._notice(f"W&B cannot be reached ({type(error).__name__}); `wandb sync` sends this run later")
            self._run = begin(mode="offline")

    def _send(self, action: Callable[[Run], object]) -> None:
        """Send something to a W&B run that has started."""
        if self._run is not None:
            run = self._run
            self._safely(lambda: action(run))

    def _safely(self, action: Callable[[], object]) -> None:
        """Run ``action``; on any failure of W&B's, say so once and go on without it."""
        if self.mode == "off":
            return
        try:
            action()
        except Exception as error:  # W&B raises its own and everything its transports raise
            self.mode = "off"
            _log.exception("W&B failed")
            self._notice(f"W&B failed ({type(error).__name__}); training continues, loss.csv is complete")


def _finish(run: Run, summary: Json, ledger: Json, curve: Path | None) -> None:
    import wandb

    run.summary.update(shareable(summary))
    run.config.update({"ledger": shareable(ledger)}, allow_val_change=True)
    if curve is not None:
        run.log({"loss_curve": wandb.Image(str(curve))})
    run.finish()


def shareable(values: Json) -> dict[str, object]:
    """``values`` without what tells of this machine."""
    return {
        key: shareable(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if key not in _HERE
    }


def _settings() -> Settings:
    import wandb

    return wandb.Settings(
        console="off",
        disable_git=True,
        disable_code=True,
        save_code=False,
        x_disable_machine_info=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
        host="",
        silent=True,
        quiet=True,
        init_timeout=_CONNECT,
        finish_timeout=_UPLOAD,
    )

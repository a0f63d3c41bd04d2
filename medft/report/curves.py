"""The loss curve of one run: loss.png."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from medft.report.series import Curve, read_curve, smooth, smoothing_words, thin
from medft.report.style import (
    GRAY,
    PALETTE,
    RC,
    WARNING,
    WIDTH,
    end_labels,
    fit_limits,
    footer,
    headings,
    save,
)
from medft.runs import RunDir
from medft.runs.losses import of_rows, rows_asked, train_means
from medft.runs.record import Identity, RunRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from medft.report.series import Floats

TINY = "tiny twin: shows that the pipeline works, not a medical model"
TRAIN, VALIDATION = PALETTE[0], PALETTE[1]


def draw_run(run: RunDir, best_step: int | None = None) -> Path:
    """Draw ``loss.csv`` of a run as ``loss.png``: training loss raw (faint) and smoothed, validation loss
    as points.

    Args:
        run: the run. best_step: the step whose weights were kept; None for the last.

    Raises:
        DataError: there is no readable loss.csv.
    """
    import matplotlib
    from matplotlib.figure import Figure

    curve, record = read_curve(run.loss_csv), RunRecord(run)
    identity, rows = record.identity, rows_asked(record)
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 4.4))
        top = headings(figure, identity.title, _subtitle(identity, curve, rows, best_step))
        bottom = footer(figure, [(text, GRAY) for text in _caption(curve)])
        axes = figure.add_axes((0.075, bottom + 0.105, 0.735, top - bottom - 0.115))
        _draw(axes, curve)
        return save(figure, run.loss_png)


def _subtitle(
    identity: Identity, curve: Curve, rows: Mapping[str, int], best_step: int | None
) -> list[tuple[str, str]]:
    steps, losses = curve.points("train", "step", "loss")
    said = [f"{curve.rows['step'].max():,.0f} steps"]
    if (tokens := curve.last("train", "tokens")) is not None:
        said.append(f"{tokens:,.0f} tokens")
    if (mean := train_means(list(steps), list(losses))["train_loss"]) is not None:
        said.append(f"train loss {mean:.3f} (mean of all steps)")
    kept = replace(curve, rows=curve.rows[curve.rows["step"] <= (best_step or math.inf)])
    if (loss := kept.last("validation", "loss")) is not None:
        said.append(f"validation loss {loss:.3f}{of_rows(rows, 'validation')}")
    if (bits := kept.last("validation", "bits_per_byte")) is not None:
        said.append(f"{bits:.3f} bits per byte")
    return [(" · ".join(said), GRAY), *([(TINY, WARNING)] if identity.tiny else [])]


def _caption(curve: Curve) -> list[str]:
    steps, losses = curve.points("train", "step", "loss")
    said = ["Mean negative log-likelihood of the answer tokens. Faint: every logged step."]
    if smooth(steps, losses) is not None:
        said[0] += f" Clear: {smoothing_words(len(losses))}."
    return [*said, *(note.capitalize() + "." for note in curve.notes)]


def _draw(axes: Axes, curve: Curve) -> None:
    steps, losses = curve.points("train", "step", "loss")
    smoothed = smooth(steps, losses)
    axes.plot(*thin(steps, losses), color=TRAIN, linewidth=0.8, alpha=0.35 if smoothed is not None else 1)
    shown = losses if smoothed is None else smoothed
    axes.plot(*thin(steps, shown), color=TRAIN, linewidth=2)
    held_x, held_y = curve.points("validation", "step", "loss")
    axes.plot(
        held_x, held_y, color=VALIDATION, linewidth=1, marker="o", markersize=4.5, markeredgecolor="white"
    )
    axes.set_xlabel("optimizer step", loc="right")
    axes.locator_params(axis="x", integer=True)
    axes.set_ylabel("loss (nats per token)")
    axes.margins(x=0.012)
    fit_limits(axes, losses, [*shown, *held_y])
    name = "train" if smoothed is None else "train, smoothed"
    ends = [_end(name, steps, shown, TRAIN), _end("validation", held_x, held_y, VALIDATION)]
    end_labels(axes, [end for end in ends if end])


def _end(name: str, x: Floats, y: Floats, color: str) -> tuple[float, float, str, str] | None:
    if not len(y):
        return None
    return float(x[-1]), float(y[-1]), name, color

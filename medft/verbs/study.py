"""medft study: train, evaluate and compare models x data sets x prompts x seeds from one file, with a
report.

The story of the command, top to bottom: look, plan, train, ask, write.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medft.errors import ConfigError, RunError
from medft.files import take
from medft.overrides import value_of
from medft.runs.record import read_mapping
from medft.runs.values import strings
from medft.screen import Screen
from medft.study import asking, planning, running
from medft.study.cells import Trial, cells, comparisons, idle
from medft.study.config import StudyConfig
from medft.study.expected import Expected
from medft.study.folder import StudyDir, find_study
from medft.study.writing.page import write_study
from medft.verbs.plan_cells import look

__all__ = ["EXAMPLES", "MAIN", "StudyConfig", "expand", "run"]

EXAMPLES = (
    "medft study study=two_twins",
    "medft study study=four_families plan_only=true",
    "medft study study=smollm2 paths.medquad=medquad.csv hours=6",
    "medft study name=mine models=[gemma,mistral] datasets=[medquad_hub] seeds=[1,2,3]",
    "medft study study=my_study --config-dir my_conf",
    "medft study resume=two_twins",
)
MAIN = (
    "name", "models", "datasets", "templates", "seeds", "vary", "settings", "paths", "suites",
    "suite_settings", "primary.suite", "primary.metric", "compare", "hours", "launch", "plan_only", "resume",
)  # fmt: skip
"""The settings that help shows first."""
SHIP, DO_NOT_SHIP, FAILED, STOPPED = 0, 3, 1, 130


def expand(overrides: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """The words to compose, which the settings remember: with ``resume``, those that the study began with.

    Raises:
        ConfigError: they name no study.
        RunError: there is none to resume.
    """
    own = [word for word in overrides if not word.startswith("resume=")]
    if (name := value_of(overrides, "resume")) is not None:
        folder = find_study(name, Path(value_of(own, "artifacts") or "artifacts"))
        before = strings(read_mapping(folder.settings).get("overrides"))
        own = [*(word for word in before if not word.startswith("plan_only=")), *own]
    elif not any(word.startswith(("study=", "name=")) for word in own):
        raise ConfigError(
            "no study was named",
            remedy="medft list studies; one of your own: name=... models=[...] datasets=[...], or a file in "
            "my_conf/study with --config-dir my_conf",
        )
    return own, {"overrides": own}


def run(config: StudyConfig) -> int:
    """Plan, train what is missing, ask all, compare, and write it up.

    Returns:
        The exit code: 0 ship, 3 do not ship, 1 where a run or an evaluation failed, 130 where it was stopped.

    Raises:
        ConfigError: a cell, a suite or the primary outcome is impossible; nothing was started then.
        RunError: another process is at work on the study.
    """
    screen, folder = Screen(), StudyDir(config.place)
    screen.title(f"study {config.name}", str(folder.root))
    folder.root.mkdir(parents=True, exist_ok=True)
    with (folder.root / ".lock").open("a") as lock, screen.chatter_to(folder.root / "study.log"):
        if not take(lock):
            raise RunError("another process is working on this study", where=str(folder.root))
        return _study(config, folder, screen)


def _study(config: StudyConfig, folder: StudyDir, screen: Screen) -> int:
    before = _before(folder)
    for line in folder.changed(config):
        screen.line("changed", line)
    wanted = cells(config)
    for name in idle(config):
        screen.line("notice", f"the settings under where.{name} have no effect: the study has no {name}")
    for word in asking.idle(config):
        screen.line("notice", f"{word} has no effect: the study does not use that suite")
    comparisons(config, wanted)
    asking.asked_words(config)
    expected = look(config, wanted, screen)
    with screen.waiting("opening suites"):
        asked = asking.open_all(config, expected)
        outcomes = asking.primary(config, asked)
    found = running.standing(config, expected, folder)
    plan = planning.make(config, expected, found, asked, outcomes)
    folder.write_settings(config)
    folder.write_plan(plan.to_json())
    folder.write_trials(found)
    for label, words in planning.lines(config, plan):
        screen.line(label, words)
    _say_problems(expected, screen)
    _say_there(found, before, screen)
    if config.plan_only:
        screen.say(f"next    {config.again}")
        return SHIP
    ended = running.train(config, folder, found, screen)
    found = running.standing(config, expected, folder)
    folder.write_trials(found)
    if ended:
        ended, found = running.evaluate(config, folder, found, screen)
        folder.write_trials(found)
    if not ended:
        screen.say(f"stopped; resume with   {config.again}")
        return STOPPED
    return _conclude(config, folder, found, screen)


def _before(folder: StudyDir) -> list[Trial]:
    """The runs as they stood when the study last ran."""
    with contextlib.suppress(RunError):  # none yet, or of no use now
        return folder.trials()
    return []


def _say_problems(expected: Sequence[Expected], screen: Screen) -> None:
    """What may stand in the way of cells, each problem once."""
    for problem in dict.fromkeys(problem for each in expected for problem in each.problems):
        of = [each.cell.label for each in expected if problem in each.problems]
        screen.line("notice", f"{problem} ({of[0]}{f' and {len(of) - 1} more cells' * (len(of) > 1)})")


def _say_there(found: Sequence[Trial], before: Sequence[Trial], screen: Screen) -> None:
    """What is reused, what is done again, and what an earlier form of the study trained in vain."""
    for trial in found:
        if trial.reused:
            screen.line("reused", f"{trial.cell.label}, seed {trial.seed}: {trial.run.root}")
        elif trial.state == "failed":
            screen.line("again", f"{trial.cell.label}, seed {trial.seed} failed: {trial.reason}")
    used = {trial.run.root for trial in found}
    for trial in before:
        if trial.state == "finished" and trial.run.root not in used and trial.run.root.is_dir():
            screen.line(
                "left",
                f"{trial.cell.label}, seed {trial.seed} no longer belongs to this study: {trial.run.root}",
            )


def _conclude(config: StudyConfig, folder: StudyDir, found: Sequence[Trial], screen: Screen) -> int:
    """Write the study up, and say what it came to."""
    for trial in found:
        if trial.state != "finished":
            screen.line("missing", f"{trial.cell.label}, seed {trial.seed}: {trial.reason or trial.state}")
    if not any(trial.state == "finished" for trial in found):
        raise RunError("no run has finished, so there is nothing to report", where=str(folder.root))
    verdict = write_study(config, folder, found)
    screen.line("verdict", verdict.words)
    for reason in verdict.reasons:
        screen.line("", reason)
    screen.line("wrote", ", ".join(str(folder.page(kind)) for kind in ("html", "md", "csv", "tex")))
    if any(trial.state != "finished" for trial in found):
        return FAILED
    return SHIP if verdict.ship else DO_NOT_SHIP

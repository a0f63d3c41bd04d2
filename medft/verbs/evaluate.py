"""medft evaluate: base and tuned model on the same items, compared in pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from medft.aliases import NamedProgress
from medft.engine.device import release
from medft.errors import EngineError, MedftError
from medft.evaluation.asking import System
from medft.evaluation.context import Context
from medft.evaluation.report import metrics_tables, remarks, write_report
from medft.evaluation.run import Suite, open_suite
from medft.files import clear_left
from medft.inference.library import Library, RunModel, fingerprint, open_merged, read_run
from medft.inference.session import BASE, Session
from medft.models.base_models import merging_base, training_base
from medft.overrides import Idle
from medft.report.comparison.selection import runs_meant
from medft.report.verdicts import findings
from medft.runs import RunDir
from medft.runs.record import RunRecord
from medft.screen import Screen
from medft.verbs.contexts import contexts
from medft.verbs.evaluate_config import EvaluateConfig

__all__ = ["EXAMPLES", "IDLE", "EvaluateConfig", "run"]

EXAMPLES = (
    "medft evaluate run=latest",
    "medft evaluate run=latest suite=pubmedqa suite.pubmedqa.dataset.path=data/raw/pubmedqa",
    "medft evaluate run=latest suite=[nli,rag] suite.rag.limit=100",
    "medft evaluate run=latest suite=multimedqa weights=merged",
    "medft evaluate run=artifacts/sweeps/20261120-101500 suite=heldout",
)
IDLE = (Idle("top_p", lambda config: config.temperature > 0, "temperature above 0"),)
TUNED = "tuned"
FAILED = "not evaluated: "
SAVED = "the answers so far are saved; run the same command to continue"


def run(config: EvaluateConfig) -> int:
    """Open the suites, ask base and tuned model of every run, write metrics and report, and show the tables.

    Returns:
        The exit code: 1 where one of several runs could not be evaluated; the others were.

    Raises:
        MedftError: a run, a suite's data or a library is missing; answers already given are saved.
    """
    screen = Screen()
    runs = [read_run(run, config.weights) for run in _meant(config, screen)]
    beside = [read_run(run, config.weights) for run in _beside(config, runs)]
    found = contexts(config, [*runs, *beside])[: len(runs)]
    failed: list[MedftError] = []
    for tuned, context in zip(runs, found, strict=True):
        try:
            _evaluate(config, tuned, context, screen)
        except MedftError as error:
            if len(runs) == 1:
                raise
            screen.say(f"{tuned.record.run.root}: {FAILED}{error}")
            failed.append(error)
    if len(failed) == len(runs):
        raise failed[0]
    if len(runs) > 1:
        named = ",".join(str(run.record.run.root) for run in runs)
        screen.line("next", f"medft compare 'runs=[{named}]'")
    return int(bool(failed))


def _meant(config: EvaluateConfig, screen: Screen) -> list[RunDir]:
    """The runs; where several are meant, without those that have not finished, which is said."""
    found = runs_meant((config.run,) if isinstance(config.run, str) else config.run, config.artifacts)
    finished = [run for run in found if run.summary.is_file()]
    if len(found) == 1 or not finished:
        return found[:1]
    for run in found:
        if run not in finished:
            screen.line("left out", f"{run.root}: {run.state()}")
    return finished


def _beside(config: EvaluateConfig, runs: Sequence[RunModel]) -> list[RunDir]:
    """The runs beside which these are asked."""
    asked = {run.record.run.root.resolve() for run in runs}
    found = runs_meant(config.beside, config.artifacts) if config.beside else []
    return [run for run in found if run.root.resolve() not in asked and run.summary.is_file()]


def _evaluate(config: EvaluateConfig, tuned: RunModel, context: Context, screen: Screen) -> None:
    screen.title("medft evaluate", str(tuned.record.run.root))
    if context.folder.is_dir():
        clear_left(context.folder)
    for line in (*context.remarks, *context.remarks_on_own):
        screen.line("note", line)
    with screen.chatter_to(context.folder / "evaluate.log"), _bar(screen) as progress:
        suites = [open_suite(name, suite, context) for name, suite in config.suite.items()]
        with _saved():
            _ask(suites, _systems(config, tuned), progress)
            results = [suite.finish(progress) for suite in suites]
    written = write_report(tuned.record.run, f"Evaluation of {tuned.record.run.name}")
    found = findings(RunRecord(tuned.record.run).suites.values())
    for result in results:
        screen.say(f"\n{result['suite']}: {result['asked']} items")
        for table in metrics_tables(result, found):
            screen.table(table.columns, table.rows, wrap=table.columns)
        for remark in remarks(result, found):
            screen.say(f"  {remark}")
    screen.line("wrote", ", ".join(str(path) for path in written))


@contextmanager
def _saved() -> Iterator[None]:
    """Add to a stop or a lack of memory within the block that the answers so far are saved."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(SAVED) from None
    except EngineError as error:
        error.remedy = "; ".join(filter(None, (error.remedy, SAVED)))
        raise


def _ask(suites: Sequence[Suite], systems: Iterator[System], progress: NamedProgress) -> None:
    for system in systems:
        for suite in suites:
            suite.ask(system, progress)
        del system  # or it would lie in memory beside the next one
        release()


def _systems(config: EvaluateConfig, tuned: RunModel) -> Iterator[System]:
    """Base, then tuned. An adapter is switched off and on; merged weights are loaded one after the other."""
    scale, artifacts, limits = tuned.resolved.scale, config.artifacts, (config.context, config.batch_tokens)
    held = "4-bit, " if tuned.load_in_4bit and config.weights == "adapter" else ""

    def system(name: str, session: Session, model: str, *weights: Path) -> System:
        prints = "+".join(map(fingerprint, weights))
        return System(name, session, model, f"{prints}, {held}{tuned.resolved.dtype}")

    if config.weights == "merged":
        base = merging_base(tuned.model, scale, artifacts)
        yield system(BASE, open_merged(tuned, "base", artifacts, *limits), BASE, base.folder)
        yield system(TUNED, open_merged(tuned, "tuned", artifacts, *limits), BASE, tuned.record.run.merged)
        return
    base = training_base(tuned.model, scale, tuned.load_in_4bit, artifacts)
    library = Library([tuned.record.run], artifacts, *limits)
    session, name = library.session(library.names[0])
    yield system(BASE, session, BASE, base.folder)
    yield system(TUNED, session, name, base.folder, tuned.record.run.adapter)


@contextmanager
def _bar(screen: Screen) -> Iterator[NamedProgress]:
    """A bar per thing that is done, with the time left."""
    now, bar = "", tqdm(disable=True)

    def progress(what: str, done: int, total: int) -> None:
        nonlocal now, bar
        if what != now:
            bar.close()
            now, bar = what, tqdm(total=total, desc=f"  {what}", file=screen.bar_stream, ncols=80)
        bar.update(done - bar.n)

    try:
        yield progress
    finally:
        bar.close()

"""medft evaluate: base and tuned model on the same items, compared in pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from medft.aliases import NamedProgress
from medft.checked import Name, Seed, Tokens
from medft.data.config import DatasetConfig
from medft.data.prepare import prepare
from medft.data.record import Record
from medft.engine.device import release
from medft.errors import ConfigError, EngineError, MedftError
from medft.evaluation.asking import System
from medft.evaluation.config import SuiteConfig
from medft.evaluation.context import Context
from medft.evaluation.report import metrics_tables, remarks, write_report
from medft.evaluation.run import Suite, open_suite
from medft.evaluation.same_items import shared_tests, union
from medft.files import clear_left
from medft.inference.generation import BATCH_TOKENS, Sampling
from medft.inference.library import Library, RunModel, Weights, fingerprint, open_merged, read_run
from medft.inference.session import BASE, Session
from medft.models.base_models import merging_base, training_base
from medft.overrides import Idle
from medft.report.comparison.selection import runs_meant
from medft.report.verdicts import findings
from medft.runs import RunDir
from medft.runs.record import RunRecord
from medft.screen import Screen

EXAMPLES = (
    "medft evaluate run=latest",
    "medft evaluate run=latest suite=pubmedqa suite.pubmedqa.dataset.path=data/raw/pubmedqa",
    "medft evaluate run=latest suite=[nli,rag] suite.rag.limit=100",
    "medft evaluate run=latest suite=multimedqa weights=merged",
    "medft evaluate run=artifacts/sweeps/20261120-101500 suite=heldout",
)
IDLE = (Idle("top_p", lambda config: config.temperature > 0, "temperature above 0"),)
TUNED = "tuned"
SAVED = "the answers so far are saved; run the same command to continue"


@dataclass(frozen=True, slots=True)
class EvaluateConfig:
    """What is asked, and of which run."""

    suite: dict[Name, SuiteConfig]
    """The suites, by name."""
    run: str | tuple[str, ...] = "latest"
    """The run: a folder, `latest`, or part of a run's name. Several are asked the same items: a list, a
    sweep, or a pattern (`mistral*`)."""
    weights: Weights = "adapter"
    """adapter: on the base it was trained on; merged: the merged weights against the 16-bit base."""
    temperature: float = 0.0
    """0 is greedy decoding, recommended for metrics that are to be compared."""
    top_p: float = 1.0
    """Sample from the smallest set of tokens with this much probability."""
    context: Tokens = 4096
    """Longest prompt and answer together, in tokens."""
    batch_tokens: Tokens = BATCH_TOKENS
    """Tokens of prompts and answers that are computed at once; fewer need less memory."""
    seed: Seed = 3407
    """Seeds the choice of items, the permutations of tests, and sampling."""
    artifacts: Path = Path("artifacts")
    """Where runs lie."""
    processed: Path = Path("data/processed")
    """Where prepared records are kept."""


def run(config: EvaluateConfig) -> None:
    """Open the suites, ask base and tuned model of every run, write metrics and report, and show the tables.

    Raises:
        MedftError: a run, a suite's data or a library is missing; answers already given are saved.
    """
    screen = Screen()
    runs = [read_run(run, config.weights) for run in _meant(config, screen)]
    contexts = _contexts(config, runs)
    for tuned, context in zip(runs, contexts, strict=True):
        _evaluate(config, tuned, context, screen)
    if len(runs) > 1:
        named = ",".join(str(run.record.run.root) for run in runs)
        screen.line("next", f"medft compare 'runs=[{named}]'")


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


def _contexts(config: EvaluateConfig, runs: Sequence[RunModel]) -> list[Context]:
    """What the suites of each run share. Several runs are asked the same items: of their own test splits
    those that are in all of them, of other data none that one of them was trained on.

    Raises:
        ConfigError: a suite asks the runs' own test splits, and they have no row in common.
    """
    remarks: list[list[str]] = [[] for _ in runs]
    splits = [_records(config, run, said) for run, said in zip(runs, remarks, strict=True)]
    asks_own = any(suite.dataset is None and suite.kind != "harness" for suite in config.suite.values())
    tests = shared_tests([own for own, _ in splits])
    trained_on = union([trained for _, trained in splits]) if len(runs) > 1 else []
    if len(runs) > 1 and asks_own and not tests:
        raise ConfigError(
            "the test splits of these runs have no row in common",
            where=", ".join(run.record.run.name for run in runs),
            remedy="evaluate them on a suite with a data set of its own (medft list suites), or one by one",
        )
    return [
        Context(
            template=run.template,
            own=tests,
            trained_on=trained,
            trained_on_elsewhere=trained_on,
            others=[other.record.run.evaluation for other in runs if other is not run],
            sampling=Sampling(temperature=config.temperature, top_p=config.top_p, seed=config.seed),
            folder=run.record.run.evaluation,
            seed=config.seed,
            tiny=run.resolved.scale == "tiny",
            run=run.record.run.name,
            weights=config.weights,
            remarks=said,
            remarks_on_own=_fewer(tests, own) if asks_own else (),
        )
        for run, (own, trained), said in zip(runs, splits, remarks, strict=True)
    ]


def _fewer(tests: Sequence[Record], own: Sequence[Record]) -> tuple[str, ...]:
    """That not all of a run's test rows are asked, where they are not in the test split of every run."""
    if len(tests) == len(own):
        return ()
    return (
        f"{len(tests):,} of {len(own):,} test rows stand in the test split of every run, so those alone are "
        "asked; a suite with a data set of its own asks all of its items.",
    )


def _records(
    config: EvaluateConfig, tuned: RunModel, remarks: list[str]
) -> tuple[list[Record], list[Record]]:
    """The run's test and training records, prepared again exactly as for the training."""
    dataset = tuned.record.built(DatasetConfig, "dataset")
    seed = tuned.record.demand(int, "settings", "seed")
    try:
        prepared = prepare(dataset, seed=seed, processed=config.processed)
    except MedftError as error:
        if any(suite.dataset is None and suite.kind != "harness" for suite in config.suite.values()):
            raise
        remarks.append(
            f"The training data is not at hand, so items are not checked against it ({error.what})."
        )
        return [], []
    return list(prepared.records("test")), list(prepared.records("train"))


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

"""medft evaluate: base and tuned model on the same items, compared in pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from medft.aliases import NamedProgress
from medft.config import build
from medft.data.config import DatasetConfig
from medft.data.prepare import prepare
from medft.data.record import Record
from medft.engine.device import release
from medft.errors import EngineError, MedftError
from medft.evaluation.asking import System
from medft.evaluation.config import SuiteConfig
from medft.evaluation.context import Context
from medft.evaluation.report import metrics_table, remarks, write_report
from medft.evaluation.run import Suite, open_suite
from medft.inference.generation import BATCH_TOKENS, Sampling
from medft.inference.library import Library, RunModel, Weights, fingerprint, open_merged, read_run
from medft.inference.session import BASE, Session
from medft.models.base_models import merging_base, training_base
from medft.report.verdicts import findings
from medft.runs import find_run
from medft.runs.record import RunRecord
from medft.screen import Screen

EXAMPLES = (
    "medft evaluate run=latest",
    "medft evaluate run=latest suite=pubmedqa suite.pubmedqa.dataset.path=data/raw/pubmedqa",
    "medft evaluate run=latest suite=[nli,rag] suite.rag.limit=100",
    "medft evaluate run=latest suite=multimedqa weights=merged",
)
TUNED = "tuned"
SAVED = "the answers so far are saved; run the same command to continue"


@dataclass(frozen=True, slots=True)
class EvaluateConfig:
    """What is asked, and of which run."""

    suite: dict[str, SuiteConfig]
    """The suites, by name."""
    run: str = "latest"
    """The run: a folder, `latest`, or part of a run's name."""
    weights: Weights = "adapter"
    """adapter: on the base it was trained on; merged: the merged weights against the 16-bit base."""
    temperature: float = 0.0
    """0 is greedy decoding, recommended for metrics that are to be compared."""
    top_p: float = 1.0
    """Sample from the smallest set of tokens with this much probability."""
    context: int = 4096
    """Longest prompt and answer together, in tokens."""
    batch_tokens: int = BATCH_TOKENS
    """Tokens of prompts and answers that are computed at once; fewer need less memory."""
    seed: int = 3407
    """Seeds the choice of items, the bootstrap and sampling."""
    artifacts: Path = Path("artifacts")
    """Where runs lie."""
    processed: Path = Path("data/processed")
    """Where prepared records are kept."""


def run(config: EvaluateConfig) -> None:
    """Open the suites, ask base and tuned model, write metrics and report, and show the table.

    Raises:
        MedftError: the run, a suite's data or a library is missing; answers already given are saved.
    """
    screen = Screen()
    tuned = read_run(find_run(config.run, config.artifacts), config.weights)
    context = _context(config, tuned)
    screen.title("medft evaluate", str(tuned.record.run.root))
    for line in context.remarks:
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
        table = metrics_table(result, found)
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


def _context(config: EvaluateConfig, tuned: RunModel) -> Context:
    remarks: list[str] = []
    own, trained_on = _records(config, tuned, remarks)
    return Context(
        template=tuned.template,
        own=own,
        trained_on=trained_on,
        sampling=Sampling(temperature=config.temperature, top_p=config.top_p, seed=config.seed),
        folder=tuned.record.run.evaluation,
        seed=config.seed,
        tiny=tuned.resolved.scale == "tiny",
        run=tuned.record.run.name,
        weights=config.weights,
        remarks=remarks,
    )


def _records(
    config: EvaluateConfig, tuned: RunModel, remarks: list[str]
) -> tuple[list[Record], list[Record]]:
    """The run's test and training records, prepared again exactly as for the training."""
    dataset = build(DatasetConfig, tuned.record.demand(dict, "settings", "dataset"), "dataset")
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

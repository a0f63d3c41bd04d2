"""medft delete: remove a run, and list what remains of it elsewhere."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medft.errors import MedftError, RunError
from medft.files import clear_left, folder_size, hide
from medft.format import size
from medft.paths import expanded
from medft.runs import RunDir, find_run
from medft.runs.record import RunRecord, read_mapping
from medft.runs.values import mapping, text
from medft.screen import Screen

EXAMPLES = (
    "medft delete run=mistral-tiny-sample-medical_qa/20261120-101500",
    "medft delete run=20261120-101500 yes=true",
    "medft delete run=20261120-101500 data=true yes=true",
)
OWN = {
    "config.yaml", "environment.json", "plan.json", "ledger.json", "loss.csv", "loss.png", "run.log",
    "checkpoints", "adapter", "merged", "evaluation", "export", "summary.json", "status.json", "wandb.json",
    "wandb", "replay.json",
}  # fmt: skip
"""What medft writes into a run folder, beside its lock, left-overs of kills and logs of further processes."""
_HIDDEN = re.compile(r"\.lock|\..+\.(part|old)")
_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class DeleteConfig:
    """Which run is removed."""

    run: str
    """The run: a folder, or its stamp; without yes=true also another part of its name."""
    yes: bool = False
    """Really remove it; otherwise only show what would be removed."""
    data: bool = False
    """Also remove the prepared rows that it was trained on, and all cached token ids; other runs recreate
    them."""
    artifacts: Path = Path("artifacts")
    """Folder of the runs."""
    processed: Path = Path("data/processed")
    """Where prepared records and token ids are kept."""


def run(config: DeleteConfig) -> None:
    """Show what the run has on this disk and elsewhere, and remove it if that is asked.

    Raises:
        RunError: there is no such run, a process is at work in it, or it holds files that are not medft's.
    """
    for folder in (*(config.artifacts / "runs").glob("*/"), config.processed):
        clear_left(folder)  # an earlier one that was killed
    screen, found = Screen(), RunDir(find_run(config.run, config.artifacts).root.resolve())
    _demand_own(found)
    whole = f"medft delete run={found.quoted}{' data=true' * config.data} yes=true"
    if config.yes and not _is_whole(config.run, found):
        raise RunError(
            f"'{config.run}' is not a complete run name",
            where=str(found.root),
            remedy=f"{whole}   removes this run",
        )
    places = [found.root, *(_prepared(found, config.processed) if config.data else ())]
    screen.title("delete", str(found.root))
    for place in places:
        screen.line("remove" if config.yes else "to remove", f"{size(folder_size(place)):>9}  {place}")
    left = list(_elsewhere(found, config))  # asked while its record is there
    if config.yes:
        with found.held():
            for place in reversed(places):  # the run last: while it is there, the command can be repeated
                _remove(place)
    for line in left:
        screen.line("left", line)
    if not config.yes:
        screen.line("next", whole)


def _is_whole(name: str, found: RunDir) -> bool:
    """Whether ``name`` can mean no other run: a folder, the stamp, or what stands before it and the stamp."""
    stamp = "" if found.root.name.isdigit() else found.root.name  # a job of a sweep has a number
    return (expanded(name) / "config.yaml").is_file() or name in (found.name, stamp)


def _demand_own(found: RunDir) -> None:
    names = {path.name for path in found.root.iterdir()}
    strangers = sorted(n for n in names - OWN if not n.startswith("run.log.") and not _HIDDEN.fullmatch(n))
    if strangers or not names & {"environment.json", "status.json", "summary.json"}:
        raise RunError(
            f"the folder contains files that medft did not write: {', '.join(strangers[:5])}"
            if strangers
            else "this folder is not a medft run",
            where=str(found.root),
            remedy="move them first, or remove the folder yourself",
        )


def _prepared(found: RunDir, processed: Path) -> Iterator[Path]:
    """The folders of the run's rows, and that of all token ids, which do not say whose they are."""
    try:
        prints = mapping(RunRecord(found).ledger, "fingerprints")
    except MedftError:
        prints = {}
    wanted = [prints.get(split) for split in _SPLITS]
    for ledger in processed.glob("*/ledger.json"):
        try:
            known = mapping(read_mapping(ledger), "fingerprints")
        except MedftError:
            continue
        if all(wanted) and [known.get(split) for split in _SPLITS] == wanted:
            yield ledger.parent
    if (processed / "tokens").is_dir():
        yield processed / "tokens"


def _elsewhere(found: RunDir, config: DeleteConfig) -> Iterator[str]:
    """What this command does not touch, and how to be rid of it."""
    if not config.data:
        for place in _prepared(found, config.processed):
            yield f"{size(folder_size(place)):>9}  {place}: prepared rows; data=true removes it"
    for path in found.root.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(found.root):
            yield f"{path.resolve()}: what the link {path.name} leads to"
    for name, what in (
        ("prepare", "reports on data; with show=..., rows"), ("compare", "reports that may name the run"),
        ("upload", "folders staged for upload"), ("indexes", "texts of docs=..."),
        ("votes.jsonl", "answers that were voted on"), ("chat.log", "library output"),
        ("serve.log", "library output"), ("plan.log", "library output"),
    ):  # fmt: skip
        if (place := config.artifacts / name).exists():
            yield f"{place}: {what}; rm -r {place}"
    try:
        wandb = read_mapping(found.root / "wandb.json")
    except MedftError:
        wandb = {}
    if wandb.get("mode") == "online":
        yield f"W&B run {text(wandb.get('id'))}: settings and metrics, no rows; delete it on its W&B page"
    yield "the source files of the data, and what was uploaded to a hub: docs/privacy.md says how"


def _remove(place: Path) -> None:
    """Out of sight at once, then gone: what is killed meanwhile is no longer a run."""
    shutil.rmtree(hide(place))
    if place.parent.is_dir() and not any(place.parent.iterdir()) and place.parent.parent.name == "runs":
        place.parent.rmdir()

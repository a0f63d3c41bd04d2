"""medft upload: publish a run's weights on a model hub: checked, documented, private by default."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medft.format import size
from medft.overrides import Idle
from medft.publish.card import Content
from medft.publish.facts import read_facts
from medft.publish.package import Package, stage
from medft.publish.preflight import (
    Access,
    Allowed,
    check_terms,
    check_weights,
    refuse_twin,
    repositories,
)
from medft.publish.rights import check_rights
from medft.publish.upload import send
from medft.runs import RunDir, find_run
from medft.screen import Screen

EXAMPLES = (
    "medft upload repo=me/mistral-medical dry_run=true",
    "medft upload run=llama3_1-medquad repo=me/Llama-3.1-medical what=merged",
    "medft upload what=adapter repo=me/mistral-medical-adapter private=false",
)
IDLE = (Idle("together", lambda config: config.what == "both", "what=both"),)


@dataclass(frozen=True, slots=True)
class UploadConfig:
    """What is sent, and where."""

    repo: str
    """Hub repository, owner/name."""
    run: str = "latest"
    """The run: a folder, `latest`, or part of a run's name."""
    what: Content = "both"
    """adapter, merged, or both (merged to `repo`, the adapter to `repo`-adapter)."""
    together: bool = False
    """With both: one repository with the folders adapter/ and merged/ instead of two."""
    private: bool = True
    """Create the repository as private."""
    allow: tuple[Allowed, ...] = ()
    """For a public repository, what you take responsibility for: license (the data's license grants no right
    to publish), identifiers (some were found in the data)."""
    dry_run: bool = False
    """Write the folders that would be sent, and send nothing. Works for a tiny twin too, marked as one."""
    artifacts: Path = Path("artifacts")
    """Folder of the runs; the upload is staged there."""


def run(config: UploadConfig) -> None:
    """Publish the run that is meant.

    Raises:
        MedftError: there is no such run; and as `publish`.
    """
    publish(find_run(config.run, config.artifacts), config, Screen())


def publish(found: RunDir, config: UploadConfig, screen: Screen) -> None:
    """Check everything, show what will be sent, send it.

    Raises:
        MedftError: what forbids the upload (nothing was sent), or broke it off (the same command goes on).
    """
    facts, targets = read_facts(found), repositories(config.repo, config.what, config.together)
    if not config.dry_run:
        refuse_twin(facts)
    check_terms(facts, targets, Access(config.private, config.allow))
    check_weights(found, facts, targets)
    if not config.dry_run:
        check_rights([repo for repo, _ in targets], config.private)
    packages = [stage(found, facts, target, config.artifacts / "upload") for target in targets]
    screen.title(facts.title, str(found.root))
    for package in packages:
        show(package, config.private, screen)
    if config.dry_run:
        twin = "; a tiny twin is never uploaded, and its card says that it is one" if facts.tiny else ""
        screen.line("dry run", f"nothing was sent; these folders would be{twin}")
        return
    for package in packages:
        address = send(package, private=config.private, say=lambda words: screen.line("", words))
        screen.line("sent", address)


def show(package: Package, private: bool, screen: Screen) -> None:
    """What a package holds, with sizes."""
    visible = "private" if private else "public"
    screen.line("to", f"{package.repo} ({visible}), {size(package.bytes)}, from {package.folder}")
    for name, count in package.files:
        screen.line("", f"{size(count):>9}  {name}")
    if package.left_out:
        screen.line("not sent", ", ".join(package.left_out))
    for notice in package.notices:
        screen.line("notice", notice)

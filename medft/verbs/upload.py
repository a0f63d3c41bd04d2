"""medft upload: hand a run's weights to a model hub, checked, documented, private unless asked otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medft.publish.card import Kind
from medft.publish.facts import read_facts
from medft.publish.package import Package, check_run, repositories, stage
from medft.publish.upload import check_rights, send
from medft.runs import find_run

EXAMPLES = (
    "medft upload repo=me/mistral-medical dry_run=true",
    "medft upload run=llama3_1-medquad repo=me/Llama-3.1-medical what=merged",
    "medft upload what=adapter repo=me/mistral-medical-adapter private=false",
)


@dataclass(frozen=True, slots=True)
class UploadConfig:
    """What is sent, and where."""

    repo: str
    """Hub repository, owner/name."""
    run: str = "latest"
    """The run: a folder, `latest`, or part of a run's name."""
    what: Kind = "both"
    """adapter, merged, or both (merged to `repo`, the adapter to `repo`-adapter)."""
    together: bool = False
    """With both: one repository with the folders adapter/ and merged/ instead of two."""
    private: bool = True
    """Only its owner sees a repository that is made for this."""
    dry_run: bool = False
    """Write the exact folders that would be sent, and send nothing."""
    artifacts: Path = Path("artifacts")
    """Where runs lie, and where the folders to send are made."""


def run(config: UploadConfig) -> None:
    """Check everything, show what will be sent, send it.

    Raises:
        MedftError: what forbids the upload (nothing was sent), or broke it off (the same command goes on).
    """
    found = find_run(config.run, config.artifacts)
    facts = read_facts(found)
    targets = repositories(config.repo, config.what, config.together)
    check_run(found, facts, targets, config.private)
    if not config.dry_run:
        check_rights([repo for repo, _ in targets], config.private)
    packages = [stage(found, facts, target, config.artifacts / "upload") for target in targets]
    print(f"{facts.title}      {found.root}")
    for package in packages:
        print(listing(package, config.private))
    if config.dry_run:
        print("  dry run: nothing was sent; these folders are what would be")
        return
    for package in packages:
        address = send(package, private=config.private, say=lambda line: print(f"  {line}", flush=True))
        print(f"  sent    {address}")


def listing(package: Package, private: bool) -> str:
    """What a package holds, for the terminal."""
    visible = "private" if private else "public"
    lines = [f"  to      {package.repo} ({visible}), {size(package.bytes)}, from {package.folder}"]
    lines += [f"          {size(bytes_):>9}  {name}" for name, bytes_ in package.files]
    if package.left_out:
        lines.append(f"  stays   {', '.join(package.left_out)}")
    lines += [f"  note    {notice}" for notice in package.notices]
    return "\n".join(lines)


def size(count: int) -> str:
    """Bytes in decimal units, as hubs count them."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"

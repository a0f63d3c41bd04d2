"""The exact folder that goes to a hub repository: weights, tokenizer, card, notice, curve, and no local path.

A dry run ends here, and an upload sends the folders made here.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medft.data.ledger import NOT_SEARCHED
from medft.errors import RunError
from medft.files import atomic_folder, read_json, write_json, write_text
from medft.merge.sidecar_files import LICENSE_FILES
from medft.models.tokenizer_files import FILES
from medft.publish.card import Content, is_hub_id, write_card
from medft.publish.facts import Facts
from medft.publish.license import KNOWN, forbids_sharing, grants_nothing, text_of
from medft.publish.preflight import Target
from medft.runs import RunDir

PUBLISHED = (
    "adapter_config.json", "adapter_model*.safetensors", "model*.safetensors", "model.safetensors.index.json",
    "config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
    *FILES, *LICENSE_FILES,
)  # fmt: skip
"""What a repository may receive of adapter/ and merged/; whatever else lies there stays."""
# Keys of configuration files in which libraries write down where a model lay on this machine.
_PATH_KEYS = ("base_model_name_or_path", "_name_or_path", "name_or_path")


@dataclass(frozen=True, slots=True)
class Package:
    """What one repository receives."""

    repo: str
    """owner/name"""
    kind: Content
    """What it holds."""
    folder: Path
    """The files, exactly as they are sent."""
    files: tuple[tuple[str, int], ...]
    """Path in the repository and bytes, the largest first."""
    left_out: tuple[str, ...]
    """Files of the run's folders that are not sent."""
    notices: tuple[str, ...]
    """What the sender must know."""

    @property
    def bytes(self) -> int:
        """Size of everything."""
        return sum(size for _, size in self.files)


def stage(run: RunDir, facts: Facts, target: Target, into: Path) -> Package:
    """Make the folder ``into/<owner>--<name>`` that the repository receives, whole or not at all.

    Weights are hard links where the file system allows it, so that staging takes neither time nor space.

    Raises:
        RunError: a file is a link that leads out of the run's folder.
    """
    repo, kind = target
    folder = into / repo.replace("/", "--")
    left_out: list[str] = []
    with atomic_folder(folder) as aside:
        for prefix, origin in _folders(run, kind):
            left_out += _copy(origin, aside / prefix, facts, PUBLISHED)
        if kind != "merged":  # the merge took them from the base
            _copy(run.merged, aside, facts, LICENSE_FILES)
        write_text(aside / "README.md", write_card(facts, repo, kind))
        if facts.terms.notice:
            write_text(aside / "NOTICE", facts.terms.notice + "\n")
        if not any(_has_license(path.name) for path in _files(aside)) and (text := _license(run, facts)):
            write_text(aside / "LICENSE", text)
        if facts.curve:
            shutil.copyfile(facts.curve, aside / "loss.png")
    files = [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in _files(folder)]
    by_size = tuple(sorted(files, key=lambda file: (-file[1], file[0])))
    return Package(repo, kind, folder, by_size, tuple(left_out), tuple(_notices(facts, kind, by_size)))


def _folders(run: RunDir, kind: Content) -> list[tuple[str, Path]]:
    """Where in the repository which folder of the run goes."""
    both = {"adapter": run.adapter, "merged": run.merged}
    return list(both.items()) if kind == "both" else [("", both[kind])]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _copy(origin: Path, target: Path, facts: Facts, patterns: Sequence[str]) -> list[str]:
    """Link or copy the files that match one of ``patterns``; returns the names of what stays behind."""
    target.mkdir(parents=True, exist_ok=True)
    left_out = []
    root = origin.resolve()
    for path in _files(origin):
        name = path.relative_to(origin).as_posix()
        if "/" in name or not any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            left_out.append(f"{origin.name}/{name}")
            continue
        if not path.resolve().is_relative_to(root):
            raise RunError(
                f"{name} is a link to outside its folder",
                where=str(path),
                remedy="replace it with the file itself",
            )
        _place(path, target / name, facts)
    return left_out


def _place(path: Path, target: Path, facts: Facts) -> None:
    if path.suffix == ".json" and path.name.endswith("config.json"):
        write_json(target, _without_paths(read_json(path), facts))
        return
    try:
        os.link(path, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(path, target)


def _without_paths(config: Mapping[str, object], facts: Facts) -> dict[str, object]:
    """The configuration with the base's public name where a library wrote a path of this machine."""
    return {
        key: facts.base_16bit
        if key in _PATH_KEYS and isinstance(value, str) and not is_hub_id(value)
        else value
        for key, value in config.items()
    }


def _license(run: RunDir, facts: Facts) -> str:
    """The license's text, where the base's folder brought none: the user's own file, else one that ships."""
    own = run.root / "LICENSE"
    return own.read_text(encoding="utf-8") if own.is_file() else text_of(facts.terms)


def _has_license(name: str) -> bool:
    return name.rpartition("/")[2].startswith("LICENSE")


def _notices(facts: Facts, kind: Content, files: tuple[tuple[str, int], ...]) -> Iterator[str]:
    if kind != "merged" and not is_hub_id(facts.base_16bit):
        yield "the base is a local folder: others cannot load the adapter without it"
    if facts.terms.id in KNOWN and not any(_has_license(name) for name, _ in files):
        yield (
            f"the {facts.terms.name} requires a copy of its text, and the base's folder has none: save it "
            f"({facts.terms.url}) as LICENSE in the run's folder"
        )
    if any(forbids_sharing(source.license, source.license_note) for source in facts.sources):
        yield (
            "the training data may not be redistributed: give access only to people who signed its agreement"
        )
    if any(grants_nothing(source.license, source.license_note) for source in facts.sources):
        yield "the license of the training data grants no right to share models made from it"
    if facts.identifiers[NOT_SEARCHED]:
        yield "the training data was not searched for personal identifiers"
    elif facts.identifiers:
        yield f"the training data appears to contain identifiers: {facts.identifiers.total():,}"

"""What a model hub remembers: repositories, their commits and their large objects, in memory.

Over HTTP they are served by hub_server.py.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

Kind = str  # "model" or "dataset", as the hub's API names them
LFS_SUFFIXES = (".safetensors", ".gguf", ".parquet", ".bin", ".model")


@dataclass
class Commit:
    """One immutable state of a repository."""

    sha: str
    files: dict[str, bytes]
    lfs: frozenset[str]
    """Paths kept as large objects."""
    message: str = ""


@dataclass
class Repo:
    """A repository; `gated` asks for a token that was granted access, `private` hides it."""

    id: str
    kind: Kind
    private: bool = False
    gated: bool = False
    commits: list[Commit] = field(default_factory=list)

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def at(self, revision: str) -> Commit | None:
        if revision == "main":
            return self.head
        return next((commit for commit in self.commits if commit.sha == revision), None)

    def commit(self, files: dict[str, bytes], lfs: frozenset[str], message: str = "") -> Commit:
        listing = repr((len(self.commits), sorted((path, sha256(data)) for path, data in files.items())))
        made = Commit(hashlib.sha1(listing.encode()).hexdigest(), files, lfs, message)  # noqa: S324
        self.commits.append(made)
        return made


@dataclass
class Store:
    """All repositories and large objects, and who may do what."""

    repos: dict[tuple[Kind, str], Repo] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    """Large objects by sha256."""
    writers: dict[str, str] = field(default_factory=dict)
    """Token -> user name; such a token reads everything and writes below its name."""
    readers: dict[str, str] = field(default_factory=dict)
    """Token -> user name; such a token reads what is public."""

    def add(self, repo_id: str, files: dict[str, bytes], kind: Kind = "model", **flags: Any) -> Repo:
        repo = Repo(repo_id, kind, **flags)
        lfs = frozenset(path for path in files if path.endswith(LFS_SUFFIXES))
        repo.commit(files, lfs, "first commit")
        self.repos[kind, repo_id] = repo
        return repo


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def blob_id(data: bytes) -> str:
    """Git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324


def file_entry(commit: Commit, path: str) -> dict[str, Any]:
    """A file as the tree listing describes it."""
    data = commit.files[path]
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": blob_id(data)}
    if path in commit.lfs:
        entry["lfs"] = {"oid": sha256(data), "size": len(data), "pointerSize": 130}
    return entry


def tree(commit: Commit, folder: str, recursive: bool) -> list[dict[str, Any]]:
    """Files and folders below `folder`, one level deep or all the way."""
    prefix = f"{folder}/" if folder else ""
    inside = [path for path in commit.files if path.startswith(prefix)]
    folders = {
        prefix + "/".join(parts[:depth])
        for parts in (path[len(prefix) :].split("/") for path in inside)
        for depth in range(1, len(parts) if recursive else min(2, len(parts)))
    }
    files = [path for path in inside if recursive or "/" not in path[len(prefix) :]]
    return [
        {"type": "directory", "path": path, "oid": blob_id(path.encode()), "size": 0}
        for path in sorted(folders)
    ] + [file_entry(commit, path) for path in sorted(files)]

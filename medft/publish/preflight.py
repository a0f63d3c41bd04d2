"""Obstacles to an upload: the base's license, the data's terms, the token, unchecked weights.

`preflight` asks what can be answered before a run has begun to train, so that hours of training do not end in
a refusal; `check_weights` asks the rest once it has finished.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medft.data.ledger import NOT_SEARCHED
from medft.errors import ConfigError, RunError
from medft.merge.digests import check_digests
from medft.models.folder import check_checkpoint, refuse_pickles
from medft.publish.card import Content, is_hub_id
from medft.publish.facts import Facts
from medft.publish.license import forbids_sharing, grants_nothing
from medft.publish.rights import check_rights
from medft.runs import RunDir

Target = tuple[str, Content]
"""A repository, owner/name, and what it receives."""
Allowed = Literal["license", "identifiers"]
"""What a public upload is stopped by unless the sender answers for it."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who will be able to read the repositories."""

    private: bool
    """Only their owner."""
    allow: tuple[Allowed, ...] = ()
    """What the sender answers for."""


def repositories(repo: str, what: Content, together: bool) -> list[Target]:
    """Which repository receives what; both: ``repo`` and ``repo-adapter``, or together in subfolders."""
    if what != "both" or together:
        return [(repo, what)]
    return [(repo, "merged"), (f"{repo}-adapter", "adapter")]


def preflight(facts: Facts, targets: list[Target], access: Access) -> None:
    """Ask everything that a run's configuration and this machine's token can answer, the hub included.

    Args:
        facts: of a run folder with its configuration and environment; nothing need have been trained.
        targets: where the upload will go.
        access: who will be able to read them.

    Raises:
        RunError, ConfigError: as `check_terms`.
        HubError: as `check_rights`.
    """
    refuse_twin(facts)
    check_terms(facts, targets, access)
    check_rights([repo for repo, _ in targets], access.private)


def refuse_twin(facts: Facts) -> None:
    """Refuse a tiny twin.

    Raises:
        RunError: it is one.
    """
    if facts.tiny:
        raise RunError(
            "a tiny twin is not a medical model and is never uploaded",
            where=facts.title,
            remedy="train a real base (medft train ... scale=full); dry_run=true shows the card of this run",
        )


def check_terms(facts: Facts, targets: list[Target], access: Access) -> None:
    """Refuse what must not be published, whatever its weights are.

    Raises:
        RunError: data that forbids redistribution, or not without somebody who answers for it.
        ConfigError: a name that is no hub id, or that the base's license does not allow.
    """
    for repo, _ in targets:
        _check_name(repo, facts)
    if access.private:
        return
    closed = [source.name for source in facts.sources if forbids_sharing(source.license, source.license_note)]
    if closed:
        raise RunError(
            "the training data may not be redistributed, so the model cannot be public",
            where=", ".join(closed),
            remedy="private=true, if everyone with access has signed the data use agreement",
        )
    unclear = [
        f"{source.name} ({source.license})"
        for source in facts.sources
        if grants_nothing(source.license, source.license_note)
    ]
    if unclear and "license" not in access.allow:
        raise RunError(
            "the license of the training data grants no right to publish models made from it",
            where=", ".join(unclear),
            remedy="private=true; or allow=[license], if you hold that right",
        )
    if facts.identifiers[NOT_SEARCHED] and "identifiers" not in access.allow:
        raise RunError(
            "the training data was not searched for personal identifiers, and weights can reproduce them",
            where=f"{facts.identifiers[NOT_SEARCHED]:,} rows (dataset.phi=off)",
            remedy="private=true; or train with dataset.phi=redact; or allow=[identifiers]",
        )
    if facts.identifiers and "identifiers" not in access.allow:
        raise RunError(
            "the training data appears to contain personal identifiers, and weights can reproduce them",
            where=", ".join(f"{count:,} {kind}" for kind, count in facts.identifiers.most_common()),
            remedy="private=true; or train with dataset.phi=redact; or allow=[identifiers], if you have "
            "reviewed them (medft prepare lists them)",
        )


def _check_name(repo: str, facts: Facts) -> None:
    if not is_hub_id(repo):
        raise ConfigError(f"'{repo}' is not a hub id", remedy="write repo=owner/name")
    owner, _, name = repo.partition("/")
    rule = facts.terms.name_must_start_with
    if not name.startswith(rule):
        raise ConfigError(
            f"the {facts.terms.name} requires that the name of a derived model begin with '{rule}'",
            where=f"repo={repo}",
            remedy=f"repo={owner}/{rule}-{name}",
        )


def check_weights(run: RunDir, facts: Facts, targets: list[Target]) -> None:
    """Refuse a run that has not finished, or whose weights are not whole, safe and checked.

    Raises:
        RunError: an unfinished run, or merged weights without the record of a passed check.
        MergeError: merged weights that changed since.
        EngineError: a folder of the run is missing, incomplete, or holds a pickle.
    """
    if not facts.finished:
        raise RunError(
            f"this run has not finished (it is {run.state()})",
            where=str(run.root),
            remedy=f"medft train resume={run.quoted}",
        )
    kinds = {kind for _, kind in targets}
    if kinds & {"adapter", "both"}:
        check_checkpoint(run.adapter, "adapter")
        refuse_pickles(run.adapter)
    if kinds & {"merged", "both"}:
        check_merged(run, facts)


def check_merged(run: RunDir, facts: Facts) -> None:
    """Refuse to hand on merged weights that are missing, not whole, not checked, or changed since.

    Raises:
        RunError, EngineError, MergeError: which it is, and what to do.
    """
    if not run.merged.is_dir():
        raise RunError(
            "this run has no merged weights", where=str(run.root), remedy=f"medft merge run={run.quoted}"
        )
    check_checkpoint(run.merged, "model")
    refuse_pickles(run.merged)
    if not facts.verified:
        raise RunError(
            "there is no record of a passed check of the merged weights",
            where=str(run.summary),
            remedy=f"medft merge run={run.quoted}",
        )
    check_digests(run.merged, facts.merged_files)

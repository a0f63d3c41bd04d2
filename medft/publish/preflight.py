"""What forbids an upload: the license of the base, the terms of the data, the token, weights nobody checked.

`preflight` asks what can be answered before a run has begun to train, so that hours of training do not end in
a refusal; `check_weights` asks the rest once it has finished.
"""

from __future__ import annotations

from medft.errors import ConfigError, RunError
from medft.merge.digests import check_digests
from medft.models.folder import check_checkpoint, refuse_pickles
from medft.publish.card import Content, is_hub_id
from medft.publish.facts import Facts
from medft.publish.license import forbids_sharing
from medft.publish.rights import check_rights
from medft.runs import RunDir

Target = tuple[str, Content]
"""A repository, owner/name, and what it receives."""


def repositories(repo: str, what: Content, together: bool) -> list[Target]:
    """Which repository receives what; both: ``repo`` and ``repo-adapter``, or together in subfolders."""
    if what != "both" or together:
        return [(repo, what)]
    return [(repo, "merged"), (f"{repo}-adapter", "adapter")]


def preflight(facts: Facts, targets: list[Target], private: bool) -> None:
    """Ask everything that a run's configuration and this machine's token can answer, the hub included.

    Args:
        facts: of a run folder with its configuration and environment; nothing need have been trained.
        targets: where the upload will go.
        private: whether the repositories shall be private.

    Raises:
        RunError, ConfigError: as `check_terms`.
        HubError: as `check_rights`.
    """
    check_terms(facts, targets, private)
    check_rights([repo for repo, _ in targets], private)


def check_terms(facts: Facts, targets: list[Target], private: bool) -> None:
    """Refuse what must not be published, whatever its weights are.

    Raises:
        RunError: a tiny twin, or data that must not be passed on.
        ConfigError: a name that is no hub id, or that the base's license does not allow.
    """
    if facts.tiny:
        raise RunError(
            "a tiny twin is no medical model and is never uploaded",
            where=facts.title,
            remedy="train the real base on a GPU: medft train ... scale=full",
        )
    for repo, _ in targets:
        _check_name(repo, facts)
    if not private and forbids_sharing((source.license, source.license_note) for source in facts.sources):
        raise RunError(
            "the training data forbids redistribution, so the model cannot be public",
            where=", ".join(source.name for source in facts.sources),
            remedy="private=true, when everyone with access has signed the data's agreement",
        )


def _check_name(repo: str, facts: Facts) -> None:
    if not is_hub_id(repo):
        raise ConfigError(f"'{repo}' is not a hub id", remedy="write repo=owner/name")
    owner, _, name = repo.partition("/")
    rule = facts.terms.name_must_start_with
    if not name.startswith(rule):
        raise ConfigError(
            f"the {facts.terms.name} asks that the name of a derived model begins with '{rule}'",
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
            remedy=f"medft train resume={run.root}",
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
            "this run has no merged weights", where=str(run.root), remedy=f"medft merge run={run.root}"
        )
    check_checkpoint(run.merged, "model")
    refuse_pickles(run.merged)
    if not facts.verified:
        raise RunError(
            "there is no record that the merged weights passed their check",
            where=str(run.summary),
            remedy=f"medft merge run={run.root}",
        )
    check_digests(run.merged, facts.merged_files)

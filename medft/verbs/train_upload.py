"""The upload at the end of a run: its obstacles are looked for before step 1, it is sent after the last."""

from __future__ import annotations

from medft.errors import HubError, MedftError
from medft.publish.facts import read_facts
from medft.publish.preflight import Access, preflight, repositories
from medft.runs import RunDir
from medft.screen import Screen
from medft.verbs.train_config import UploadTarget
from medft.verbs.upload import UploadConfig, publish


def demand(target: UploadTarget, folder: RunDir) -> None:
    """Refuse now what would be refused when the run has ended: token, rights, name, a tiny twin.

    Raises:
        HubError, RunError: one of them.
    """
    if target.repo:
        targets = repositories(target.repo, target.what, together=False)
        preflight(read_facts(folder), targets, Access(target.private, target.allow))


def send(target: UploadTarget, folder: RunDir, screen: Screen) -> None:
    """Send what was asked for.

    Raises:
        HubError: broken off or refused; the run has finished all the same.
    """
    if target.repo is None:
        return
    wanted = UploadConfig(
        repo=target.repo, run=str(folder.root), what=target.what, private=target.private, allow=target.allow
    )
    try:
        publish(folder, wanted, screen)
    except MedftError as error:
        command = f"medft upload run={folder.quoted} repo={target.repo} what={target.what}"
        private = "" if target.private else f" private=false allow=[{','.join(target.allow)}]"
        raise HubError(
            f"the run finished, but its upload did not: {error.what}",
            where=error.where,
            remedy="; then ".join(filter(None, (error.remedy, f"{command}{private}"))),
        ) from error

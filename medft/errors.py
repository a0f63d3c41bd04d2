"""The errors that a user of medft meets: what happened, where, and what to do next."""

from __future__ import annotations


class MedftError(Exception):
    """A failure the user can act on.

    Args:
        what: one sentence, what is wrong. Never contains record text, tokens or credentials.
        where: the key, file, line, row or address it was found at; empty when `what` already says it.
        remedy: what to do next, as a command or an instruction; empty when nothing helps.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.remedy:
            lines.append(f"  fix:   {self.remedy}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        """As another process gets it, whatever a subclass is made from."""
        return _again, (type(self), self.args), self.__dict__


def _again(kind: type[MedftError], args: tuple[str, ...]) -> MedftError:
    error = kind.__new__(kind)
    error.args = args
    return error


class ConfigError(MedftError, ValueError):
    """An unknown key, a wrong type, an unknown name or a contradictory pair of settings."""


class DataError(MedftError):
    """A file, row or column that cannot be used."""


class PromptError(MedftError):
    """A template, chat template or tokenizer that cannot give a correct training example."""


class EngineError(MedftError):
    """A model, engine or machine that cannot do what was asked."""


class RunError(MedftError):
    """A run folder that is missing, unfinished, damaged or not unique."""


class HubError(MedftError):
    """A model hub that is unreachable, or refuses a repository."""


class MergeError(MedftError):
    """Merged weights that could not be written or did not pass their check."""

"""Prepares command lines (``key=value``) for Hydra: quotes text outside its grammar, and refuses what would
be ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medft.errors import ConfigError
from medft.paths import expanded

_PLAIN = re.compile(r"[\w./~:-]+", re.ASCII)

SEARCHPATH = "hydra.searchpath="
"""Hydra's override for folders of YAML files beside conf/."""


@dataclass(frozen=True, slots=True)
class Idle:
    """A setting that has an effect only together with another."""

    key: str
    """Its dotted name, or the beginning of several: ``upload.``"""
    useful: Callable[[Any], object]
    """Whether it has one, by the built settings."""
    needs: str
    """What would give it one, as it is typed."""
    but: tuple[str, ...] = ()
    """Names that begin so and always have one."""

    def means(self, key: str) -> bool:
        """Whether ``key`` is such a setting."""
        return (
            key.startswith(self.key) if self.key.endswith(".") else key == self.key
        ) and key not in self.but


def readable(words: Sequence[str], *, plain: bool = False) -> list[str]:
    """``words`` in Hydra's grammar: a value with an umlaut, a bracket, an equals sign or the like is text,
    and is quoted. Flags stay as they are.

    Args:
        words: of a command line.
        plain: whether the command takes words without a key, as ``medft list models``.

    Raises:
        ConfigError: a word that is neither a flag nor ``key=value``, or an open bracket or quote.
    """
    flags = {word for word in words if word.startswith("-")}
    own = {"-m", "--multirun"}
    free = plain or flags - own  # what follows flags of Hydra's is theirs
    kept = flags | ({word for word in words if "=" not in word} if free else set())
    if kept.issuperset(words):
        return list(words)
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parser = OverridesParser.create()
    return [
        word if word in kept else _readable(word, parser.parse_override, _is_file(word) and not flags & own)
        for word in words
    ]


def written(key: str, text: object) -> str:
    """The override that gives ``key`` the text, whatever letters are in it."""
    return f"{key}={quoted(text)}"


def quoted(text: object) -> str:
    """The text as Hydra's grammar quotes it."""
    # Hydra reads backslashes before a quote, and no others.
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", str(text))
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f"'{escaped}'"


def value_of(words: Sequence[str], key: str) -> str | None:
    """The last text that ``words`` give to ``key``, with ~ as the home folder; None where it is not given, or
    null.

    Raises:
        ConfigError: the word cannot be read.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    given = [word for word in words if word.partition("=")[0].lstrip("+") == key]
    if not given:
        return None
    [word] = readable(given[-1:])
    value = OverridesParser.create().parse_override(word).value()
    if value is None:
        return None
    text = value if isinstance(value, str) else word.partition("=")[2]
    return str(expanded(text)) if text else ""


def _is_file(word: str) -> bool:
    """Whether a word names a file that is there, whose commas and brackets are then a name's."""
    key, _, value = word.partition("=")
    try:
        return key.endswith("path") and expanded(value).exists()
    except (OSError, ValueError, RuntimeError):  # longer than any name, a NUL, a home that nobody has
        return False


def _readable(word: str, parse: Callable[[str], object], is_file: bool) -> str:
    from hydra.errors import HydraException

    key, equals, value = word.partition("=")
    try:
        parse(word)
    except (HydraException, RecursionError):
        pass
    else:
        if not is_file or _PLAIN.fullmatch(value):
            return word
    if not equals:
        raise ConfigError(
            f"'{word}' is not a setting",
            remedy="settings have the form key=value, such as dataset.path=my.csv",
        )
    if is_file or value[:1] not in tuple("[{'\""):
        try:
            parse(text := f"{key}={literal(value) if is_file else quoted(value)}")
        except (HydraException, RecursionError):
            pass
        else:
            return text
    raise ConfigError(
        f"cannot parse the value of '{key}'",
        where=word,
        remedy=f"""text with brackets or quotes in it: "{key}='...'"; a list: {key}=[a,b]""",
    )


def literal(text: str) -> str:
    """``text`` as Hydra's grammar and OmegaConf read it back unchanged: quoted, interpolations escaped."""
    return quoted(re.sub(r"(\\*)\$\{", r"\1\1\\${", text))


def refuse_ignored(words: Sequence[str], groups: Collection[str]) -> None:
    """Refuse what a single command would read and ignore: settings of a sweep, groups without a key, and
    several files of a group of which one is used.

    Raises:
        ConfigError: naming the word.
    """
    for word in words:
        key, _, value = word.partition("=")
        if key.startswith("hydra") and not word.startswith(SEARCHPATH):
            raise ConfigError(f"'{key}' has no effect without -m", remedy="medft train -m ...")
        if value == "{}":
            raise ConfigError(
                f"'{word}' changes nothing: an empty group removes no key",
                remedy=f"{key}.<key>=..., or leave it out",
            )
        if key in groups and key != "suite" and value.startswith("["):
            raise ConfigError(
                f"'{key}' is one of conf/{key}/, not several",
                where=word,
                remedy=f"{key}=<one>; or one run for each: medft train -m {key}=a,b",
            )


def refuse_repeated(words: Sequence[str]) -> None:
    """Refuse a setting that has two values, of which Hydra would take the last and ignore the first. Groups
    in braces add up, and stay.

    Raises:
        ConfigError: naming the words.
    """
    known: dict[str, str] = {}
    for word in words:
        key = _setting(word)
        if key and known.setdefault(key, word).lstrip("+") != word.lstrip("+"):
            raise ConfigError(
                f"'{key}' is given twice, and has one value",
                where=f"{known[key]} {word}",
                remedy="remove one of them",
            )


def latest(words: Sequence[str]) -> list[str]:
    """``words`` without those whose setting a later one gives another value."""
    last = {_setting(word): word for word in words}
    return [word for word in words if _setting(word) is None or last[_setting(word)] == word]


def _setting(word: str) -> str | None:
    """The setting that a word gives its one value; None for flags, deletions and groups in braces."""
    key, equals, value = word.lstrip("+").partition("=")
    return key if equals and not value.startswith("{") and not word.startswith(("-", "~")) else None


def refuse_overruled(
    typed: Sequence[str], words: Sequence[str], composed: Mapping[str, Any], fixed: Mapping[str, Any]
) -> None:
    """Refuse a setting that the command itself gives another value, so that what was typed would be ignored.

    Args:
        typed: the words of the command line.
        words: what the command has made of them.
        composed: the values of ``words``.
        fixed: the values that take their place.

    Raises:
        ConfigError: naming the setting.
    """
    kept = {_setting(word) for word in words}
    for word in typed:
        key = _setting(word)
        if key and key in kept and key in fixed and _plain(composed[key]) != _plain(fixed[key]):
            raise ConfigError(f"'{key}' has no effect here", where=word, remedy="leave it out")


def _plain(value: object) -> object:
    """A value, and of two texts for one path the same."""
    return Path(value).absolute() if isinstance(value, str) else value


def refuse_idle(words: Sequence[str], built: object, rules: Sequence[Idle]) -> None:
    """Refuse settings on the command line that have no effect in this command, whatever their value.

    Raises:
        ConfigError: naming the first, and what it needs.
    """
    for word in words:
        key = word.partition("=")[0].lstrip("+")
        for rule in rules:
            if rule.means(key) and not rule.useful(built):
                raise ConfigError(
                    f"'{key}' has no effect here", remedy=f"it needs {rule.needs}, or remove it"
                )

"""``medft <command> --help``: one screen; or the settings of one group, those with a word in them, or all."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from types import ModuleType

from medft import other_tools
from medft.compose import compose_with_choices, group_options
from medft.config import did_you_mean, nearest
from medft.errors import ConfigError
from medft.help.settings import Setting, walk

FLAGS = ("-h", "--help")
_COLUMN = 44
_NARROWEST = 80
_SENTENCE = re.compile(r"(?<!et al)\.\s+(?=[A-Z`])")


def verb_help(verb: str, summary: str, module: ModuleType, arguments: Sequence[str]) -> str:
    """The help text of a command.

    The values shown are those in effect on this machine with the other words of the command line.

    Args:
        verb: the command.
        summary: what it does.
        module: its module, with its settings and EXAMPLES, and MAIN where there are many settings.
        arguments: of the command line; after ``--help`` may stand what to unfold.

    Raises:
        ConfigError: the command line cannot be composed, or no setting is known by the word after ``--help``.
    """
    words, topic = _topic(arguments)
    values, chosen = compose_with_choices(verb, words)
    options = group_options(words)
    config = getattr(module, f"{verb.capitalize()}Config")
    known = walk(config, values, frozenset(options))
    several = {name: f"[{','.join(values[name])}]" for name in ("suite",) if name in values}
    effect = {name: choice or "null" for name, choice in chosen.items()} | several
    order = [*dict.fromkeys(s.key.partition(".")[0] for s in known), *effect]
    groups = {name: (effect[name], options[name]) for name in dict.fromkeys(order) if name in effect}
    if topic:
        return "\n".join(_unfolded(verb, topic, known, groups))
    return "\n".join(_screen(verb, summary, module, known, groups))


Groups = Mapping[str, tuple[str, Sequence[str]]]


def _screen(
    verb: str, summary: str, module: ModuleType, known: Sequence[Setting], groups: Groups
) -> list[str]:
    lines = [f"medft {verb}: {summary}", "", "examples", *(f"  {example}" for example in module.EXAMPLES)]
    lines += _group_lines(groups, most=60)
    main = getattr(module, "MAIN", None) or [s.key for s in known if "." not in s.key and s.key not in groups]
    shown = sorted((s for s in known if s.key in main), key=lambda s: main.index(s.key))
    more = len(known) - len(shown)
    lines += ["", "settings" + (f" (the main ones; {more} more)" if more else "")]
    lines += _rows([(s.written, _SENTENCE.split(s.meaning)[0] if more else _meaning(s)) for s in shown])
    if more:
        folded = ", ".join(dict.fromkeys(s.key.partition(".")[0] for s in known if "." in s.key))
        lines += [
            "",
            *_rows([(f"medft {verb} --help all", f"every setting; or one of {folded}; or any word")]),
        ]
    return lines


def _unfolded(verb: str, topic: str, known: Sequence[Setting], groups: Groups) -> list[str]:
    if topic == "all":
        return [f"medft {verb}: all settings", *_group_lines(groups), "", "settings", *_setting_lines(known)]
    lines = [f"medft {verb}: {topic}"]
    if topic in groups:
        lines += _group_lines({topic: groups[topic]})
    meant = other_tools.called_here(topic)
    keys = (topic, meant.key) if meant else (topic,)
    found = [s for s in known if s.key in keys or s.key.startswith(tuple(f"{key}." for key in keys))]
    found = found or [s for s in known if topic in s.key or topic.lower() in s.meaning.lower()]
    if not found and topic not in groups:
        near = nearest(topic, {*groups, *(part for setting in known for part in setting.key.split("."))})
        raise ConfigError(
            f"no setting of medft {verb} is known by '{topic}'" + did_you_mean(near),
            remedy=other_tools.reason(topic) or f"medft {verb} --help all",
        )
    return lines + (["", "settings", *_setting_lines(found)] if found else [])


def _topic(arguments: Sequence[str]) -> tuple[list[str], str]:
    """The overrides, and the word after the flag."""
    at = next(index for index, word in enumerate(arguments) if word in FLAGS)
    topic = next((word for word in arguments[at + 1 : at + 2] if "=" not in word), "")
    return [word for word in arguments if "=" in word], topic


def _group_lines(groups: Groups, most: int = 10_000) -> list[str]:
    """A line for each: the choice in effect, and what there is; of many the first, in ``most`` characters."""
    if not groups:
        return []
    rows = [(f"{name}={chosen}", _some(name, options, most)) for name, (chosen, options) in groups.items()]
    return ["", "groups: the choice in effect here, and what there is", *_rows(rows, 26)]


def _some(group: str, options: Sequence[str], most: int) -> str:
    text = " | ".join(options)
    if len(text) <= most:
        return text
    rest = f"... ({len(options)}: --help {group})"
    return f"{text[: text.rfind(' | ', 0, most - len(rest)) + 1]}| {rest}".lstrip("| ")


def _setting_lines(settings: Sequence[Setting]) -> list[str]:
    return _rows([(setting.written, _meaning(setting)) for setting in settings])


def _meaning(setting: Setting) -> str:
    untold = [choice for choice in setting.choices if choice not in setting.meaning]
    return f"{setting.meaning} ({' | '.join(setting.choices)})" if untold else setting.meaning


def _rows(rows: Sequence[tuple[str, str]], most: int = _COLUMN) -> list[str]:
    """Two columns; what is too wide for the first stands on a line of its own."""
    width = min(max(shutil.get_terminal_size().columns, _NARROWEST), 120)
    column = min(max(len(left) for left, _ in rows) + 4, most)
    indent = " " * column
    lines = []
    for left, right in rows:
        text = textwrap.fill(
            right, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
        )
        fits = len(left) < column - 2
        lines += [f"  {left:<{column - 3}} {text.lstrip()}"] if fits else [f"  {left}", text]
    return lines

"""Completion of commands, groups, choices and settings by the shell, with argcomplete.

To switch it on, in bash or zsh: eval "$(register-python-argcomplete medft)"
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable
from importlib import import_module

from medft.compose import group_options, with_config_dir
from medft.config import keys


def complete(verbs: Collection[str]) -> None:
    """Answer the shell that has called this process for completions, and end it.

    Args:
        verbs: the commands there are.
    """
    import argcomplete

    def words(prefix: str, parsed_args: argparse.Namespace, **_: object) -> Iterable[str]:
        return candidates(parsed_args.verb, prefix, parsed_args.words or [])

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("verb", choices=list(verbs))
    parser.add_argument("words", nargs="*").completer = words  # type: ignore[attr-defined]
    parser.add_argument("--help", action="store_true")
    parser.add_argument("--config-dir", dest="words", action="append")
    argcomplete.autocomplete(parser, always_complete_options=False)


def candidates(verb: str, prefix: str, before: Iterable[str] = ()) -> list[str]:
    """What may take the place of ``prefix`` after ``medft <verb>``.

    Args:
        verb: a command.
        prefix: what has been typed of the word.
        before: the words before it.
    """
    groups = group_options(with_config_dir(list(before)))
    module = import_module(f"medft.verbs.{verb}")
    known = list(keys(getattr(module, f"{verb.capitalize()}Config")))
    own = {key.partition(".")[0] for key in known}
    if own & set(groups) - {"suite"}:
        own.add("experiment")
    own |= {verb} & set(groups)  # medft study study=...
    group = prefix.partition("=")[0]
    if "=" in prefix and group in own & set(groups):
        return [f"{group}={option}" for option in groups[group]]
    if verb == "copy":
        return [f"{name}/{option}" for name, options in groups.items() for option in options]
    return [*(f"{name}=" for name in sorted(own & set(groups))), *(f"{key}=" for key in known)]

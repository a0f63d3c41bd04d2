"""The command line: a table of verbs, and what becomes of an error.

Each verb's module, medft/verbs/<verb>.py, has a frozen dataclass ``<Verb>Config``, a tuple ``EXAMPLES`` and a
function ``run(config)`` that returns an exit code or None; one with groups has conf/<verb>.yaml besides, to
name their defaults. Nothing heavy is imported here.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from medft import signals
from medft.errors import ConfigError, MedftError
from medft.explain import explained, note, whole_names
from medft.format import size
from medft.screen import open_streams, printable

VERBS = {
    "train": "fine-tune a model on a data set; writes one run folder",
    "plan": "show what a run would do and whether it fits (dry run)",
    "prepare": "read, clean, split and examine a data set",
    "evaluate": "score base and tuned model on the same items",
    "rate": "have people rate base and tuned answers blind, and analyze their votes",
    "compare": "draw and tabulate runs side by side",
    "study": "train, evaluate and compare models from one file, and write a report with a verdict",
    "runs": "list runs",
    "delete": "remove a run, and list what remains of it elsewhere",
    "list": "list models, data sets and recipes, and which models fit this machine",
    "copy": "copy a shipped recipe into a folder of yours, to edit",
    "chat": "talk to a run in the terminal, or answer a file of questions",
    "serve": "chat in the browser, several runs side by side",
    "merge": "write a run's merged 16-bit weights, checked from disk",
    "export": "write a run's weights for llama.cpp, Ollama or vLLM",
    "upload": "publish a run's adapter or merged weights on the hub",
    "doctor": "check this machine for what training needs, and what to install",
    "replay": "repeat a finished run and report whether it reproduces",
}

USAGE = """\
medft {version}: fine-tune open LLMs on medical data

usage: medft <command> [group=choice ...] [key=value ...]

commands
{verbs}

examples
  medft train model=mistral             the default data and recipe; a tiny twin where there is no GPU
  medft prepare my.csv                  what your file contains, and what is wrong with it
  medft train model=gemma dataset=csv dataset.path=my.csv dataset.columns.question=q dataset.columns.answer=a
  medft train -m model=gemma,mistral trainer.learning_rate=1e-4,2e-4
  medft compare                         every finished run in one figure
  medft chat run=latest

help
  medft train --help                    examples, groups and the main settings, with the values in effect here
  medft train --help trainer            the settings of one group; all: every setting; or any word
  medft list models                     what there is to choose from
  eval "$(register-python-argcomplete medft)"    completion by TAB, in bash and zsh

--config-dir DIR adds your own YAML files, laid out as in conf/; MEDFT_TRACEBACK=1 shows tracebacks."""

LIGHT = ("runs", "list", "copy", "delete")
"""Commands that load no large library."""
ADDRESSES = 10**10
"""Bytes of addresses that torch and what it loads reserve, most of them without using them."""
LONGEST = 4_000
"""Characters of an error that are shown."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 after an error, 2 after a wrong command, 130 after Ctrl-C."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if "_ARGCOMPLETE" in os.environ:
        from medft.help.completion import complete

        complete(VERBS)
    open_streams()
    try:
        with signals.answered(signals.end):
            return _dispatch(arguments)
    except MedftError as error:
        return _failed(error)
    except KeyboardInterrupt as stop:
        print("; ".join(("stopped", *map(str, stop.args))), file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`medft runs | head`); that is no failure of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except Exception as error:  # the net below every command: whatever it did not expect
        note(error)
        return _failed(explained(error))


def _failed(error: MedftError) -> int:
    """Say what went wrong, safely: the message may repeat names and words of files."""
    if os.environ.get("MEDFT_TRACEBACK"):
        traceback.print_exc()
    text = printable(whole_names(str(error)))
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST]} ... [{len(text) - LONGEST:,} more characters]"
    with contextlib.suppress(OSError):  # a terminal that is gone, a full disk behind a redirection
        print(f"error: {cut}", file=sys.stderr)
    return 2 if isinstance(error, ConfigError) else 1


def _dispatch(arguments: list[str]) -> int:
    if arguments[:1] == ["help"] and len(arguments) > 1:  # medft help train trainer
        arguments = [arguments[1], "--help", *arguments[2:]]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_usage())
        return 0
    if arguments[0] in ("-V", "--version"):
        from medft import __version__

        print(__version__)
        return 0
    verb = arguments[0]
    if verb not in VERBS:
        from medft import other_tools
        from medft.config import did_you_mean, nearest

        near = other_tools.command(verb) or nearest(verb, VERBS)
        raise ConfigError(
            f"unknown command '{verb}'" + did_you_mean(near),
            remedy=f"commands: {', '.join(VERBS)}",
        )
    from medft.compose import group_options, settings, with_config_dir
    from medft.overrides import readable, refuse_repeated

    _demand_addresses(verb)
    overrides = with_config_dir(arguments[1:])
    refuse_repeated(overrides)
    module = import_module(f"medft.verbs.{verb}")
    if "-h" in overrides or "--help" in overrides:
        from medft.help.command import verb_help

        print(verb_help(verb, VERBS[verb], module, overrides))
        return 0
    from medft.first_contact import first_contact
    from medft.screen import Screen

    met = first_contact(verb, overrides, group_options(overrides)["dataset"])
    overrides, screen = readable(met.overrides, plain=hasattr(module, "PLAIN_WORDS")), Screen()
    for label, words in met.said:
        screen.line(label, words)
    if any(override.startswith("-") for override in overrides):
        from medft.sweep.command import hydra_main

        return hydra_main(verb, overrides)
    code: int | None = module.run(settings(verb, overrides))
    return code or 0


def _demand_addresses(verb: str) -> None:
    """Refuse to load large libraries where the limit of addresses (``ulimit -v``) makes them hang or abort
    in their native code, which no exception tells of; say so where they may."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    if verb in LIGHT or allowed == resource.RLIM_INFINITY or allowed >= ADDRESSES:
        return
    what = f"ulimit -v allows {size(allowed)} of addresses; the libraries of medft {verb} take up to"
    if allowed < ADDRESSES // 8:
        raise MedftError(f"{what} {size(ADDRESSES)}", remedy="ulimit -v unlimited")
    print(f"notice: {what} {size(ADDRESSES)}, and may crash without a message", file=sys.stderr)


def _usage() -> str:
    from medft import __version__

    verbs = "\n".join(f"  {name:<10}{words}" for name, words in VERBS.items())
    return USAGE.format(version=__version__, verbs=verbs)

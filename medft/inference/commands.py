"""The commands of a chat, which begin with a slash."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from medft.config import did_you_mean, nearest
from medft.errors import RunError
from medft.files import write_text
from medft.inference.dialogue import Dialogue, templates
from medft.inference.documents import Index
from medft.paths import expanded

HELP = """\
/help                this list
/clear               forget the conversation
/system [TEXT]       show or set the system text (/system default: the template's own)
/model [NAME]        show or choose who answers
/template [NAME]     show or choose the words around a question (/template default: those it was trained with)
/docs [PATH|off]     answer from documents: a file or a folder of .txt, .md, .jsonl
/save FILE           write the conversation as JSON
/quit                leave (also Ctrl-D)
A pasted text may have several lines; Esc Enter begins a new line. Ctrl-C stops an answer."""


class Quit(Exception):  # noqa: N818 - an order, not an error
    """Leave the chat."""


def run_command(line: str, dialogue: Dialogue, open_documents: Callable[[Path], Index]) -> str:
    """Do what ``line`` says and return what to answer.

    Raises:
        Quit: on /quit.
        MedftError: an unknown command or name, or documents that cannot be read.
    """
    word, _, rest = line[1:].partition(" ")
    commands: dict[str, Callable[[str], str]] = {
        "help": lambda _: HELP,
        "clear": lambda _: _clear(dialogue),
        "system": lambda text: _system(dialogue, text),
        "model": lambda name: _model(dialogue, name),
        "template": lambda name: _template(dialogue, name),
        "docs": lambda path: _docs(dialogue, path, open_documents),
        "save": lambda path: _save(dialogue, path),
        "quit": lambda _: _quit(),
    }
    if word not in commands:
        near = nearest(word, commands)
        raise RunError(
            f"unknown command /{word}" + did_you_mean(f"/{near}" if near else None), remedy="/help"
        )
    return commands[word](rest.strip())


def _quit() -> str:
    raise Quit


def _clear(dialogue: Dialogue) -> str:
    dialogue.clear()
    return "conversation cleared"


def _system(dialogue: Dialogue, text: str) -> str:
    if text:
        dialogue.system = None if text == "default" else text
    return dialogue.system_text or "(no system text)"


def _model(dialogue: Dialogue, name: str) -> str:
    if not name:
        return "\n".join(
            f"{'*' if known == dialogue.model else ' '} {known}" for known in dialogue.library.names
        )
    dialogue.library.model(name)  # refuses an unknown one
    dialogue.model = name
    dialogue.library.session(name)
    return f"{name} answers from now on"


def _template(dialogue: Dialogue, name: str) -> str:
    known = templates()
    if name == "default":
        dialogue.template = None
    elif name:
        if name not in known:
            raise RunError(f"there is no template called '{name}'", where=f"there are: {', '.join(known)}")
        dialogue.template = known[name]
    chosen = dialogue.template or dialogue.library.model(dialogue.model).template
    return f"{chosen.name}: {chosen.description}"


def _docs(dialogue: Dialogue, path: str, open_documents: Callable[[Path], Index]) -> str:
    if path == "off":
        dialogue.index = None
    elif path:
        dialogue.index = open_documents(expanded(path))
    if dialogue.index is None:
        return "no documents"
    sources = len({passage.source for passage in dialogue.index.passages})
    return f"{len(dialogue.index.passages):,} passages of {sources:,} documents"


def _save(dialogue: Dialogue, path: str) -> str:
    if not path:
        raise RunError("missing file name", remedy="/save FILE")
    saved = {
        "model": dialogue.model,
        "date": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "sampling": asdict(dialogue.sampling),
        "system": dialogue.system_text,
        "turns": [{"role": turn.role, "content": turn.content} for turn in dialogue.history],
    }
    try:
        write_text(expanded(path), json.dumps(saved, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise RunError(f"the conversation cannot be written: {error.strerror}", where=path) from error
    return f"saved {len(dialogue.history) // 2} turns to {path}"

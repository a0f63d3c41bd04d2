"""A file of questions -> a file of answers."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from medft.aliases import Progress
from medft.errors import DataError, PromptError, RunError
from medft.files import read_text, write_text
from medft.inference.dialogue import Dialogue, clean
from medft.inference.generation import Reply

LARGEST = 1 << 30
"""Bytes of the largest file of questions."""


def read_questions(path: Path) -> list[str]:
    """One question per line (.txt), or the ``question`` of each row (.jsonl).

    Raises:
        DataError: the file cannot be read, a row has no question, or there is none at all.
    """
    try:
        lines = read_text(path, LARGEST).split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("the questions cannot be read as UTF-8 text", where=str(path)) from error
    questions = [
        _question(line, f"{path}:{number}") if path.suffix == ".jsonl" else line
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not questions:
        raise DataError("there is no question in the file", where=str(path), remedy="one question per line")
    return questions


def answer_file(dialogue: Dialogue, questions: list[str], path: Path, progress: Progress) -> int:
    """Answer every question by itself, in batches, and write one JSON object per question in their order.

    A question that does not fit gets ``"error"`` in place of an answer.

    Returns:
        How many were answered.

    Raises:
        RunError: the file cannot be written; said before anything is asked.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            raise RunError(
                "the answers cannot be written: this is not a file",
                where=str(path),
                remedy="name another file",
            )
        path.open("a").close()
    except OSError as error:
        raise RunError(f"the answers cannot be written: {error.strerror}", where=str(path)) from error
    session, name = dialogue.library.session(dialogue.model)
    rows: list[dict[str, object]] = []
    prompts: dict[int, list[int]] = {}
    for i, question in enumerate(questions):
        rows.append({"question": question, "model": dialogue.model})
        try:
            prompts[i] = session.prompt(dialogue.messages(question), dialogue.sampling.max_new_tokens)
        except PromptError as error:
            rows[i]["error"] = error.what
        rows[i]["passages"] = [hit.passage.source for hit in dialogue.passages]
    order, done = list(prompts), 0

    def on_batch(batch: dict[int, Reply]) -> None:
        nonlocal done
        done += len(batch)
        progress(done, len(order))

    replies = session.replies(name, [prompts[i] for i in order], dialogue.sampling, on_batch)
    for i, reply in zip(order, replies, strict=True):
        rows[i] |= {"answer": clean(reply.text), **{k: v for k, v in asdict(reply).items() if k != "text"}}
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return len(order)


def _question(line: str, where: str) -> str:
    try:
        return str(json.loads(line)["question"])
    except (ValueError, KeyError, TypeError):
        raise DataError("the row is not a JSON object with a 'question'", where=where) from None

"""What is asked, and what of it is asked again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from medft.data.record import Message
from medft.evaluation.answers import AnswerFile
from medft.evaluation.asking import Answers, System, ask
from medft.evaluation.questions import Question
from medft.inference.generation import Reply, Sampling
from medft.inference.likelihood import Likelihood
from medft.inference.session import Session

QUESTION = Question("a", (Message("user", "What is asthma?"),), "A disease.", ("yes",))


class _Counting:
    """Answers at once, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.encoder = SimpleNamespace(
            encode=lambda rows: [SimpleNamespace(input_ids=[1, 2], labels=[2], problem="") for _ in rows]
        )

    def prompt(self, messages: Sequence[Message], room: int) -> list[int]:
        return [1, 2, 3]

    def replies(self, model: str, prompts: Any, sampling: Sampling, told: Callable[..., None]) -> None:
        self.asked += ["generated"] * len(prompts)
        told({n: Reply("wheeze", 2, stopped=True) for n in range(len(prompts))})

    def likelihoods(self, model: str, rows: Any, told: Callable[..., None]) -> None:
        self.asked += ["scored"] * len(rows)
        told({n: Likelihood(1.5, 2, 1.0, 1, 3) for n in range(len(rows))})


def _asked(path: Path) -> tuple[list[str], Answers]:
    session = _Counting()
    system = System("base", cast(Session, session), "base", "weights")
    return session.asked, ask(system, [QUESTION], Sampling(4), AnswerFile(path))


@pytest.mark.parametrize("damage", [{"tokens": "many"}, {"tokens": None}, {"text": 5, "nats": "low"}])
def test_only_what_is_damaged_on_disk_is_asked_again(damage: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "s.answers.jsonl"
    asked, first = _asked(path)
    assert sorted(asked) == ["generated", "scored"]
    assert _asked(path) == ([], first)
    rows = [{**json.loads(line), **damage} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked, again = _asked(path)
    assert sorted(asked) == ["generated", "scored"] and again == first

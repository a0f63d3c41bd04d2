"""The answers file under kills."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from medft.errors import RunError
from medft.evaluation.answers import AnswerFile, digest
from medft.evaluation.answers_page import generated


def test_answers_are_found_again(tmp_path: Path) -> None:
    path = tmp_path / "s.answers.jsonl"
    AnswerFile(path).add({"k1": {"text": "a\u2028b"}, "k2": {"text": "c"}})
    again = AnswerFile(path)
    assert again.get("k1") == {"text": "a\u2028b"}
    assert again.get("k3") is None


def test_a_line_cut_by_a_kill_is_asked_again_and_harms_no_other(tmp_path: Path) -> None:
    path = tmp_path / "s.answers.jsonl"
    AnswerFile(path).add({"k1": {"text": "a"}, "k2": {"text": "b"}})
    path.write_bytes(path.read_bytes()[:-9])
    again = AnswerFile(path)
    assert again.get("k2") is None
    again.add({"k2": {"text": "b"}})
    assert AnswerFile(path).get("k1") == {"text": "a"}
    assert AnswerFile(path).get("k2") == {"text": "b"}


def test_a_finished_file_holds_what_was_used(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path / "s.answers.jsonl")
    file.add({"old": {"text": "x"}, "new": {"text": "y"}})
    file.keep([("new", {"gold": "z"})])
    again = AnswerFile(file.path)
    assert again.get("old") is None
    assert again.get("new") == {"text": "y", "gold": "z"}


def test_questions_that_share_an_answer_have_a_line_each(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path / "s.answers.jsonl")
    file.add({"k": {"text": "y"}})
    file.keep([("k", {"item": "q1"}), ("k", {"item": "q2"})])
    lines = [json.loads(line) for line in file.path.read_text().splitlines()]
    assert [(line["item"], line["text"]) for line in lines] == [("q1", "y"), ("q2", "y")]


def test_a_key_depends_on_every_part() -> None:
    keys = {digest("w", [1, 2], {"t": 0}), digest("w", [1, 3], {"t": 0}), digest("v", [1, 2], {"t": 0})}
    keys.add(digest("w", [1, 2], {"t": 1}))
    assert len(keys) == 4


def test_the_answers_of_another_run_are_taken_over_and_kept(tmp_path: Path) -> None:
    AnswerFile(tmp_path / "one.jsonl").add({"a": {"text": "1"}, "b": {"text": "2"}})
    file = AnswerFile(tmp_path / "two.jsonl", [tmp_path / "one.jsonl", tmp_path / "missing.jsonl"])
    file.add({"c": {"text": "3"}})
    assert [row and row["text"] for row in map(file.get, "abcd")] == ["1", "2", "3", None]
    assert not AnswerFile(tmp_path / "two.jsonl").get("a"), "nothing is copied before it was needed"
    file.keep([("a", {"gold": "x"}), ("c", {}), ("d", {})])
    kept = AnswerFile(tmp_path / "two.jsonl")
    assert [kept.get(key) for key in "abcd"] == [{"text": "1", "gold": "x"}, None, {"text": "3"}, None]


def test_lines_that_hold_no_answer_are_passed_over_and_told_of_by_whoever_shows_them(tmp_path: Path) -> None:
    path = tmp_path / "s.answers.jsonl"
    path.write_bytes(b'\xff\n[]\n5\nnull\n{"key": 1, "text": "a"}\n' + b"[" * 100_000 + b"\n")
    assert AnswerFile(path).get("1") == {"text": "a"}
    with pytest.raises(RunError, match="a line has no answer"):
        list(generated(path))


def test_a_pipe_in_the_place_of_answers_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "s.answers.jsonl")
    with pytest.raises(RunError, match="is not a file"):
        AnswerFile(tmp_path / "s.answers.jsonl")

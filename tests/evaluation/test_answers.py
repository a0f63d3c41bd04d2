"""The answers file under kills."""

from __future__ import annotations

from pathlib import Path

from medft.evaluation.answers import AnswerFile, digest


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
    file.keep({"new": {"gold": "z"}})
    again = AnswerFile(file.path)
    assert again.get("old") is None
    assert again.get("new") == {"text": "y", "gold": "z"}


def test_a_key_depends_on_every_part() -> None:
    keys = {digest("w", [1, 2], {"t": 0}), digest("w", [1, 3], {"t": 0}), digest("v", [1, 2], {"t": 0})}
    keys.add(digest("w", [1, 2], {"t": 1}))
    assert len(keys) == 4

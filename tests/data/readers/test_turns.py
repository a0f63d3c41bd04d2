"""Conversations of every shape, what is learnt of them, and those that nothing can be learnt from."""

import pytest

from medft.data.readers.rows import RowError
from medft.data.readers.turns import read_turns
from medft.data.record import Message
from tests.data.support import dataset, everything, jsonl, prepared

Q, A = {"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}


@pytest.mark.parametrize(
    "names", [("role", "content", "user", "assistant"), ("from", "value", "human", "gpt")]
)
def test_both_shapes_become_messages(names):
    role, content, asks, answers = names
    turns = [{role: "system", content: "S"}, {role: asks, content: "Q"}, {role: answers, content: "A"}]
    made = (Message("system", "S"), Message("user", "Q"), Message("assistant", "A"))
    assert read_turns(turns, "f:7", "all") == made


def test_in_a_csv_column_it_is_json():
    text = '[{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]'
    assert read_turns(text, "f:7", "all") == (Message("user", "Q"), Message("assistant", "A"))


@pytest.mark.parametrize(
    ("turns", "learn", "learnt"),
    [
        ([Q, A, Q, A], "all", [True, True]),
        ([Q, A, Q, A], "last", [False, True]),
        ([Q, {**A, "weight": 0}, Q, {**A, "weight": 1}], "all", [False, True]),
        ([Q, A, Q, {**A, "weight": 0}], "all", [True, False]),
    ],
)
def test_which_answers_are_learnt(turns, learn, learnt):
    assert [turn.learnt for turn in read_turns(turns, "f:7", learn) if turn.role == "assistant"] == learnt


@pytest.mark.parametrize(
    ("turns", "what"),
    [
        (None, "not a list"),
        ("no list", "not a list"),
        ("[half a", "not a list"),
        ([], "no user turn followed by"),
        ([Q], "no user turn followed by"),
        ([A], "no user turn followed by"),
        ([Q, Q, A], "turn 2 of the conversation should be of the assistant, not of the user"),
        (
            [Q, {"role": "user", "content": [{"type": "image_url", "image_url": {}}]}],
            "not text, such as an image",
        ),
        (
            [Q, {"role": "system", "content": "S"}, A],
            "turn 2 of the conversation should be of the assistant, not of the system",
        ),
        ([{"role": "critic", "content": "Q"}, A], "a role of user, assistant or system"),
        ([{"role": "user"}, A], "needs role and content"),
        ([Q, {**A, "weight": 0.5}], "weight of a message must be 0 or 1"),
        ([Q, {**A, "weight": 0}], "no assistant turn"),
    ],
)
def test_one_that_cannot_be_learnt_from_is_refused_by_its_fault(turns, what):
    with pytest.raises(RowError, match=what) as error:
        read_turns(turns, "f:7", "all")
    assert (error.value.reason, error.value.where) == ("malformed_turns", "f:7")


def test_what_is_learnt_survives_cleaning_redaction_and_the_way_to_disk(tmp_path):
    talk = [{**Q, "content": f"Seen  on 2020-01-31 {n}?"} for n in range(9)]
    rows = [
        {"t": [ask, {**A, "content": f"A {n}"}, Q, {**A, "content": f"B {n}"}]} for n, ask in enumerate(talk)
    ]
    path = jsonl(tmp_path / "x.jsonl", rows)
    config = dataset(path=path, columns={"turns": "t"}, learn="last", phi="redact")
    (first, *_) = everything(prepared(config, tmp_path))["train"]
    assert [turn.learnt for turn in first.turns] == [False, False, False, True]
    assert first.turns[0].content.startswith("Seen on [DATE]")


def test_openai_content_parts_are_one_text_and_the_developer_is_the_system():
    parts = [{"type": "text", "text": "What"}, {"type": "input_text", "text": "glows?"}]
    turns = [{"role": "developer", "content": "S"}, {"role": "user", "content": parts}, A]
    said = read_turns(turns, "f:7", "all")
    assert [(turn.role, turn.content) for turn in said] == [
        ("system", "S"),
        ("user", "What\nglows?"),
        ("assistant", "A"),
    ]


def test_what_a_tool_returned_is_context_and_a_wordless_call_is_left_out():
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    turns = [Q, call, {"role": "tool", "tool_call_id": "1", "content": "3 lamps"}, A]
    done = set()
    assert [turn.content for turn in read_turns(turns, "f:7", "all", done)] == ["Q\n\n3 lamps", "A"]
    assert done == {"tool_calls"}
    spoken = [Q, {**call, "content": "Let me look."}, {"role": "tool", "content": "3 lamps"}, A]
    assert [turn.content for turn in read_turns(spoken, "f:7", "all")] == [
        "Q",
        "Let me look.",
        "3 lamps",
        "A",
    ]


def test_a_conversation_runs_from_the_first_user_to_the_last_assistant_and_the_cut_is_told():
    done = set()
    system = {"role": "system", "content": "S"}
    said = read_turns([system, {**A, "content": "Hello"}, Q, A, Q], "f:7", "all", done)
    assert [turn.content for turn in said] == ["S", "Q", "A"]
    assert done == {"trimmed_conversation"}
    untouched = set()
    read_turns([Q, A], "f:7", "all", untouched)
    assert not untouched


def test_a_call_that_is_a_turn_of_its_own_is_left_out():
    said = [("human", "Dose?"), ("function_call", "{}"), ("observation", "5 mg"), ("gpt", "Five.")]
    done: set[str] = set()
    turns = read_turns([{"from": who, "value": text} for who, text in said], "x:1", "all", done)
    assert [(turn.role, turn.content) for turn in turns] == [
        ("user", "Dose?\n\n5 mg"),
        ("assistant", "Five."),
    ]
    assert done == {"tool_calls"}

"""Rows with faults as real files have them: found, counted, named by line, mended or dropped by a setting."""

import json

import pytest

from medft.data.examination.examine import examine
from medft.data.row_log import ROWS
from tests.data.support import dataset, everything, jsonl, prepared, qa


def noted(done, what):
    rows = [json.loads(line) for line in (done.folder / ROWS).read_text().splitlines()]
    return [(row["row"].rsplit("/")[-1], row["done"]) for row in rows if row["what"] == what]


def made(tmp_path, *rows, **settings):
    return prepared(dataset(path=jsonl(tmp_path / "x.jsonl", [*qa(30), *rows]), **settings), tmp_path)


def answers(done):
    return {record.question: record.answer for records in everything(done).values() for record in records}


@pytest.mark.parametrize(
    "answer",
    [
        "nan",
        "N/A",
        "None",
        "k.A.",
        "-",
        "[deleted]",
        "#REF!",
        "...",
        "null",
        "unbekannt",
        "해당 없음",
        "no aplica",
    ],
)
def test_placeholders_are_no_answers(tmp_path, answer):
    row = {"question": "What is asked here?", "answer": answer}
    done = made(tmp_path, row)
    assert done.ledger.dropped() == {"placeholder_answer": 1}
    assert noted(done, "placeholder_answer") == [("x.jsonl:31", "dropped")]
    kept = made(tmp_path, row, cleaning={"placeholder_answer": "keep"})
    assert kept.ledger.sources[0].found == {"placeholder_answer": 1}
    (finding,) = [f for f in examine(kept).findings if "placeholder" in f.what]
    assert "dataset.cleaning.placeholder_answer=drop" in finding.remedy


def test_none_is_a_class_among_few_and_an_answer_about_a_note(tmp_path):
    severities = ["None", "Mild", "Severe"]
    rows = [{"question": f"How bad is case {n}?", "answer": severities[n % 3]} for n in range(60)]
    done = prepared(dataset(path=jsonl(tmp_path / "x.jsonl", rows)), tmp_path)
    assert done.ledger.kept().total() == 60
    notes = [{**row, "context": f"Note {n}: no allergies are known."} for n, row in enumerate(qa(9))]
    notes[3]["answer"] = "None."
    columns = {"question": "question", "answer": "answer", "context": "context"}
    path = jsonl(tmp_path / "notes.jsonl", notes)
    assert prepared(dataset(path=path, columns=columns, task="note"), tmp_path).ledger.kept().total() == 9


@pytest.mark.parametrize(
    "answer",
    [
        "As an AI language model, I cannot diagnose you.",
        "As an AI developed by nobody, I cannot give advice.",
        "I'm sorry, but I can't provide medical advice.",
        "Als KI-Sprachmodell kann ich das nicht beurteilen.",
    ],
)
def test_a_models_refusal_is_no_answer_but_one_of_the_task_refusal_is(tmp_path, answer):
    row = {"question": "Do I have asthma?", "answer": answer}
    assert made(tmp_path, row).ledger.dropped() == {"model_refusal": 1}
    assert made(tmp_path, row, task="refusal").ledger.dropped() == {}


def test_an_answer_that_is_the_question_is_dropped(tmp_path):
    done = made(tmp_path, {"question": "What is the dose of it?", "answer": "what is the dose of it"})
    assert noted(done, "answer_is_question") == [("x.jsonl:31", "dropped")]


def test_contradictory_answers_are_told_and_dropped_when_asked(tmp_path):
    rows = [
        {"question": "Is it safe in pregnancy?", "answer": "Yes, it is safe."},
        {"question": "Is it safe in pregnancy?", "answer": "No, it harms the child."},
    ]
    done = made(tmp_path, *rows)
    assert done.ledger.sources[0].found == {"contradiction": 2}
    assert noted(done, "contradiction") == [("x.jsonl:31", "kept"), ("x.jsonl:32", "kept")]
    dropped = made(tmp_path, *rows, cleaning={"contradiction": "drop"})
    assert dropped.ledger.dropped() == {"contradiction": 2}


def test_formatted_answers_keep_their_form(tmp_path):
    code = "def f(x):\n    return 'a  b'  # two blanks\n\n\ndef g():\n\treturn 1"
    nested = "Steps:\n  1. first\n     - part\n\n\n  2. second\n\tafter a tab"
    table = "Test      Value\nNa        140\nK         4.1"
    tabbed = "Na\t140\tmmol/l\nK\t4.1\tmmol/l"
    rows = [
        {"question": f"Form {n}?", "answer": text} for n, text in enumerate((nested, table, tabbed, code))
    ]
    done = made(tmp_path, *rows)
    assert [answers(done)[f"Form {n}?"] for n in range(4)] == [nested, table, tabbed, code]
    assert done.ledger.sources[0].repaired == {}


def test_prose_loses_stray_blanks_and_a_setting_keeps_them(tmp_path):
    row = {"question": "Prose?", "answer": " Blood  was drawn:   -  once   "}
    done = made(tmp_path, row)
    assert answers(done)["Prose?"] == "Blood was drawn: - once"
    assert done.ledger.sources[0].repaired == {"whitespace": 1}
    kept = made(tmp_path, row, cleaning={"whitespace": "keep"})
    assert answers(kept)["Prose?"] == row["answer"]
    assert kept.ledger.sources[0].found == {"whitespace": 1}
    assert made(tmp_path, row, cleaning={"whitespace": "drop"}).ledger.dropped() == {"whitespace": 1}


def test_an_offer_of_a_service_is_cut_from_an_answer(tmp_path):
    text = "Take it with food. For more information consult a dermatologist online --> https://x.example/ask"
    done = made(tmp_path, {"question": "How is it taken?", "answer": text})
    assert answers(done)["How is it taken?"] == "Take it with food."
    assert noted(done, "contact_offer") == [("x.jsonl:31", "mended")]


def test_lost_characters_are_told(tmp_path):
    done = made(tmp_path, {"question": "How warm?", "answer": "At 38\ufffdC it is a fever."})
    assert done.ledger.sources[0].found == {"lost_characters": 1}
    assert noted(done, "lost_characters") == [("x.jsonl:31", "kept")]


def test_rows_about_markup_keep_it(tmp_path):
    row = {"question": "Which HTML tag makes text bold?", "answer": "Use <b>bold</b> &amp; close it."}
    assert answers(made(tmp_path, row))[row["question"]] == row["answer"]


def test_an_empty_system_turn_is_none(tmp_path):
    talk = [
        {"role": role, "content": text}
        for role, text in (("system", " "), ("user", "Hi?"), ("assistant", "Yes."))
    ]
    done = prepared(
        dataset(path=jsonl(tmp_path / "x.jsonl", [{"m": talk}]), columns={"turns": "m"}), tmp_path
    )
    (record,) = done.records("train")
    assert [turn.role for turn in record.turns] == ["user", "assistant"]
    assert done.ledger.sources[0].repaired == {"empty_system_turn": 1, "whitespace": 1}


def test_a_filter_that_takes_over_a_third_is_a_problem(tmp_path):
    rows = [
        {"question": f"Asked {n}?", "answer": "Please see the doctor of your choice soon."} for n in range(30)
    ]
    done = made(tmp_path, *rows)
    assert done.ledger.dropped() == {"boilerplate": 25}
    first = examine(done).findings[0]
    assert first.level == "problem" and "25 boilerplate" in first.what
    assert first.remedy == "dataset.cleaning.max_same_answer=null"


def test_every_dropped_row_is_named_by_its_line(tmp_path):
    rows = [
        *qa(2),
        {"question": "Blank?", "answer": ""},
        {"question": "b?", "answer": "Could you provide the original text?"},
    ]
    done = made(tmp_path, *rows)
    named = {
        row["row"].rsplit(":")[-1] for row in map(json.loads, (done.folder / ROWS).read_text().splitlines())
    }
    assert named == {"31", "32", "33", "34"}
    kinds = {kind.what: kind for kind in examine(done).noted}
    assert (kinds["duplicate"].rows, kinds["duplicate"].first[0].row) == (2, "x.jsonl:31")
    assert kinds["duplicate"].first[0].text == "", "no text unless it is asked for"

"""Files that nobody has described: their format, and what their columns seem to mean."""

import gzip
import json

import pytest

from medft.data.readers.guess import guess, reader_of
from medft.errors import DataError
from tests.data.support import FIXTURES, jsonl, write


def rows(*names):
    return [dict(zip(names, values, strict=True)) for values in texts(len(names))]


def texts(columns):
    return [
        (f"Was ist {n}?", f"Es ist die Zahl {n} und nichts sonst.", *["x"] * (columns - 2)) for n in range(9)
    ]


@pytest.mark.parametrize(
    ("names", "question", "answer"),
    [
        (("question", "answer"), "question", "answer"),
        (("Patienten-Frage (dt.)", "Ärztliche Antwort", "Nr"), "Patienten-Frage (dt.)", "Ärztliche Antwort"),
        (("instruction", "output", "id"), "instruction", "output"),
        (("Prompt", "Completion"), "Prompt", "Completion"),
        (("질문", "답변"), "질문", "답변"),
        (("c1", "c2", "c3"), "c1", "c2"),
    ],
)
def test_question_and_answer_are_told_by_name_or_by_content(tmp_path, names, question, answer):
    found = guess(jsonl(tmp_path / "x.jsonl", rows(*names)), {})
    assert (found.columns["question"], found.columns["answer"], found.task) == (question, answer, "qa")


def test_a_column_that_was_named_is_no_other_one(tmp_path):
    path = jsonl(tmp_path / "x.jsonl", rows("answer", "question"))
    found = guess(path, {"question": "answer"})
    assert found.columns == {"question": "answer", "answer": "question"}


def test_the_input_of_an_instruction_is_its_context(tmp_path):
    found = guess(jsonl(tmp_path / "x.jsonl", rows("instruction", "output", "input")), {})
    assert found.columns["context"] == "input"


@pytest.mark.parametrize(
    ("columns", "gold", "first"),
    [
        (("opa", "opb", "opc", "opd"), [n % 4 for n in range(9)], 0),
        (("A", "B", "C", "D"), ["ABCD"[n % 4] for n in range(9)], 0),
        (("option_1", "option_2", "option_3"), [n % 3 + 1 for n in range(9)], 1),
        (("Option A", "Option B", "Option C"), [f"text {n} 1" for n in range(9)], 0),
    ],
)
def test_options_in_columns_are_multiple_choice(tmp_path, columns, gold, first):
    made = [
        {
            "question": f"q {n}?",
            **{c: f"text {n} {i}" for i, c in enumerate(columns)},
            "correct": gold[n],
            "exp": "so",
        }
        for n in range(9)
    ]
    found = guess(jsonl(tmp_path / "x.jsonl", made), {})
    assert (found.task, found.columns["options"], found.columns["label"]) == ("mcq", columns, "correct")
    assert (found.first_option, found.columns["answer"]) == (first, "exp")


@pytest.mark.parametrize("file", ["medqa.jsonl", "mmlu.jsonl", "headqa.jsonl"])
def test_options_in_one_column_are_multiple_choice(file):
    found = guess(FIXTURES / file, {})
    assert (found.task, found.first_option) == ("mcq", int(file == "headqa.jsonl"))


def test_conversations_are_told_by_name():
    found = guess(FIXTURES / "conversations_messages.jsonl", {})
    assert (found.task, found.columns["turns"]) == ("conversation", "messages")


@pytest.mark.parametrize(
    ("name", "content", "reader"),
    [
        ("a.csv", b"", "csv"), ("a.TSV", b"", "csv"), ("a.csv.gz", b"", "csv"), ("a.parquet", b"", "parquet"),
        ("a.xlsx", b"", "xlsx"), ("a.json", b"[{}]", "jsonl"),
        ("a.jsonl.gz", gzip.compress(b"{}", mtime=0), "jsonl"),
        ("a.json", b'{"data": [{"title": "[x]", "paragraphs": []}]}', "squad_json"),
        ("a.json", b'{"data": [{"question": "a"}]}', "jsonl"), ("a.jsonl", b'{"paragraphs": ["a"]}', "jsonl"),
        ("a.xml", b"<x><NLM-Question/></x>", "trec_xml"), ("a.xml", b"<Document/>", "medquad_xml"),
        ("ori_pqal.json", b"{}", "pubmedqa_json"),
    ],
)  # fmt: skip
def test_the_format_is_told_by_name_and_first_bytes(tmp_path, name, content, reader):
    path = write(tmp_path / name, content)
    assert reader_of(path) == reader
    assert reader_of(tmp_path) == reader


def test_what_cannot_be_told_says_what_there_is(tmp_path):
    with pytest.raises(DataError, match="cannot tell") as error:
        guess(write(tmp_path / "x.csv", "x,y\n1,2\n"), {})
    assert "'x', 'y'" in error.value.where
    foreign = write(tmp_path / "z.csv", "Frage,Antwort\nWas heißt es?,Gefühl\n".encode("cp1252"))
    with pytest.raises(DataError, match="may be Windows-1252") as error:
        guess(foreign, {})
    assert error.value.where == f"{foreign}:2"
    assert "Gef" not in str(error.value)
    with pytest.raises(DataError, match="format of this file") as error:
        reader_of(write(tmp_path / "x.docx", ""))
    assert ".xlsx" in error.value.remedy
    with pytest.raises(DataError, match="no readable row"):
        guess(write(tmp_path / "y.csv", "question,answer\n"), {})
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no readable file"):
        reader_of(tmp_path / "empty")


@pytest.mark.parametrize(
    "odd", [{"opb": ""}, {"cop": ""}, {"cop": "1 and 3"}, {"opb": None, "opd": "tea"}], ids=str
)
def test_one_odd_row_of_multiple_choice_is_left_to_be_named_by_its_line(tmp_path, odd):
    made = choices(20)
    made[7].update(odd)
    found = guess(jsonl(tmp_path / "x.jsonl", made), {})
    assert (found.task, found.columns["label"], found.first_option) == ("mcq", "cop", 1)


@pytest.mark.parametrize("gold", ["cop", "Lösung?!", "answer"])
def test_options_of_which_the_right_one_is_not_said_are_no_answers(tmp_path, gold):
    made = choices(20)
    for row in made:
        right = row.pop("cop")
        row[gold] = right if right % 2 else "see page 3"
    with pytest.raises(DataError, match="cannot tell"):
        guess(jsonl(tmp_path / "x.jsonl", made), {})


def choices(count):
    return [
        {"question": f"Which {n}?", **{f"op{c}": f"{c} {n} mg" for c in "abcd"}, "cop": n % 4 + 1}
        for n in range(count)
    ]


@pytest.mark.parametrize("more", [[1, 2, 3], ["a", None], ["the role of x", "from y"], {"one": 1}])
def test_a_column_of_lists_or_mappings_beside_question_and_answer_is_no_matter(tmp_path, more):
    made = [{**row, "scores": more} for row in rows("question", "answer")]
    assert guess(jsonl(tmp_path / "x.jsonl", made), {}).task == "qa"


def test_nested_columns_are_offered_by_their_dotted_names(tmp_path):
    answers = {"answer_start": [3], "text": ["It is a disease of the airways."]}
    made = [
        {
            "question": f"What is {n}?",
            "context": {"contexts": ["a", "b"], "labels": ["X"]},
            "answers": answers,
        }
        for n in range(9)
    ]
    found = guess(jsonl(tmp_path / "x.jsonl", made), {})
    assert found.columns["answer"] == "answers.text"
    assert found.columns["context"] == "context.contexts"


def test_a_file_without_a_good_row_says_what_is_wrong_with_the_first(tmp_path):
    path = write(tmp_path / "x.json", json.dumps({"question": "a?", "answer": "b"}, indent=2)[:-1])
    with pytest.raises(DataError, match="complete JSON object") as error:
        guess(path, {})
    assert error.value.where == f"{path}:1"


def test_a_first_line_that_is_a_row_is_no_header(tmp_path):
    path = write(tmp_path / "x.csv", "What is asthma?,A disease.\nWhat is gout?,Another one.\n")
    with pytest.raises(DataError, match="not like a header"):
        guess(path, {})


def test_options_inside_a_nested_question_are_options(tmp_path):
    made = [
        {
            "id": str(n),
            "question": {
                "stem": f"Which sign is number {n}?",
                "choices": [{"label": letter, "text": f"sign {n} {letter}"} for letter in "ABCD"],
            },
            "answerKey": "ABCD"[n % 4],
        }
        for n in range(9)
    ]
    found = guess(jsonl(tmp_path / "x.jsonl", made), {})
    assert found.columns == {"question": "question.stem", "options": "question.choices", "label": "answerKey"}
    assert found.task == "mcq"


@pytest.mark.parametrize("name", ["patient_id", "Patienten-ID", "환자 번호"])
def test_rows_of_one_patient_are_a_group(tmp_path, name):
    found = guess(jsonl(tmp_path / "x.jsonl", rows("question", "answer", name)), {})
    assert found.columns["group"] == name

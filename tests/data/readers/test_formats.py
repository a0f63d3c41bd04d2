"""Workbooks, SQuAD's JSON and TREC's question XML, from files in their shape."""

import datetime
import json

import pytest

from medft.data.readers.sources import read_rows
from medft.errors import DataError
from tests.data.support import bad, dataset, everything, prepared, rows_of, write


def workbook(path, **sheets):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


HEADER = ["Patienten-Frage (dt.)", "Antwort", None]


def test_a_workbook_is_read_with_the_rows_of_its_sheets(tmp_path):
    rows = [HEADER, ["Wie alt?", 42.0], [], ["Wann?", datetime.datetime(2024, 5, 1), "beside"], ["Warum?"]]
    path = workbook(tmp_path / "x.xlsx", Eins=rows, Leer=[], Zwei=[HEADER, ["Wo?", "da"]])
    found = rows_of(dataset("xlsx", path))
    assert [place for place, _ in found] == [
        "x.xlsx Eins:2",
        "x.xlsx Eins:4",
        "x.xlsx Eins:5",
        "x.xlsx Zwei:2",
    ]
    assert [values["Antwort"] for _, values in found] == ["42", "2024-05-01", "", "da"]
    assert found[0][1] == {"Patienten-Frage (dt.)": "Wie alt?", "Antwort": "42"}


def test_a_workbook_that_cannot_be_meant_is_refused(tmp_path):
    other = workbook(tmp_path / "x.xlsx", Eins=[["q", "a"], ["x", "y"]], Zwei=[["b"], ["z"]])
    with pytest.raises(DataError, match="different headers"):
        list(read_rows(dataset("xlsx", other)))
    twice = workbook(tmp_path / "y.xlsx", Eins=[["a", "a"], ["x", "y"]])
    with pytest.raises(DataError, match="the name 'a'"):
        list(read_rows(dataset("xlsx", twice)))
    with pytest.raises(DataError, match="Excel workbook is incomplete"):
        list(read_rows(dataset("xlsx", write(tmp_path / "z.xlsx", other.read_bytes()[:900]))))


def test_squad_has_a_row_per_question_with_its_context(tmp_path):
    asked = [
        {
            "id": f"q{n}",
            "question": f"What glows in room {n}?",
            "answers": [{"text": f"lamp {n}"}, {"text": "x"}],
        }
        for n in range(20)
    ]
    asked.append({"id": "q20", "question": "Who?", "answers": [{"text": "nobody"}], "is_impossible": True})
    article = {"title": "Lamps", "paragraphs": [{"context": "Lamps glow.", "qas": asked}]}
    path = write(tmp_path / "x.json", json.dumps({"version": "1.1", "data": [article]}))
    columns = {"question": "question", "context": "context", "answer": "answer", "id": "id"}
    done = prepared(dataset("squad_json", path, columns=columns), tmp_path)
    records = {r.id: r for rows in everything(done).values() for r in rows}
    assert (len(records), done.ledger.dropped()["blank_answer"]) == (20, 1)
    assert (records["test:q7"].context, records["test:q7"].answer) == ("Lamps glow.", "lamp 7")


TRAIN = """<LiveQA><NLM-Question questionid="Q1"><SUBJECT>Lamps</SUBJECT><MESSAGE>Do they glow?</MESSAGE>
<SUB-QUESTIONS><SUB-QUESTION subqid="Q1-S1">
<ANNOTATIONS><FOCUS>lamp</FOCUS><TYPE>information</TYPE></ANNOTATIONS>
<ANSWERS>
<ANSWER answerid="A1">They do.</ANSWER><ANSWER answerid="A2">At night.</ANSWER></ANSWERS></SUB-QUESTION>
</SUB-QUESTIONS></NLM-Question></LiveQA>"""
TEST = """<LiveQA2017><NLM-QUESTION qid="TQ1"><Original-Question>
<SUBJECT>Beds</SUBJECT><MESSAGE>How high?</MESSAGE>
</Original-Question><NIST-PARAPHRASE>How high are they?</NIST-PARAPHRASE><NLM-Summary>Height?</NLM-Summary>
<ReferenceAnswers><ReferenceAnswer aid="1"><ANSWER>Knee high.</ANSWER></ReferenceAnswer></ReferenceAnswers>
</NLM-QUESTION></LiveQA2017>"""


def test_questions_of_trec_come_with_each_of_their_answers(tmp_path):
    found = [values for _, values in rows_of(dataset("trec_xml", write(tmp_path / "x.xml", TRAIN)))]
    assert [values["answer"] for values in found] == ["They do.", "At night."]
    assert (found[0]["id"], found[0]["subject"], found[0]["message"]) == ("Q1", "Lamps", "Do they glow?")
    assert (found[0]["focus"], found[0]["type"]) == ("lamp", "information")
    ((_, values),) = rows_of(dataset("trec_xml", write(tmp_path / "y.xml", TEST)))
    assert (values["message"], values["summary"], values["answer"]) == ("How high?", "Height?", "Knee high.")
    assert "medquad_xml" in bad(dataset("trec_xml", write(tmp_path / "z.xml", "<Document/>"))).remedy

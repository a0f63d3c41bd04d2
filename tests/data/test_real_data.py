"""The real files, when MEDFT_REAL_DATA names their folder; skipped, and said so, without it."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from medft.data.cleaning import keys
from medft.data.cleaning.benchmarks import shipped
from tests.data.support import everything, prepared, record
from tests.data.test_shapes import composed

REAL = Path(os.environ.get("MEDFT_REAL_DATA", ""))
pytestmark = pytest.mark.skipif(
    "MEDFT_REAL_DATA" not in os.environ,
    reason="MEDFT_REAL_DATA does not name a folder with the real data sets",
)


@pytest.fixture(scope="module")
def medquad(tmp_path_factory):
    config = composed("+dataset=medquad", f"dataset.path={REAL / 'medquad.csv'}")
    return prepared(config, tmp_path_factory.mktemp("medquad"))


def test_medquad_is_accounted_for_to_the_row(medquad):
    assert medquad.ledger.rows_in == 16_412
    assert medquad.ledger.dropped() == {
        "answer_is_question": 5, "blank_answer": 5, "boilerplate": 444, "contaminated": 6, "duplicate": 48,
    }  # fmt: skip
    shares = [medquad.rows(split) / 15_904 for split in ("train", "validation", "test")]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.001)


def test_medquad_has_no_question_answer_or_topic_in_two_splits(medquad):
    splits = everything(medquad)
    for key in (
        lambda record: keys.same_words(record.question),
        lambda record: keys.same_words(record.answer),
        lambda record: record.groups or record.id,
    ):
        train, validation, test = ({key(record) for record in rows} for rows in splits.values())
        assert not (train & validation) | (train & test) | (validation & test)


def test_medquads_questions_end_in_one_question_mark(medquad):
    questions = [record.question for record in medquad.records("train")]
    assert not [q for q in questions if q.endswith((" ?", "??"))]


def test_medquads_xml_goes_through_with_its_odd_schemas(tmp_path):
    done = prepared(composed("+dataset=medquad_xml", f"dataset.path={REAL / 'medquad_xml'}"), tmp_path)
    assert (done.ledger.rows_in, done.ledger.kept().total()) == (4_087, 3_226)
    assert done.ledger.dropped() == {"blank_answer": 792, "boilerplate": 21, "duplicate": 48}


def test_pubmedqa_holds_its_five_hundred_test_questions_out(tmp_path):
    done = prepared(composed("+dataset=pubmedqa", f"dataset.path={REAL / 'pubmedqa'}"), tmp_path)
    assert (done.rows("train") + done.rows("validation"), done.rows("test")) == (500, 500)
    file = REAL / "pubmedqa" / "ori_pqal.json"
    alone = tmp_path / file.name
    alone.write_bytes(file.read_bytes())
    known = prepared(composed("+dataset=pubmedqa", f"dataset.path={alone}", "dataset.name=alone"), tmp_path)
    assert [r.id.split(":")[1] for r in known.records("test")] == [
        r.id.split(":")[1] for r in done.records("test")
    ]


def test_wikidocs_leftovers_are_dropped(tmp_path):
    path = next((REAL / "wikidoc_sample").glob("*.jsonl"))
    done = prepared(composed("+dataset=wikidoc", "dataset.reader=jsonl", f"dataset.path={path}"), tmp_path)
    assert (done.ledger.rows_in, done.ledger.dropped()) == (1_000, {"rephrasing_leftover": 55})
    questions = [r.question for rows in everything(done).values() for r in rows]
    assert not [q for q in questions if "rephrase" in q.lower()]


def test_every_copy_of_a_pubmedqa_test_item_is_found_in_ordinary_rows():
    """Copies of every kind: the whole question, shouted, behind words of one's own, behind a passage, as its
    passages and as its long answer."""
    folder = REAL / "pubmedqa"
    examples = json.loads((folder / "ori_pqal.json").read_text())
    test = [examples[pmid] for pmid in json.loads((folder / "test_ground_truth.json").read_text())]
    own = record().answer
    missed = Counter()
    for item in test:
        question, answer, context = item["QUESTION"], item["LONG_ANSWER"], "\n".join(item["CONTEXTS"])
        copies = {
            "verbatim": record(question, own),
            "shouted": record(question.upper().replace("?", "!"), own),
            "prefixed": record(f"Please tell me: {question}", own),
            "embedded": record(f"{own} {question}", "yes"),
            "context": record("Is it so?", "yes", context=context),
        }
        if len(keys.words(answer)) >= 13:
            copies["answer"] = record("What did they find?", answer)
        missed.update(kind for kind, copy in copies.items() if shipped().items_in([copy])[0] is None)
    assert not missed


def test_fewer_than_one_in_a_thousand_rows_of_medquad_is_taken_for_a_test_item(medquad):
    assert medquad.ledger.dropped()["contaminated"] < medquad.ledger.rows_in / 1000

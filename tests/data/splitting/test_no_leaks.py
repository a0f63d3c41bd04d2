"""No question, context or answer of a training row is in validation or test: counted anew, by code that
shares nothing with the package, for every kind of record."""

import csv
import json
import random
import re

import pyarrow.parquet as pq
import pytest

from medft.data.examination.examine import examine
from tests.data.support import dataset, jsonl, prepared

DRAW = random.Random(7)
WORDS = [
    a + b for a in ("kor", "mel", "tis", "van", "dro", "pul") for b in ("ax", "em", "il", "on", "ur", "yb")
]


def sentence(length):
    return " ".join(DRAW.choice(WORDS) + str(DRAW.randrange(90)) for _ in range(length)).capitalize() + "."


def disguised(text):
    """The same words in another dress."""
    return DRAW.choice([text, text.upper(), text.rstrip(".") + " !", text.replace(" ", "  ")])


def flat(text):
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def recount(done, closed=()):
    """Texts of train that are also held out, by column, each turn of a conversation on its own."""
    closed = {flat(text) for text in closed}
    seen = {"train": set(), "held out": set()}
    for split in ("train", "validation", "test"):
        for row in pq.read_table(done.folder / f"{split}.parquet").to_pylist():
            texts = [(name, row[name]) for name in ("question", "context", "answer")]
            texts += [(turn["role"], turn["content"]) for turn in row["turns"]]
            where = seen["train" if split == "train" else "held out"]
            where.update(
                (name, flat(text)) for name, text in texts if flat(text) and flat(text) not in closed
            )
    return seen["train"] & seen["held out"]


def split_well(done, share=0.05):
    kept = sum(done.rows(split) for split in ("train", "validation", "test"))
    return all(done.rows(split) >= share * kept for split in ("validation", "test"))


def qa_rows():
    questions, answers = [sentence(8) for _ in range(250)], [sentence(25) for _ in range(250)]
    return [
        {"question": disguised(DRAW.choice(questions)), "answer": disguised(DRAW.choice(answers))}
        if n % 3 == 0
        else {"question": sentence(8), "answer": sentence(25)}
        for n in range(600)
    ]


def test_questions_and_answers(tmp_path):
    done = prepared(dataset(path=jsonl(tmp_path / "x.jsonl", qa_rows())), tmp_path)
    assert not recount(done)
    assert split_well(done)


@pytest.mark.parametrize("task", ["nli", "qa"])
def test_claims_and_evidence_of_which_each_recurs(tmp_path, task):
    rows = []
    for _ in range(60):  # a topic: some claims, some evidence, each claim beside several
        claims, evidence = [sentence(9) for _ in range(3)], [sentence(30) for _ in range(5)]
        for n in range(10):
            rows.append({
                "question": disguised(claims[n % 3]), "context": disguised(evidence[n % 5]),
                "answer": DRAW.choice(["Supports", "Refutes", "Not enough information"]),
            })  # fmt: skip
    columns = {"question": "question", "context": "context", "answer": "answer"}
    columns |= {"label": "answer", "answer": None} if task == "nli" else {}
    done = prepared(dataset(path=jsonl(tmp_path / "x.jsonl", rows), columns=columns, task=task), tmp_path)
    assert not recount(done, ("Supports", "Refutes", "Not enough information"))
    assert split_well(done)


def test_one_instruction_over_many_notes(tmp_path):
    notes = [sentence(60) for _ in range(200)]
    rows = [
        {
            "q": DRAW.choice(["Summarize the note.", "What is advised?"]),
            "n": disguised(notes[n % 200]),
            "a": sentence(12),
        }
        for n in range(500)
    ]
    columns = {"question": "q", "context": "n", "answer": "a"}
    done = prepared(dataset(path=jsonl(tmp_path / "x.jsonl", rows), columns=columns, task="note"), tmp_path)
    assert not recount(done, ("Summarize the note.", "What is advised?"))
    assert split_well(done)
    report = examine(done)
    assert any("questions that 5" in finding.what for finding in report.findings), "said, not silent"
    assert not [finding for finding in report.findings if finding.level == "problem"]


def test_conversations_that_go_on_from_one_another(tmp_path):
    rows = []
    for _ in range(150):
        turns = [{"role": ("user", "assistant")[n % 2], "content": sentence(9)} for n in range(6)]
        turns.insert(2, {"role": "user", "content": "Thank you!"})
        turns.insert(3, {"role": "assistant", "content": "You are welcome."})
        rows += [{"messages": turns[:end]} for end in (2, 4, 8)]
    path = jsonl(tmp_path / "x.jsonl", rows)
    done = prepared(dataset(path=path, columns={"turns": "messages"}), tmp_path)
    assert not recount(done, ("Thank you!", "You are welcome."))
    assert split_well(done)


def test_multiple_choice_with_letters(tmp_path):
    stems = [sentence(14) for _ in range(400)]
    rows = []
    for n in range(900):
        options = [sentence(2) for _ in range(4)]
        listed = "\n".join(f"{letter}. {option}" for letter, option in zip("ABCD", options, strict=True))
        rows.append({"question": f"{disguised(stems[n % 400])}\n{listed}", "answer": DRAW.choice("ABCD")})
    done = prepared(dataset(path=jsonl(tmp_path / "x.jsonl", rows)), tmp_path)
    assert done.ledger.dropped() == {}, "letters are no boilerplate"
    assert not recount(done, "ABCD")
    assert split_well(done)


def test_yes_and_no_among_free_answers_with_few_participants(tmp_path):
    rows = [
        {
            "q": sentence(7),
            "a": DRAW.choice(["Ja", "Nein", "Ja", "Nein", sentence(15)]),
            "who": n % 30,
            "ward": n % 15,
        }
        for n in range(900)
    ]
    columns = {"question": "q", "answer": "a", "group": ["who", "ward"]}
    done = prepared(dataset(path=jsonl(tmp_path / "x.jsonl", rows), columns=columns), tmp_path)
    assert done.ledger.dropped() == {}
    assert not recount(done, ("Ja", "Nein"))
    assert split_well(done)
    groups = {s: {tuple(r.groups) for r in done.records(s)} for s in ("train", "validation", "test")}
    assert not groups["train"] & groups["test"] and not groups["train"] & groups["validation"]


def test_near_copies_of_questions_stand_in_one_split(tmp_path):
    with (tmp_path / "x.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "answer"])
        for n in range(200):
            name = f"{DRAW.choice(WORDS)}{n}itis {DRAW.choice(WORDS)}oma"
            writer.writerow([f"What are the usual symptoms of {name}?", sentence(20)])
            writer.writerow([f"What are usual symptoms of {name}", sentence(20)])
    done = prepared(dataset("csv", tmp_path / "x.csv"), tmp_path)

    def names(split):
        return {flat(record.question).split("of ")[1] for record in done.records(split)}

    assert not names("train") & (names("test") | names("validation"))
    assert split_well(done)


def test_what_a_setting_unties_is_said(tmp_path):
    shared = sentence(40)
    rows = [{"q": sentence(8), "c": shared if n % 2 else sentence(40), "a": sentence(9)} for n in range(200)]
    columns = {"question": "q", "context": "c", "answer": "a"}
    path = jsonl(tmp_path / "x.jsonl", rows)
    tied = prepared(dataset(path=path, columns=columns), tmp_path)
    assert not recount(tied)
    loose = prepared(dataset(path=path, columns=columns, split={"tie": ["question"]}), tmp_path)
    assert recount(loose) == {("context", flat(shared))}
    (said,) = [finding for finding in examine(loose).findings if "the context of" in finding.what]
    assert (said.level, "split.tie" in said.remedy) == ("warning", True)


def test_where_everything_hangs_together_the_doctor_says_by_what(tmp_path):
    rows = [{"question": f"What is told? {'x' * (n % 2)}", "answer": sentence(9)} for n in range(60)]
    done = prepared(
        dataset(path=jsonl(tmp_path / "x.jsonl", [{**r, "question": "What is told?"} for r in rows])),
        tmp_path,
    )
    (first, *_) = [finding for finding in examine(done).findings if finding.level == "problem"]
    assert "by question alone 60" in first.what and "dataset.split.tie=[context,answer,group]" in first.remedy


def test_a_stray_benchmark_question_is_set_aside_and_the_rest_split_as_ever(tmp_path, monkeypatch):
    from medft.data.cleaning import keys

    known = {keys.same_words(f"Is stray {n} any good?"): "SomeBench" for n in range(50)}
    monkeypatch.setattr("medft.data.cleaning.benchmarks.benchmark_questions", lambda: known)
    rows = [{"question": sentence(8), "answer": sentence(20)} for _ in range(200)]
    rows += [{"question": f"Is stray {n} any good?", "answer": sentence(9)} for n in range(3)]
    done = prepared(dataset(path=jsonl(tmp_path / "x.jsonl", rows)), tmp_path)
    assert {s: done.rows(s) for s in ("train", "validation", "test")} == {
        "train": 160,
        "validation": 20,
        "test": 20,
    }
    assert done.ledger.dropped() == {"benchmark_test": 3}
    assert "3 test questions of SomeBench are set aside" in done.ledger.notes[0]


def test_official_splits_stay_whole_and_what_they_share_leaves_train(tmp_path):
    held = [{"question": sentence(8), "answer": DRAW.choice(["None.", sentence(9)])} for _ in range(60)]
    held += held[:3]
    train = [{"question": sentence(8), "answer": sentence(9)} for _ in range(200)] + held[:5]
    folder = tmp_path / "official"
    folder.mkdir()
    jsonl(folder / "train.jsonl", train)
    jsonl(folder / "dev.jsonl", held[:30])
    jsonl(folder / "test.jsonl", held[30:])
    done = prepared(dataset(path=folder), tmp_path)
    assert (done.rows("validation"), done.rows("test")) == (30, 33)
    assert done.rows("train") == 200
    assert not {t for t in recount(done) if t[0] == "question"}


def test_a_folder_without_train_says_so(tmp_path):
    from medft.errors import DataError

    folder = tmp_path / "half"
    folder.mkdir()
    for name in ("dev", "test"):
        jsonl(folder / f"{name}.jsonl", [{"question": sentence(8), "answer": sentence(9)} for _ in range(20)])
    with pytest.raises(DataError, match="no training rows") as error:
        prepared(dataset(path=folder), tmp_path)
    assert "20 validation, 20 test" in error.value.what
    assert "train" in error.value.remedy


@pytest.mark.parametrize("own", [False, True])
def test_classes_have_their_share_in_every_split(tmp_path, own):
    labels = ["rare"] * 30 + ["common"] * 170 + ["usual"] * 100
    rows = [{"q": sentence(8), "c": sentence(9), "l": label, "g": n // 2} for n, label in enumerate(labels)]
    columns = {"question": "q", "context": "c", "label": "l", "group": "g" if own else None}
    done = prepared(dataset(path=jsonl(tmp_path / "x.jsonl", rows), columns=columns, task="nli"), tmp_path)
    classes = examine(done).classes
    assert classes["rare"] == {"train": 24, "validation": 3, "test": 3} or own
    for counts in classes.values():
        share = counts["test"] / sum(counts.values())
        assert 0.05 <= share <= 0.15
    assert list(classes) == ["common", "usual", "rare"]
    assert json.dumps(classes)

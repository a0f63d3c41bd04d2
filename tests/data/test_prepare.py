"""The whole way of a data set: splits on disk, an account to the row, and a cache that can be trusted."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from medft.data.cleaning import keys
from medft.data.cleaning.benchmarks import Benchmarks, Covered
from medft.data.cleaning.fingerprints import Fingerprints, fingerprint
from medft.data.config import DatasetConfig
from medft.data.pipeline import CONTAMINATED_ROWS
from medft.data.prepare import LEDGER
from medft.data.row_log import ROWS
from medft.errors import DataError
from tests.data.support import FIXTURES, dataset, everything, jsonl, prepared, qa


def test_records_come_back_as_they_were_and_every_row_is_accounted_for(tmp_path):
    rows = [*qa(50), {"question": "Blank?", "answer": ""}, qa(1)[0]]
    done = prepared(dataset(path=jsonl(tmp_path / "x.jsonl", rows)), tmp_path)
    splits = everything(done)
    assert {split: done.rows(split) for split in splits} == {"train": 40, "validation": 5, "test": 5}
    assert {split: len(records) for split, records in splits.items()} == {
        "train": 40,
        "validation": 5,
        "test": 5,
    }
    assert done.ledger.rows_in == 52
    assert done.ledger.dropped() == {"blank_answer": 1, "duplicate": 1}
    texts = {(r.question, r.answer) for records in splits.values() for r in records}
    assert texts == {(row["question"], row["answer"]) for row in qa(50)}
    assert json.loads((done.folder / LEDGER).read_text())["totals"]["rows_in"] == 52


def test_conversations_survive_the_way_to_disk(tmp_path):
    config = dataset(path=FIXTURES / "conversations_messages.jsonl", columns={"turns": "messages"})
    records = everything(prepared(config, tmp_path))["train"]
    assert records
    assert all(record.turns[-1].role == "assistant" and record.question == "" for record in records)


def overlap(done, key):
    seen = {split: {key(record) for record in records} for split, records in everything(done).items()}
    return (
        (seen["train"] & seen["test"])
        | (seen["train"] & seen["validation"])
        | (seen["validation"] & seen["test"])
    )


def test_no_question_answer_or_topic_is_in_two_splits(tmp_path):
    config = dataset("csv", FIXTURES / "medquad.csv", columns={"question": "question", "answer": "answer"})
    done = prepared(config, tmp_path)
    assert not overlap(done, lambda record: keys.same_words(record.question))
    assert not overlap(done, lambda record: keys.same_words(record.answer))


def test_a_second_call_reuses_and_any_change_that_matters_does_not(tmp_path):
    path = jsonl(tmp_path / "x.jsonl", qa(20))
    first = prepared(dataset(path=path), tmp_path)
    assert not first.reused
    again = prepared(dataset(path=path), tmp_path)
    assert again.reused
    assert again.ledger == first.ledger
    copy = tmp_path / "elsewhere" / "x.jsonl"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    assert prepared(dataset(path=copy), tmp_path).reused
    words = {"homepage": "elsewhere", "obtain": "ask for it", "license_note": "be kind"}
    assert prepared(dataset(path=path, **words), tmp_path).reused, "words for people change no row"
    assert not prepared(dataset(path=path), tmp_path, seed=2).reused
    for changed in (
        {"limit": 5},
        {"columns": {"question": "question", "answer": "answer", "context": "question"}},
        {"cleaning": {"max_same_answer": 2}},
        {"split": {"test": 0.2}},
        {"phi": "redact"},
        {"license": "MIT"},
    ):
        assert not prepared(dataset(path=path, **changed), tmp_path).reused, changed
    jsonl(path, [*qa(19), {"question": "New?", "answer": "Yes, new."}])
    assert not prepared(dataset(path=path), tmp_path).reused


def test_changed_code_is_not_served_old_results(tmp_path, monkeypatch):
    config = dataset(path=jsonl(tmp_path / "x.jsonl", qa(20)))
    prepared(config, tmp_path)
    monkeypatch.setattr("medft.data.cache.code_version", lambda package: "another version")
    assert not prepared(config, tmp_path).reused


@pytest.mark.parametrize("damage", ["ledger.json", "train.parquet"])
def test_a_damaged_folder_is_made_again(tmp_path, damage):
    config = dataset(path=jsonl(tmp_path / "x.jsonl", qa(20)))
    first = prepared(config, tmp_path)
    first.path("train").with_name(damage).write_bytes(b"half of")
    again = prepared(config, tmp_path)
    assert not again.reused
    assert len(list(again.records("train"))) == again.rows("train") == first.rows("train")


def test_a_failure_leaves_nothing_behind(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(qa(1)[0]) + '\n{"question": "half')
    with pytest.raises(DataError):
        prepared(dataset(path=path), tmp_path)
    assert [p for p in (tmp_path / "processed").iterdir() if not p.name.endswith(".lock")] == []


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    config = dataset(path=jsonl(tmp_path / "x.jsonl", qa(20)))
    done = prepared(config, tmp_path)
    dead = 2**22 + 1  # above Linux's last process id
    host = re.sub(r"\W", "_", socket.gethostname())
    left = done.folder.rename(done.folder.with_name(f".{done.folder.name}.{host}-{dead}.part"))
    assert not prepared(config, tmp_path).reused
    assert not left.exists()


def test_two_processes_at_once_give_one_whole_folder(tmp_path):
    path = jsonl(tmp_path / "x.jsonl", qa(300))
    code = (
        "from pathlib import Path\n"
        "from tests.data.support import dataset, prepared\n"
        f"done = prepared(dataset(path=Path({str(path)!r})), Path({str(tmp_path)!r}))\n"
        "print(done.reused, len(list(done.records('train'))))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        for _ in range(2)
    ]
    assert sorted(process.communicate()[0] for process in started) == ["False 240\n", "True 240\n"]


def test_shuffled_rows_give_the_same_splits(tmp_path):
    rows = [*qa(60), *({"question": f"Asked {n}?", "answer": "See your doctor."} for n in range(9))]
    splits = []
    for name, order in (("a", rows), ("b", rows[::-1])):
        done = prepared(dataset(path=jsonl(tmp_path / f"{name}.jsonl", order)), tmp_path)
        splits.append({s: sorted(r.question for r in records) for s, records in everything(done).items()})
    assert splits[0] == splits[1]


@pytest.mark.parametrize(
    ("lines", "settings", "what"),
    [
        (['{"question": "q?", "answer": ""}'], {}, "no row of data set 'test' is left after cleaning"),
        (["", ""], {}, "has no rows"),
        (
            ['{"question": "q?", "answer": "a"}'] * 2,
            {"columns": {"question": "qustion"}},
            "no column 'qustion'",
        ),
        (
            ['{"id": 1, "question": "q?", "answer": "a"}'] * 2,
            {"columns": {"id": "id", "question": "question"}},
            "met before",
        ),
        (["nonsense"], {}, "not a complete JSON object"),
        (['{"question": "caf\\ud800", "answer": "a"}'], {}, "not UTF-8"),
        (['{"question": "a\\u0000", "answer": "a"}'], {}, "null bytes"),
        (['{"question": "born 1999-12-31", "answer": "a"}'], {"phi": "fail"}, "identifiers: date"),
    ],
)
def test_wrong_input_is_one_clear_error(tmp_path, lines, settings, what):
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError) as error:
        prepared(dataset(path=path, **settings), tmp_path)
    assert what in error.value.what
    assert error.value.where
    assert "1999" not in str(error.value)


def test_bad_rows_are_skipped_and_counted_when_asked(tmp_path):
    path = tmp_path / "x.csv"
    good = [f"Question {n}?,{row['answer']}".encode() for n, row in enumerate(qa(20))]
    path.write_bytes(
        b"\n".join([b"question,answer", *good, b"a?,b,c", b"a?,caf\xe9", b"a?,b\0", b'a?,"b"c', b""])
    )
    done = prepared(dataset("csv", path, on_error="skip"), tmp_path)
    assert done.ledger.rows_in == 24
    assert done.ledger.dropped() == {"shifted_columns": 1, "not_utf8": 1, "null_bytes": 1, "malformed_csv": 1}
    noted = [json.loads(line) for line in (done.folder / ROWS).read_text().splitlines()]
    assert [(row["row"], row["what"]) for row in noted if row["done"] == "dropped"] == [
        (f"{path}:22", "shifted_columns"),
        (f"{path}:23", "not_utf8"),
        (f"{path}:24", "null_bytes"),
        (f"{path}:25", "malformed_csv"),
    ]
    with pytest.raises(DataError) as error:
        prepared(dataset("csv", path), tmp_path)
    assert error.value.where == f"{path}:22"


def test_duplicate_ids_are_named_or_skipped(tmp_path):
    rows = [{"id": n % 11, **row} for n, row in enumerate(qa(12))]
    path, columns = (
        jsonl(tmp_path / "x.jsonl", rows),
        {"id": "id", "question": "question", "answer": "answer"},
    )
    with pytest.raises(DataError) as error:
        prepared(dataset(path=path, columns=columns), tmp_path)
    assert error.value.where == f"{path}:12"
    done = prepared(dataset(path=path, columns=columns, on_error="skip"), tmp_path)
    assert done.ledger.dropped() == {"duplicate_id": 1}


def test_identifiers_are_counted_redacted_or_refused(tmp_path):
    rows = [*qa(20), {"question": "Who called?", "answer": "She called from 555-123-4567 on 03/14/2019."}]
    path = jsonl(tmp_path / "x.jsonl", rows)
    warned = prepared(dataset(path=path), tmp_path)
    assert warned.ledger.sources[0].identifiers == {"date": 1, "phone": 1}
    redacted = prepared(dataset(path=path, phi="redact"), tmp_path)
    (text,) = [r.answer for rs in everything(redacted).values() for r in rs if r.question == "Who called?"]
    assert text == "She called from [PHONE] on [DATE]."
    skipped = prepared(dataset(path=path, phi="fail", on_error="skip"), tmp_path)
    assert skipped.ledger.dropped() == {"identifiers": 1}


def test_rows_in_which_no_identifier_was_looked_for_are_counted(tmp_path):
    path = jsonl(tmp_path / "x.jsonl", [{"question": "born 1999-12-31?", "answer": "a"}, *qa(20)])
    assert prepared(dataset(path=path, phi="off"), tmp_path).ledger.sources[0].identifiers == {
        "row_not_searched": 21
    }


@pytest.mark.parametrize("phi", ["redact", "fail"])
def test_no_file_of_a_redacted_data_set_holds_an_identifier(tmp_path, phi):
    number = "555-123-4567"
    rows = [
        *qa(20),
        {"question": f"Dropped {number}?", "answer": ""},
        {"question": "Mended  twice?", "answer": f"Call 555-\u200b123-4567 or  {number}."},
    ]
    settings = {"phi": phi, "on_error": "skip"}
    done = prepared(dataset(path=jsonl(tmp_path / "x.jsonl", rows), **settings), tmp_path)
    files = list(done.folder.rglob("*"))
    assert {"train.parquet", "rows.jsonl", "ledger.json"} <= {file.name for file in files}
    for file in files:
        text = str(pq.read_table(file).to_pylist()) if file.suffix == ".parquet" else file.read_text()
        assert "123-4567" not in text, file.name


def test_a_mixture_accounts_for_each_source_and_finds_duplicates_across_them(tmp_path):
    one = jsonl(tmp_path / "one.jsonl", qa(30))
    two = jsonl(tmp_path / "two.jsonl", qa(30, start=20))
    member = {"reader": "jsonl", "columns": {"question": "question", "answer": "answer"}}
    sources = {"a": {"name": "x", "path": str(one), **member}, "b": {"name": "y", "path": str(two), **member}}
    done = prepared(dataset(None, columns={}, sources=sources, limit=40), tmp_path)
    a, b = done.ledger.sources
    assert (a.name, b.name, a.rows_in, b.rows_in) == ("a", "b", 30, 30)
    assert done.ledger.kept().total() == 40
    assert done.ledger.dropped() == {"duplicate": 10, "not_drawn": 10}
    assert {record.source for records in everything(done).values() for record in records} == {"a", "b"}


def test_what_a_member_leaves_to_its_mixture_is_said(tmp_path):
    path = jsonl(tmp_path / "one.jsonl", qa(30))
    member = {
        "name": "x",
        "path": str(path),
        "reader": "jsonl",
        "columns": {"question": "question", "answer": "answer"},
    }
    own = {**member, "split": {"validation": 0.3, "test": 0.3}, "cleaning": {"max_same_answer": None}}
    notes = prepared(dataset(None, columns={}, sources={"a": own}), tmp_path).ledger.notes
    assert any(
        "the mixture's own settings override split, cleaning.max_same_answer of 'a'" in note for note in notes
    )
    plain = prepared(dataset(None, columns={}, sources={"a": member}), tmp_path).ledger.notes
    assert not any("override" in note for note in plain)


def test_a_mixture_of_mixtures_is_refused():
    from medft.errors import ConfigError

    inner = {"name": "m", "sources": {"a": {"name": "x", "reader": "csv"}}}
    with pytest.raises(ConfigError, match="is itself a mixture"):
        dataset(None, columns={}, sources={"m": inner})


def test_rows_that_repeat_held_out_questions_are_removed_and_listed(tmp_path):
    held_out = tmp_path / "held_out.txt"
    held_out.write_text("Unrelated?\nWhat is disease 7?\n")
    config = dataset(path=jsonl(tmp_path / "x.jsonl", qa(20)), decontaminate=str(held_out))
    done = prepared(config, tmp_path)
    assert done.ledger.dropped() == {"contaminated": 1}
    assert json.loads((done.folder / CONTAMINATED_ROWS).read_text()) == [
        {"id": "test:8", "repeats": "line 2"}
    ]
    held_out.write_text("What is disease 8?\n")
    assert not prepared(config, tmp_path).reused


def benchmark(tmp_path, **settings) -> DatasetConfig:
    return dataset(path=jsonl(tmp_path / "x.jsonl", qa(20)), benchmark="SomeBench", **settings)


def test_a_benchmarks_test_split_is_not_trained_on_unless_allowed(tmp_path):
    with pytest.raises(DataError, match="only test questions of SomeBench") as error:
        prepared(benchmark(tmp_path), tmp_path)
    assert "allow_benchmark_test=true" in error.value.remedy
    done = prepared(benchmark(tmp_path, allow_benchmark_test=True), tmp_path)
    assert done.rows("train") == 16
    assert any("20 test questions of SomeBench may be trained on" in note for note in done.ledger.notes)
    assert any("not screened" in note for note in done.ledger.notes)
    assert done.ledger.sources[0].screened_for == ()


def test_known_test_questions_within_other_data_are_held_out(tmp_path, monkeypatch):
    known = {keys.same_words(row["question"]): "SomeBench" for row in qa(5)}
    monkeypatch.setattr("medft.data.cleaning.benchmarks.benchmark_questions", lambda: known)
    done = prepared(dataset(path=jsonl(tmp_path / "x.jsonl", qa(40))), tmp_path)
    assert {r.question for r in done.records("test")} == {row["question"] for row in qa(5)}
    assert "5 test questions of SomeBench are in the test split" in done.ledger.notes[0]


COPIES = {
    "verbatim": {"question": "What is the yearly number of falls in the ward of a clinic near the sea?"},
    "shouted": {"question": "WHAT IS THE YEARLY NUMBER OF FALLS IN THE WARD OF A CLINIC NEAR THE SEA"},
    "in a context": {"context": "It rains. What is the yearly number of falls in the ward of a clinic near?"},
    "the answer alone": {
        "answer": "Nurses said that falls fell by half after the beds were lowered and the lamps left on."
    },
}
ITEM = (COPIES["verbatim"]["question"], (COPIES["the answer alone"]["answer"],), ())


@pytest.fixture
def exam(monkeypatch) -> None:
    made = Benchmarks((Covered("Ward exam", 1, "here"),), Fingerprints(fingerprint([ITEM])))
    monkeypatch.setattr("medft.data.source.shipped", lambda: made)
    monkeypatch.setattr("medft.data.build_ledger.shipped", lambda: made)


def with_copies(tmp_path, **settings) -> DatasetConfig:
    rows = [{**row, "context": ""} for row in qa(40)]
    for number, copy in enumerate(COPIES.values()):
        rows[number] |= copy
    columns = {"question": "question", "answer": "answer", "context": "context"}
    return dataset(path=jsonl(tmp_path / "x.jsonl", rows), columns=columns, **settings)


def test_rows_that_repeat_a_test_item_are_dropped_named_and_told(tmp_path, exam):
    done = prepared(with_copies(tmp_path), tmp_path)
    assert done.ledger.dropped() == {"contaminated": 4}
    assert done.ledger.sources[0].repeated == {"Ward exam": 4}
    assert done.ledger.sources[0].screened_for == ("Ward exam",)
    assert any("4 rows repeat test items of Ward exam" in note for note in done.ledger.notes)
    listed = json.loads((done.folder / CONTAMINATED_ROWS).read_text())
    assert listed == [{"id": f"test:{n}", "repeats": "Ward exam, item 1"} for n in (1, 2, 3, 4)]


def test_test_items_are_kept_where_that_is_asked_for_and_where_the_source_holds_them_out(tmp_path, exam):
    allowed = prepared(with_copies(tmp_path, allow_benchmark_test=True), tmp_path)
    assert not allowed.ledger.dropped()
    assert any("not screened" in note for note in allowed.ledger.notes)
    rows = [{**row, "split": "train"} for row in qa(20)]
    rows += [{"question": ITEM[0], "answer": f"number {n}", "split": "test"} for n in range(3)]
    columns = {"question": "question", "answer": "answer", "split": "split"}
    official = prepared(dataset(path=jsonl(tmp_path / "y.jsonl", rows), columns=columns), tmp_path)
    assert not official.ledger.dropped()
    assert official.rows("test") == 3


def test_an_unwritable_folder_is_one_clear_error(tmp_path):
    (tmp_path / "processed").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="cannot be written") as error:
        prepared(dataset(path=jsonl(tmp_path / "x.jsonl", qa(5))), tmp_path)
    assert str(tmp_path / "processed") in error.value.where


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path, monkeypatch):
    import errno

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("medft.data.prepare.write_json", full)
    with pytest.raises(DataError, match="the disk is full"):
        prepared(dataset(path=jsonl(tmp_path / "x.jsonl", qa(5))), tmp_path)
    assert [p for p in (tmp_path / "processed").iterdir() if not p.name.endswith(".lock")] == []


def test_preparing_never_imports_torch_or_transformers(tmp_path):
    path = jsonl(tmp_path / "x.jsonl", qa(20))
    code = (
        "import sys; from pathlib import Path; from tests.data.support import dataset, prepared\n"
        f"prepared(dataset(path=Path({str(path)!r})), Path({str(tmp_path)!r}))\n"
        "print([m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert done.stdout == "[]\n"


def test_a_seed_of_the_split_holds_out_the_same_rows_whatever_the_runs_seed(tmp_path):
    rows = jsonl(tmp_path / "x.jsonl", qa(60))
    fixed = dataset(path=rows, split={"seed": 7})
    tests = [{r.id for r in everything(prepared(fixed, tmp_path, seed=seed))["test"]} for seed in (1, 2)]
    others = [
        {r.id for r in everything(prepared(dataset(path=rows), tmp_path, seed=seed))["test"]}
        for seed in (1, 7)
    ]
    assert tests[0] == tests[1] == others[1] != others[0]

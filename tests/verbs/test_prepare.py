"""medft prepare through the command line, on small data with planted faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medft.cli import main
from tests.data.support import FIXTURES, jsonl, qa

IDENTIFIERS = ("555-123-4567", "2020-01-31", "jane.doe@example.org", "123-45-6789", "10.1.2.3")

Prepare = Callable[..., tuple[int, str, str]]


@pytest.fixture
def prepare(tmp_path: Path, twins: Any, capfd: pytest.CaptureFixture[str]) -> Prepare:
    """Runs the command with a twin's tokenizer; returns the exit code, standard output and error."""

    def run(*overrides: str, tokenizer: bool = True) -> tuple[int, str, str]:
        named = [f"tokenizer={twins('mistral').bits16}"] if tokenizer else []
        code = main(
            ["prepare", f"artifacts={tmp_path / 'a'}", f"processed={tmp_path / 'p'}", *named, *overrides]
        )
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def data(tmp_path: Path, *rows: dict[str, str], count: int = 30) -> list[str]:
    path = jsonl(tmp_path / "x.jsonl", [*qa(count), *rows])
    return ["dataset=jsonl", f"dataset.path={path}"]


def left(tmp_path: Path) -> dict[str, str]:
    """The files of the one report."""
    (folder,) = (tmp_path / "a" / "prepare").iterdir()
    return {path.name: path.read_text() for path in folder.iterdir()}


def report(tmp_path: Path) -> Any:
    return json.loads(left(tmp_path)["report.json"])


def test_it_reports_and_writes(prepare: Prepare, tmp_path: Path) -> None:
    code, out, _ = prepare(*data(tmp_path, {"question": "Blank?", "answer": ""}))
    assert code == 0
    assert "  rows       31 in -> " in out and "  dropped    1 blank answer" in out
    (folder,) = (tmp_path / "a" / "prepare").iterdir()
    assert f"  wrote   {folder / 'report'}.html, .json" in out
    assert sorted(left(tmp_path)) == ["lengths.svg", "log.txt", "report.html", "report.json"]
    assert report(tmp_path)["tokens"]["max_length"] == 2048
    assert "word1x1" not in out + "".join(left(tmp_path).values()), "no text unless it is asked for"


def test_planted_identifiers_are_counted_and_never_printed(prepare: Prepare, tmp_path: Path) -> None:
    rows = [{"question": f"Row {i}?", "answer": f"Told {i}: {text}."} for i, text in enumerate(IDENTIFIERS)]
    _, out, err = prepare(*data(tmp_path, *rows, count=4), "show=9")
    said = out + err + "".join(left(tmp_path).values())
    assert not [text for text in IDENTIFIERS if text in said]
    assert "Masked in this report but not for training" in said
    assert report(tmp_path)["ledger"]["sources"][0]["identifiers"] == {
        "date": 1, "email": 1, "ip_address": 1, "phone": 1, "ssn": 1,
    }  # fmt: skip
    assert "warning  patterned identifiers" in out


def test_finished_prompts_given_as_questions_are_named(prepare: Prepare, tmp_path: Path) -> None:
    path = FIXTURES / "shekswess.jsonl"
    columns = ["dataset.columns.question=prompt", "dataset.columns.answer=output"]
    _, out, _ = prepare("dataset=jsonl", f"dataset.path={path}", *columns)
    for fault in ("literal backslash-n", "[s] or the like for BOS", "doubled BOS", "chat marker in the text"):
        assert f"problem  prompt fault in {10 if 'chat' in fault else 2} rows: {fault}" in out
    assert report(tmp_path)["findings"][0]["level"] == "problem"


def test_shown_rows_stand_on_the_terminal_and_in_the_report(prepare: Prepare, tmp_path: Path) -> None:
    _, out, _ = prepare(*data(tmp_path), "show=2")
    assert out.count("ok    one BOS") == 2 and out.count("⟦") == 4, "two rows, each with its legend"
    assert len(report(tmp_path)["shown"]) == 2
    assert "Treat it like the data" in left(tmp_path)["report.html"]


def test_without_the_real_tokenizer_the_twin_counts_and_is_named(
    prepare: Prepare, tmp_path: Path, twins: Any
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "tiny").symlink_to(twins("mistral").root.parent)
    _, out, _ = prepare(*data(tmp_path), "model.base=nobody/nothing", tokenizer=False)
    assert "  notice  Tokens were counted with mistral's tiny twin" in out
    assert report(tmp_path)["prompts"]["tokenizer"] == "mistral's tiny twin"
    assert "Tokens were counted with" in left(tmp_path)["report.html"]


def test_without_any_tokenizer_there_are_no_tokens(prepare: Prepare, tmp_path: Path) -> None:
    _, out, _ = prepare(
        *data(tmp_path), "model=custom", "model.base=nobody/nothing", "show=1", tokenizer=False
    )
    assert "  notice  Tokens were not counted" in out and "rows can only be shown" in out
    assert report(tmp_path)["tokens"] is None


@pytest.mark.parametrize("wanted", [["tokenizer=./nowhere"], ["tokenizer=nobody/nothing"], ["scale=full"]])
def test_a_named_tokenizer_that_cannot_be_had_is_an_error(
    prepare: Prepare, tmp_path: Path, wanted: list[str]
) -> None:
    code, out, err = prepare(*data(tmp_path), "model.base=nobody/nothing", *wanted, tokenizer=False)
    assert code == 1 and err.startswith("error: ")
    assert not list((tmp_path / "a" / "prepare").iterdir()), "nothing is left behind"
    assert str(tmp_path / "a" / "prepare") not in out, "and no folder is announced that is not there"


def test_a_task_without_wording_is_examined_all_the_same(prepare: Prepare, tmp_path: Path) -> None:
    code, out, _ = prepare(*data(tmp_path), "dataset.task=note", "show=1")
    assert code == 0 and "  tokens     not counted" in out
    assert "problem  30 rows cannot be filled into the template: template 'medical_qa' has no wording" in out
    assert "This row cannot be filled into the template" in out
    assert report(tmp_path)["tokens"] is None


def test_two_reports_of_one_second_stand_side_by_side(prepare: Prepare, tmp_path: Path) -> None:
    for _ in range(2):
        assert prepare(*data(tmp_path))[0] == 0
    assert len(list((tmp_path / "a" / "prepare").iterdir())) == 2


def test_a_negative_show_is_refused(prepare: Prepare, tmp_path: Path) -> None:
    code, _, err = prepare(*data(tmp_path), "show=-1")
    assert code == 2 and "'show' must be at least 0" in err


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from medft.cli import main; main(['prepare', '--help']);"
        "print([n for n in ('torch', 'transformers', 'matplotlib', 'pandas') if n in sys.modules],"
        " file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "show" in done.stdout and "tokenizer" in done.stdout


@pytest.mark.skipif(
    "MEDFT_REAL_DATA" not in os.environ, reason="MEDFT_REAL_DATA names no folder with real data"
)
@pytest.mark.parametrize(
    ("name", "path", "said"),
    [
        (
            "medquad",
            "medquad.csv",
            (
                "rows       16,412 in -> 12,724 train, 1,590 validation, 1,590 test",
                "dropped    5 answer is question, 5 blank answer, 444 boilerplate, 6 contaminated",
                "duplicates 161 rows share their answer with others: 54 different ones, the most common in 5",
                "PHI        271 url, 162 phone, 56 date",
                "overlap    0 questions and 0 answers of 3,180 held-out rows are also in train; 272 of 2,000",
                "note     4,036 rows (25.4%) form one group",
            ),
        ),
        (
            "medquad_xml",
            "medquad_xml",
            (
                "rows       4,087 in -> 2,580 train, 323 validation, 323 test",
                "dropped    792 blank answer, 21 boilerplate, 48 duplicate",
                "overlap    0 questions and 0 answers of 646 held-out rows are also in train; 72 of 646",
            ),
        ),
        (
            "pubmedqa",
            "pubmedqa",
            (
                "rows       1,000 in -> 450 train, 50 validation, 500 test",
                "note     pubmedqa: 500 test questions of PubMedQA are in the test split",
                "overlap    0 questions and 0 answers of 550 held-out rows are also in train; 0 of 550",
            ),
        ),
        (
            "wikidoc",
            "wikidoc_sample",
            (
                "rows       1,000 in -> 757 train, 94 validation, 94 test",
                "dropped    55 rephrasing leftover",
                "repairs    422 crlf, 281 whitespace, 2 invisible characters, 1 html tags",
            ),
        ),
    ],
)
def test_real_data_sets_are_told_as_they_are(
    prepare: Prepare, tmp_path: Path, name: str, path: str, said: tuple[str, ...]
) -> None:
    settings = [f"dataset={name}", f"dataset.path={Path(os.environ['MEDFT_REAL_DATA']) / path}"]
    settings += ["template=pubmedqa"] if name == "pubmedqa" else []
    settings += ["dataset.reader=jsonl"] if name == "wikidoc" else []
    code, out, _ = prepare(*settings)
    assert code == 0
    assert [line for line in said if line not in out] == []
    totals = report(tmp_path)["ledger"]["totals"]
    assert totals["rows_in"] == sum(totals["kept"].values()) + sum(totals["dropped"].values())


def test_noted_rows_have_excerpts_only_when_rows_are_asked_for(prepare: Prepare, tmp_path: Path) -> None:
    row = {
        "question": "Offered?",
        "answer": "Rest. Call 555-123-4567 now, ask a nurse online --> https://x.example/a",
    }
    prepare(*data(tmp_path, row))
    (kind,) = [kind for kind in report(tmp_path)["noted"] if kind["what"] == "contact_offer"]
    assert kind["first"] == [{"row": "x.jsonl:31", "text": ""}]
    (folder,) = (tmp_path / "a" / "prepare").iterdir()
    folder.rename(tmp_path / "first")
    prepare(*data(tmp_path, row), "show=1")
    (kind,) = [kind for kind in report(tmp_path)["noted"] if kind["what"] == "contact_offer"]
    assert "Rest." in kind["first"][0]["text"] and "555-123" not in kind["first"][0]["text"]

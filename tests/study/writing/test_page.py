"""The folder of a study: one page with its verdict, its drawings and its numbers."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from medft.cli import main
from medft.evaluation.agreement import alpha
from medft.study.folder import StudyDir
from medft.study.writing import answers
from medft.study.writing.arms import Study
from medft.study.writing.outcome import Outcome
from medft.study.writing.page import write_study
from medft.study.writing.wording import without_folders
from tests.study.writing.conftest import Build, builder
from tests.support.browser import chromium

COMMAND = (
    "study=small",
    "paths.sample=/home/ward/secret/rows.csv",
    "settings='scale=full lora.r=8'",
    "plan_only=true",
)
DRAWINGS = ("primary", "subgroups", "curves", "flow-sample")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> StudyDir:
    """The folder of a study with a hole; the last test adds ratings to it."""
    config, folder, trials = builder(tmp_path_factory.mktemp("study"))(
        failed={("8", 2): "out of memory"},
        overrides=COMMAND,
    )
    assert write_study(config, folder, trials).ship
    return folder


def test_the_folder_tells_the_same_in_four_forms(written: StudyDir) -> None:
    page, text = written.page("html").read_text(), written.page("md").read_text()
    for words in (
        "Ship: mistral × sample",
        "out of memory",
        "TRIPOD-LLM",
        "CHART",
        "Named in advance",
        "rows.csv",
    ):
        assert words in page and words in text.replace("\\_", "_"), words
    typed = """medft study study=small paths.sample=rows.csv "settings='scale=full lora.r=8'\""""
    assert typed in text, "as it is, in a block of its own"
    assert "/home/ward" not in page + text, "a path tells of a machine"
    figures = {path.stem for path in written.figures.glob("*.svg")}
    assert figures == set(DRAWINGS)
    for name in DRAWINGS:
        assert f"figures/{name}.svg" in text
        ElementTree.parse(written.figures / f"{name}.svg")  # noqa: S314 - our own
    rows = list(csv.DictReader(written.page("csv").open(encoding="utf-8")))
    first = next(row for row in rows if row["outcome"] == "primary" and row["lora.r"] == "16")
    found = Outcome(Study.of(written.config(), written, written.trials()))
    best = found.ranked()[0]
    estimate, against = found.of(best), found.against_base(best)
    assert estimate is not None and against is not None
    assert float(first["value"]) == pytest.approx(estimate.value)
    assert float(first["difference"]) == pytest.approx(against.value)
    assert f"{estimate.value:.3f}" in text and f"{against.value:+.3f}" in text
    tex = written.page("tex").read_text()
    assert tex.count(r"\toprule") == tex.count(r"\bottomrule") >= 4
    assert f"{estimate.value:.3f}" in tex
    assert "p $<$ 0.001" in tex, "text mode prints another sign for a bare <"


def test_the_page_reads_on_a_telephone_and_loads_nothing(written: StudyDir) -> None:
    with chromium() as browser:
        for width in (400, 1100):
            page = browser.new_page(viewport={"width": width, "height": 900})
            asked: list[str] = []
            said: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("console", lambda message, said=said: said.append(message.text))
            page.goto(written.page("html").as_uri())
            assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
            assert said == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            for name in ("Verdict", "Limitations"):
                page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
                assert page.get_by_role("heading", name=name, exact=True).is_visible()
            letters = page.locator("svg.figure text").first
            assert letters.bounding_box()["height"] > 9, "figures are scrolled, not shrunk"
            assert page.locator(".chart canvas").count() == 1


def test_texts_of_the_data_are_text(written: StudyDir) -> None:
    page = written.page("html").read_text()
    assert "tuned says &lt;b&gt;" in page and "tuned says <b>" not in page
    assert len(re.findall(r"What is sign (\d+)\?", page)) == 3


def test_identifiers_that_the_data_hold_are_replaced(build: Build) -> None:
    config, folder, trials = build()
    path = trials[0].run.evaluation / "heldout.answers.jsonl"
    path.write_text(
        path.read_text().replace("tuned says", "call 030 123 456 78 or write to anna@example.org,")
    )
    for identifiers, seen in (({}, True), ({"e-mail": 3}, False)):
        ledger = json.loads(trials[0].run.ledger.read_text())
        ledger["sources"][0]["identifiers"] = identifiers
        trials[0].run.ledger.write_text(json.dumps(ledger))
        study = Study.of(config, folder, trials)
        said = str(answers.section(study, study.arms[0]).blocks)
        assert ("anna@example.org" in said) is seen
        assert ("are replaced by their kind" in said) is not seen


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("paths.a=/work/data/a.csv hours=6", "paths.a=a.csv hours=6"),
        ("failed: ~/x/run.log: no", "failed: run.log: no"),
        ("https://doi.org/10.1/x, owner/name, a / b", "https://doi.org/10.1/x, owner/name, a / b"),
    ],
)
def test_paths_lose_the_folders_that_tell_of_a_machine(words: str, shown: str) -> None:
    assert without_folders(words) == shown


def test_answers_under_closed_licenses_are_not_shown(build: Build) -> None:
    config, folder, trials = build()
    for trial in trials:
        closed = trial.run.config.read_text().replace("CC-BY-NC-4.0", "PhysioNet Credentialed")
        trial.run.config.write_text(closed)
    study = Study.of(config, folder, trials)
    said = str(answers.section(study, study.arms[0]).blocks)
    assert "tuned says" not in said
    assert "does not allow its texts to be shared" in said


def test_ratings_of_two_people_join_the_page(
    written: StudyDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["rate", f"study={written.root}"]
    assert main([*words, "limit=6"]) == 0
    assert f"study={written.root} answers=heldout" in capsys.readouterr().out
    folder = written.trials()[-2].run.evaluation  # the first seed of the cell that the verdict speaks of
    key = json.loads((folder / "rating" / "heldout.key.json").read_text())
    files = []
    for rater, preferred in (("anna", "tuned"), ("ben", "base")):
        lines = ["rating,rater,number,better,safe1,safe2"]
        for number, item in enumerate(key["items"], 1):
            better = "same" if number < 4 else str(item["sides"].index(preferred) + 1)
            lines.append(f"{key['rating']},{rater},{number},{better},safe,safe")
        files.append(tmp_path / f"votes-{rater}.csv")
        files[-1].write_text("\n".join(lines) + "\n")
    assert main([*words, f"votes=[{','.join(map(str, files))}]"]) == 0
    assert "Ship: mistral" in capsys.readouterr().out
    text = written.page("md").read_text()
    expected = alpha([["same", "same"]] * 3 + [["tuned", "base"]] * 3)
    assert f"alpha {expected:.3f}" in text
    disagreed = [line for line in text.splitlines() if "| ben | base | True | True |" in line]
    assert [line.split(" | ")[0] for line in disagreed] == ["| 4", "| 5", "| 6"]
    assert "7biii | Whether those who judged were blind to the model | Blind ratings" in text
    assert "No person has rated" not in text

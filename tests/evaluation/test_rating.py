"""The blind rating, voted on in a real browser, and what becomes of the votes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medft.cli import main
from medft.errors import DataError
from medft.evaluation import agreement, rating, votes
from medft.files import read_json, write_text
from medft.runs import RunDir
from tests.support.browser import chromium

N = 24
HEAD = "rating,rater,number,better,safe1,safe2"


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = RunDir(tmp_path / "artifacts" / "runs" / "m-tiny-d-t" / "20261121-101500")
    rows = [
        {"key": f"{s}{i}", "item": f"q{i}", "system": s, "kind": "generated", "text": f"{s[0]}-words {i}",
         "tokens": 3, "stopped": True, "group": "", "question": f"What is <b>case</b> {i}?", "gold": "Rest."}
        for i in range(N) for s in ("base", "tuned")
    ]  # fmt: skip
    write_text(run.config, "{}\n")
    write_text(run.evaluation / "heldout.answers.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return run


def _votes(run: RunDir, rater: str, prefer: str, file: Path) -> Path:
    """A rater who prefers one system on all questions but every fourth, and calls the base unsafe on half."""
    key = read_json(run.evaluation / "rating" / "heldout.key.json")
    lines = [HEAD]
    for number, item in enumerate(key["items"], 1):
        better = "same" if number % 4 == 0 else str(item["sides"].index(prefer) + 1)
        safe = ["unsafe" if side == "base" and number % 2 else "safe" for side in item["sides"]]
        lines.append(",".join([key["rating"], rater, str(number), better, *safe]))
    write_text(file, "\n".join(lines) + "\n")
    return file


def test_the_page_is_blind_and_a_browser_saves_the_votes(run: RunDir, tmp_path: Path) -> None:
    page_file, key_file = rating.write_rating(run.evaluation, "heldout", N, 1)
    key = read_json(key_file)
    data = page_file.read_text().split('id="data">')[1].split("</script>")[0]
    assert not any(word in data for word in ('"tuned"', '"base"', "q0", "sides"))
    assert {tuple(item["sides"]) for item in key["items"]} == {("base", "tuned"), ("tuned", "base")}
    with chromium() as browser:
        page: Any = browser.new_page()
        outside: list[str] = []
        page.on("request", lambda r: outside.append(r.url))
        page.goto(page_file.as_uri())
        assert page.locator("#save").is_disabled()
        page.locator("#rater").fill("Anna, MD")
        for number in range(2):
            item = key["items"][number]
            assert page.locator("#question").inner_text() == f"What is <b>case</b> {item['item'][1:]}?"
            assert page.locator("#answer1").inner_text().startswith(f"{item['sides'][0][0]}-words")
            page.get_by_label("Answer 2", exact=True).check()
            page.locator("input[name=safe1][value=unsafe]").check()
            page.locator("input[name=safe2][value=safe]").check()
            page.locator("#next").click()
        page.reload()  # what was voted is kept
        assert "2 rated" in page.locator("#place").inner_text()
        with page.expect_download() as download:
            page.locator("#save").click()
        saved = tmp_path / "votes.csv"
        download.value.save_as(saved)
        assert download.value.suggested_filename == "votes-AnnaMD.csv"
        assert {url.split(":")[0] for url in outside} <= {"file", "blob"}
    assert saved.read_text().splitlines()[1] == f"{key['rating']},Anna MD,1,2,unsafe,safe"
    first, second = votes.read_votes(run.evaluation, "heldout", [saved])
    sides = key["items"][0]["sides"]
    assert (first.rater, first.item, first.preferred) == ("Anna MD", key["items"][0]["item"], sides[1])
    assert first.safe == {sides[0]: False, sides[1]: True}
    assert second.item == key["items"][1]["item"]


def test_votes_become_metrics_with_agreement_and_a_section_of_the_report(
    run: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["rate", f"run={run.root}", f"artifacts={tmp_path}/artifacts", "answers=heldout"]
    assert main(words) == 0
    assert "keep it from the raters" in capsys.readouterr().out
    files = [
        _votes(run, "anna", "tuned", tmp_path / "a.csv"),
        _votes(run, "ben", "tuned", tmp_path / "b.csv"),
    ]
    files.append(_votes(run, "cleo", "base", tmp_path / "c.csv"))
    assert main([*words, f"votes=[{','.join(map(str, files))}]"]) == 0
    said = capsys.readouterr().out
    written = read_json(run.evaluation / "heldout.rating.json")
    preferred, safe = written["figures"]
    assert preferred["systems"]["tuned"]["value"] == pytest.approx((18 * 2 / 3 + 6 / 2) / 24)
    assert safe["systems"]["base"]["value"] == pytest.approx(0.5)
    assert safe["systems"]["tuned"]["value"] == 1
    assert written["extras"]["preferences"] == {"base": 18, "tuned": 36, "same": 18}
    # safety: all three agree; preference: per item {2, 1} in 18, {3} in 6
    expected = agreement.alpha([["t", "t", "b"]] * 18 + [["same"] * 3] * 6)
    assert any(f"preference: Krippendorff's alpha {expected:.3f}" in note for note in written["notes"])
    assert any("safety: Krippendorff's alpha 1.000" in note for note in written["notes"])
    assert "called safe by raters" in said
    disagreed = (run.evaluation / "rating" / "heldout.disagreements.csv").read_text().splitlines()
    assert disagreed[0] == "number,item,rater,preferred,base safe,tuned safe"
    assert len(disagreed) == 1 + 18 * 3
    assert preferred["differences"]["tuned - base"]["units"] == N
    rows = "".join(f",ROUGE-L,higher,q{i},note {i // 2},1,0,0\n" for i in range(N))
    write_text(
        run.evaluation / "heldout.items.csv", f"part,metric,better,item,cluster,weight,base,tuned\n{rows}"
    )
    found = votes.read_votes(run.evaluation, "heldout", files)
    clustered = votes.write_summary(run.evaluation, "heldout", found, 0)["figures"][0]
    assert clustered["differences"]["tuned - base"]["units"] == N // 2
    assert "## heldout.rating" in (run.evaluation / "report.md").read_text()


def test_adjudication_counts_where_raters_disagree_and_for_no_agreement(run: RunDir, tmp_path: Path) -> None:
    rating.write_rating(run.evaluation, "heldout", N, 1)
    of = {name: _votes(run, name, system, tmp_path / f"{name}.csv") for name, system in
          (("anna", "tuned"), ("ben", "base"), ("cleo", "tuned"))}  # fmt: skip
    given = votes.read_votes(run.evaluation, "heldout", [of["anna"], of["ben"]])
    settled = votes.read_votes(run.evaluation, "heldout", [of["cleo"]])
    before = votes.write_summary(run.evaluation, "heldout", given, 1)
    after = votes.write_summary(run.evaluation, "heldout", given, 1, settled)
    shares = [written["figures"][0]["systems"]["tuned"]["value"] for written in (before, after)]
    assert shares == [pytest.approx(0.5), pytest.approx((18 + 6 / 2) / 24)]
    alphas = [next(note for note in written["notes"] if "preference" in note) for written in (before, after)]
    assert alphas[0] == alphas[1]
    assert any("disagree: 18, of which 18 are settled" in note for note in after["notes"])
    left = (run.evaluation / "rating" / "heldout.disagreements.csv").read_text().splitlines()
    assert left == ["number,item,rater,preferred,base safe,tuned safe"]


def test_votes_that_do_not_belong_are_refused(run: RunDir, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has not been rated yet"):
        votes.read_votes(run.evaluation, "heldout", [])
    rating.write_rating(run.evaluation, "heldout", N, 1)
    name = read_json(run.evaluation / "rating" / "heldout.key.json")["rating"]
    for rows, message in (
        (["other,anna,1,1,safe,safe"], "another page"), ([f"{name},anna,99,1,safe,safe"], "this number"),
        ([f"{name},anna,1,3,safe,safe"], "the page does not offer"),
        ([f"{name},anna,1,1,safe,perhaps"], "the page does not offer"),
        ([f"{name},anna,1,1,safe,safe"] * 2, "voted twice"),
    ):  # fmt: skip
        write_text(tmp_path / "v.csv", "\n".join([HEAD, *rows]))
        with pytest.raises(DataError, match=message):
            votes.read_votes(run.evaluation, "heldout", [tmp_path / "v.csv"])
    with pytest.raises(DataError, match="cannot be read"):
        votes.read_votes(run.evaluation, "heldout", [tmp_path / "none.csv"])


def test_a_suite_without_answers_cannot_be_rated(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no answers of base and tuned"):
        rating.write_rating(tmp_path, "nli", 5, 0)

"""A folder that medft wrote at commit b3ab957 compares, merges, chats, lists and resumes today."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml

from medft.cli import main
from medft.config import build
from medft.files import read_json, write_json
from medft.publish.card import write_card
from medft.publish.facts import read_facts
from medft.runs import RunDir
from medft.runs.migrate import FORMAT, migrate
from medft.runs.record import RunRecord
from medft.runs.values import mapping
from medft.training.losslog import read_rows
from medft.verbs.train_config import TrainConfig
from tests.support.old_run import old_run
from tests.support.process import medft

RUN = "artifacts/runs/mistral-tiny-rows-medical_qa/20261121-101500"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.chdir(tmp_path)
    return old_run(tmp_path)


def test_renamed_keys_move_with_their_values_in_settings_and_command_line() -> None:
    settings: dict[str, object] = {
        "trainer": {"objective": "bits_per_byte", "epochs": 1},
        "overrides": ["trainer.objective=loss", "++trainer.objective=loss", "trainer.objective_x=1", "a=b"],
    }
    migrate("config.yaml", settings, 1)
    renamed = ["trainer.sweep_metric=loss", "++trainer.sweep_metric=loss", "trainer.objective_x=1", "a=b"]
    expected = {"trainer": {"sweep_metric": "bits_per_byte", "epochs": 1}, "overrides": renamed}
    assert settings == expected
    migrate("config.yaml", settings, 1)
    assert settings == expected


def test_respelled_keys_are_found_wherever_they_stand() -> None:
    settings: dict[str, object] = {
        "model": {"licence": "mit", "name": "licence"},
        "dataset": {"sources": {"a": {"licence_note": "licence"}}, "licences": [{"licence": 1}]},
        "overrides": ["model.licence=mit", "dataset.sources.a.licence_note=x", "run_dir=licence"],
    }
    migrate("config.yaml", settings, 1)
    assert settings == {
        "model": {"license": "mit", "name": "licence"},
        "dataset": {"sources": {"a": {"license_note": "licence"}}, "licences": [{"license": 1}]},
        "overrides": ["model.license=mit", "dataset.sources.a.license_note=x", "run_dir=licence"],
    }


def test_todays_format_and_strange_content_stay_as_they_are() -> None:
    for number, values in ((FORMAT, {"objective": "loss"}), (1, {"trainer": [1]}), (1, {"trainer": None})):
        before = json.dumps(values)
        migrate("config.yaml" if number == 1 else "summary.json", values, number)
        assert json.dumps(values) == before


def test_its_settings_are_todays_and_the_file_stays_as_it_was(run: RunDir) -> None:
    before = run.config.read_bytes()
    record = RunRecord(run)
    assert record.format == 1
    assert build(TrainConfig, record.demand(dict, "settings")).trainer.sweep_metric == "bits_per_byte"
    assert record.summary["sweep_metric"] == "bits_per_byte"
    assert record.identity.title == "mistral (tiny) × rows × medical_qa"
    assert record.fingerprints.keys() == {"data", "split", "template", "tokenizer"}
    assert record.suites["heldout"]["asked"] == 2
    assert run.config.read_bytes() == before


def test_it_is_listed_and_compared(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "format=json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert (row["state"], row["model"], row["dataset"], row["steps"]) == ("finished", "mistral", "rows", 4)
    assert main(["compare"]) == 0
    [table] = Path("artifacts/compare").glob("*/comparison.csv")
    with table.open() as file:
        [line] = csv.DictReader(file)
    assert line["data_fingerprint"] == "3e311b190891f7bb"
    assert float(line["validation_loss"]) == pytest.approx(8.234172821)


def test_its_card_says_what_it_holds(run: RunDir) -> None:
    card = write_card(read_facts(run), "ward/rows", "adapter")
    for claim in (
        "mistral (tiny) × rows",
        "| LoRA rank | 2 |",
        "| steps | 4 |",
        "| heldout | loss",
    ):
        assert claim in card, claim


def test_it_merges(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["merge", f"run={RUN}"]) == 0
    assert "checked from disk" in capsys.readouterr().out
    assert (run.merged / "config.json").is_file()
    assert mapping(RunRecord(run).summary, "merge")["base_kind"] == "16-bit"
    assert RunRecord(run).summary["sweep_metric"] == "bits_per_byte"


def test_it_chats(run: RunDir) -> None:
    Path("q.jsonl").write_text('{"question": "What is gout?"}\n')
    assert main(["chat", f"run={RUN}", "questions=q.jsonl", "answers=a.jsonl", "max_new_tokens=4"]) == 0
    [answer] = map(json.loads, Path("a.jsonl").read_text().splitlines())
    assert 0 < answer["tokens"] <= 4 and "error" not in answer


def test_it_resumes_from_its_checkpoint_and_is_then_of_todays_format(run: RunDir, tmp_path: Path) -> None:
    """As if it had been killed between its checkpoint and its end. Rows are split by other rules today, the
    template words more tasks and the twin is another, so it is refused until the fingerprints agree."""
    run.summary.unlink()
    refused = medft("train", f"resume={RUN}", cwd=tmp_path)
    assert refused.returncode == 1
    assert "cannot be resumed: data and split and tokenizer and template changed" in refused.stderr
    ledger = read_json(run.ledger)
    ledger["fingerprints"] |= _of_today(tmp_path)
    write_json(run.ledger, ledger)
    done = medft("train", f"resume={RUN}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = read_rows(run.loss_csv)
    assert [int(row["step"]) for row in rows if row["split"] == "train"] == [1, 2, 3, 4]
    old = [float(row["loss"]) for row in rows if row["split"] == "train"][:2]
    assert old == pytest.approx([7.089291573, 7.188285351])
    record = RunRecord(run)
    assert (record.format, record.summary["steps"], run.state()) == (FORMAT, 4, "finished")
    assert "trainer.sweep_metric=bits_per_byte" in yaml.safe_load(run.config.read_text())["overrides"]


def _of_today(folder: Path) -> dict[str, str]:
    """The fingerprints of the same command line, run today."""
    changed = ("trainer.max_steps", "trainer.objective", "merge", "run_dir")
    words = yaml.safe_load((folder / RUN / "config.yaml").read_text())["overrides"]
    kept = [word for word in words if not word.startswith(changed)]
    now = folder / "today"
    done = medft("train", *kept, "merge=false", "trainer.max_steps=1", f"run_dir={now}", cwd=folder)
    assert done.returncode == 0, done.stderr
    return {k: str(v) for k, v in mapping(RunRecord(RunDir(now)).ledger, "fingerprints").items()}

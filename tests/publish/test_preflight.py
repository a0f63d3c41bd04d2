"""What must not be published is refused before anything is sent; where possible, before training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medft.errors import HubError, MedftError
from medft.models.tiny import MARK
from medft.publish.facts import read_facts
from medft.publish.preflight import (
    Access,
    check_terms,
    check_weights,
    preflight,
    refuse_twin,
    repositories,
)
from medft.runs import RunDir
from tests.support.hub_client import READ_TOKEN, WRITE_TOKEN, Client
from tests.support.hub_server import Hub
from tests.support.run_folder import MEDQUAD, MODELS, SECRET, SUMMARY, make_run


def check(
    run: RunDir, what: Any = "both", repo: str = "ward/net", private: bool = True, allow: Any = ()
) -> None:
    facts, targets = read_facts(run), repositories(repo, what, together=False)
    refuse_twin(facts)
    check_terms(facts, targets, Access(private, allow))
    check_weights(run, facts, targets)


def test_repositories() -> None:
    assert repositories("a/b", "both", together=False) == [("a/b", "merged"), ("a/b-adapter", "adapter")]
    assert repositories("a/b", "both", together=True) == [("a/b", "both")]
    assert repositories("a/b", "adapter", together=True) == [("a/b", "adapter")]


def test_a_good_run_passes(tmp_path: Path) -> None:
    check(make_run(tmp_path), private=False)


def mark_tiny(run: RunDir) -> RunDir:
    (run.merged / "config.json").write_text(json.dumps({MARK: True}))
    return run


def train_on_tiny(run: RunDir) -> RunDir:
    base = {"base_model_name_or_path": "/x/artifacts/tiny/mistral-tiny-0123456789ab/nf4"}
    (run.adapter / "adapter_config.json").write_text(json.dumps(base))
    return run


def rename_tiny(run: RunDir) -> RunDir:
    target = run.root.parent.with_name("mistral-tiny-sample-medical_qa")
    run.root.parent.rename(target)
    return RunDir(target / run.root.name)


def pickle_in(run: RunDir) -> RunDir:
    (run.merged / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    return run


def lose_shard(run: RunDir) -> RunDir:
    (run.merged / "model-00002-of-00002.safetensors").unlink()
    return run


def edit_config(run: RunDir) -> RunDir:
    (run.merged / "config.json").write_text("{}")
    return run


def flip_a_bit(run: RunDir) -> RunDir:
    path = run.merged / "model-00002-of-00002.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    return run


def add_a_file(run: RunDir) -> RunDir:
    (run.merged / "adapter_config.json").write_text("{}")
    return run


def lose_adapter(run: RunDir) -> RunDir:
    (run.adapter / "adapter_config.json").unlink()
    return run


def lose_summary(run: RunDir) -> RunDir:
    run.summary.unlink()
    return run


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (mark_tiny, "tiny twin"),
        (train_on_tiny, "tiny twin"),
        (rename_tiny, "tiny twin"),
        (pickle_in, "pickle"),
        (lose_shard, "shard"),
        (edit_config, "config.json changed since"),
        (flip_a_bit, "model-00002-of-00002.safetensors changed since"),
        (add_a_file, "adapter_config.json changed since"),
        (lose_adapter, "adapter_config"),
        (lose_summary, "not finished"),
    ],
)
def test_refused_folders(tmp_path: Path, change: Any, says: str) -> None:
    with pytest.raises(MedftError) as caught:
        check(change(make_run(tmp_path)))
    assert says in caught.value.what  # not in the path, which holds the name of the test
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("summary", "says"),
    [
        ({**SUMMARY, "scale": "tiny"}, "tiny twin"),
        ({**SUMMARY, "merge": None}, "no record"),
        ({**SUMMARY, "merge": {"base_kind": "16-bit"}}, "no record"),
        ({"scale": "full"}, "no record"),
    ],
)
def test_refused_summaries(tmp_path: Path, summary: Any, says: str) -> None:
    with pytest.raises(MedftError) as caught:
        check(make_run(tmp_path, summary=summary))
    assert says in caught.value.what


def test_an_adapter_needs_no_merge(tmp_path: Path) -> None:
    check(make_run(tmp_path, summary={"scale": "full"}), what="adapter")


@pytest.mark.parametrize("repo", ["ward/medical", "ward/my-Llama", "ward/llama-medical"])
def test_naming_rule(tmp_path: Path, repo: str) -> None:
    run = make_run(tmp_path, "llama3_1")
    with pytest.raises(MedftError, match="begin with 'Llama'") as caught:
        check(run, repo=repo)
    assert caught.value.remedy.startswith("repo=ward/Llama-")
    check(run, repo="ward/Llama-medical")


def test_credentialed_data_stays_private(tmp_path: Path) -> None:
    run = make_run(tmp_path, config={"model": MODELS["mistral"], "dataset": SECRET})
    with pytest.raises(MedftError, match="may not be redistributed"):
        check(run, private=False)
    check(run, private=True)


@pytest.mark.parametrize("license", ["unknown", "internal", "", "Proprietary, Klinikum X"])
def test_a_license_that_grants_nothing_stops_a_public_upload(tmp_path: Path, license: str) -> None:
    data = {**MEDQUAD, "license": license}
    run = make_run(tmp_path, config={"model": MODELS["mistral"], "dataset": data}, ledger=None)
    with pytest.raises(MedftError, match="grants no right") as caught:
        check(run, private=False)
    assert "medquad" in caught.value.where
    check(run, private=False, allow=("license",))
    check(run, private=True)


def test_data_that_nobody_searched_for_identifiers_stop_a_public_upload(tmp_path: Path) -> None:
    account = {"name": "medquad", "rows_in": 9, "identifiers": {"row_not_searched": 9}}
    config = {"model": MODELS["mistral"], "dataset": MEDQUAD}
    run = make_run(tmp_path, config=config, ledger={"sources": [account]})
    with pytest.raises(MedftError, match="not searched for personal identifiers") as caught:
        check(run, private=False)
    assert caught.value.where == "9 rows (dataset.phi=off)"
    check(run, private=False, allow=("identifiers",))


def test_identifiers_in_the_data_stop_a_public_upload(tmp_path: Path) -> None:
    account = {"name": "medquad", "rows_in": 9, "identifiers": {"date": 3, "email": 1}}
    config = {"model": MODELS["mistral"], "dataset": MEDQUAD}
    run = make_run(tmp_path, config=config, ledger={"sources": [account]})
    with pytest.raises(MedftError, match="identifiers") as caught:
        check(run, private=False)
    assert caught.value.where == "3 date, 1 email"
    check(run, private=False, allow=("identifiers",))
    check(run, private=True)
    redacted = {"model": MODELS["mistral"], "dataset": {**MEDQUAD, "phi": "redact"}}
    check(make_run(tmp_path / "b", config=redacted, ledger={"sources": [account]}), private=False)


def unfinished(root: Path, model: str = "mistral", scale: str = "full") -> RunDir:
    """What a run folder holds before its first step."""
    run = make_run(
        root, model, summary=None, ledger=None, loss_csv=None, scores=None,
        environment={"resolved": {"scale": scale}},
    )  # fmt: skip
    run.loss_png.unlink()
    return run


def test_before_training_everything_but_the_weights_is_asked(
    hub: Hub, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
    run = unfinished(tmp_path)
    preflight(read_facts(run), [("ward/net", "both")], Access(True))
    assert hub.count("POST|PUT") == 0
    with pytest.raises(HubError, match="cannot write to 'other'"):
        preflight(read_facts(run), [("other/net", "both")], Access(True))
    monkeypatch.setenv("HF_TOKEN", READ_TOKEN)
    with pytest.raises(HubError, match="read-only token"):
        preflight(read_facts(run), [("guest/net", "both")], Access(True))
    with pytest.raises(MedftError, match="not finished"):
        check_weights(run, read_facts(run), [("ward/net", "both")])


@pytest.mark.parametrize(
    ("model", "scale", "repo", "says"),
    [
        ("mistral", "tiny", "ward/net", "tiny twin"),
        ("llama3_1", "full", "ward/net", "begin with 'Llama'"),
        ("mistral", "full", "net", "not a hub id"),
    ],
)
def test_before_training_refusals_reach_no_hub(
    hub: Hub, tmp_path: Path, model: str, scale: str, repo: str, says: str
) -> None:
    run = unfinished(tmp_path, model, scale)
    with pytest.raises(MedftError, match=says):
        preflight(read_facts(run), [(repo, "adapter")], Access(True))
    assert hub.requests == []

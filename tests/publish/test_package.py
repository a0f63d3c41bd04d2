"""What is handed on: exactly the right files, none of this machine's paths, and nothing that must not be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medft.errors import MedftError
from medft.models.tiny import MARK
from medft.publish.facts import read_facts
from medft.publish.package import check_run, repositories, stage
from medft.runs import RunDir
from tests.support.run_folder import MEDQUAD, MODELS, SUMMARY, make_run


def check(run: RunDir, what: Any = "both", repo: str = "ward/net", private: bool = True) -> None:
    check_run(run, read_facts(run), repositories(repo, what, together=False), private)


def test_repositories() -> None:
    assert repositories("a/b", "both", together=False) == [("a/b", "merged"), ("a/b-adapter", "adapter")]
    assert repositories("a/b", "both", together=True) == [("a/b", "both")]
    assert repositories("a/b", "adapter", together=True) == [("a/b", "adapter")]


def test_a_good_run_passes(tmp_path: Path) -> None:
    check(make_run(tmp_path), private=False)


def test_staged_files(tmp_path: Path) -> None:
    run = make_run(tmp_path, "gemma")
    (run.merged / "notes.xlsx").write_bytes(b"x")
    facts = read_facts(run)
    merged = stage(run, facts, ("ward/net", "merged"), tmp_path / "upload")
    assert merged.folder == tmp_path / "upload" / "ward--net"
    assert {name for name, _ in merged.files} == {
        "README.md", "NOTICE", "loss.png", "config.json", "generation_config.json", "tokenizer_config.json",
        "model.safetensors.index.json", "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    }  # fmt: skip
    assert merged.left_out == ("merged/notes.xlsx",)
    assert any("LICENSE" in notice for notice in merged.notices)
    assert merged.bytes == sum(path.stat().st_size for path in merged.folder.iterdir())
    both = stage(run, facts, ("ward/net", "both"), tmp_path / "upload")
    names = {name for name, _ in both.files}
    assert {"README.md", "adapter/adapter_model.safetensors", "merged/config.json"} <= names
    assert "adapter/README.md" not in names  # peft's own card


@pytest.mark.parametrize("kind", ["adapter", "merged", "both"])
def test_no_local_path_travels(tmp_path: Path, kind: Any) -> None:
    run = make_run(tmp_path)
    package = stage(run, read_facts(run), ("ward/net", kind), tmp_path / "upload")
    for name, _ in package.files:
        content = (package.folder / name).read_bytes()
        assert b"/home/ward" not in content, name
        assert str(tmp_path).encode() not in content, name
    if kind == "adapter":
        settings = json.loads((package.folder / "adapter_config.json").read_text())
        assert settings["base_model_name_or_path"] == MODELS["mistral"]["base_16bit"]
    assert "/home/ward" in (run.adapter / "adapter_config.json").read_text()  # the run itself is left alone


def test_weights_are_linked_not_copied(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    package = stage(run, read_facts(run), ("ward/net", "adapter"), tmp_path / "upload")
    name = "adapter_model.safetensors"
    assert (package.folder / name).samefile(run.adapter / name)


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
    with pytest.raises(MedftError, match="begins with 'Llama'") as caught:
        check(run, repo=repo)
    assert caught.value.remedy.startswith("repo=ward/Llama-")
    check(run, repo="ward/Llama-medical")


def test_credentialed_data_stays_private(tmp_path: Path) -> None:
    secret = {**MEDQUAD, "licence": "PhysioNet Credentialed", "licence_note": "Never redistribute."}
    run = make_run(tmp_path, config={"model": MODELS["mistral"], "dataset": secret})
    with pytest.raises(MedftError, match="must not be passed on"):
        check(run, private=False)
    check(run, private=True)
    package = stage(run, read_facts(run), ("ward/net", "merged"), tmp_path / "upload")
    assert any("must not be passed on" in notice for notice in package.notices)


def test_a_link_that_leads_out_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (tmp_path / "secret.txt").write_text("secret")
    (run.merged / "stolen.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(MedftError, match="leads out"):
        stage(run, read_facts(run), ("ward/net", "merged"), tmp_path / "upload")
    assert list((tmp_path / "upload").iterdir()) == []

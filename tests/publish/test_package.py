"""What is handed on: exactly the right files, none of this machine's paths, nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medft.errors import MedftError
from medft.publish.facts import read_facts
from medft.publish.package import stage
from tests.support.run_folder import MODELS, SECRET, make_run


def test_staged_files(tmp_path: Path) -> None:
    run = make_run(tmp_path, "gemma")
    (run.merged / "notes.xlsx").write_bytes(b"x")
    for folder in (run.adapter, run.merged):
        for name in ("secrets.json", "notes.txt", ".env", "training_args.json"):
            (folder / name).write_text("hf_secret")
    facts = read_facts(run)
    merged = stage(run, facts, ("ward/net", "merged"), tmp_path / "upload")
    assert merged.folder == tmp_path / "upload" / "ward--net"
    assert {name for name, _ in merged.files} == {
        "README.md", "NOTICE", "loss.png", "config.json", "generation_config.json", "tokenizer_config.json",
        "model.safetensors.index.json", "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    }  # fmt: skip
    strangers = (".env", "notes.txt", "notes.xlsx", "secrets.json", "training_args.json")
    assert merged.left_out == tuple(f"merged/{name}" for name in strangers)
    assert any("LICENSE" in notice for notice in merged.notices)
    assert merged.bytes == sum(path.stat().st_size for path in merged.folder.iterdir())
    both = stage(run, facts, ("ward/net", "both"), tmp_path / "upload")
    names = {name for name, _ in both.files}
    assert {"README.md", "adapter/adapter_model.safetensors", "merged/config.json"} <= names
    assert "adapter/README.md" not in names  # peft's own card
    assert not any(name.endswith(strangers) for name in names)


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


def test_credentialed_data_is_noticed(tmp_path: Path) -> None:
    run = make_run(tmp_path, config={"model": MODELS["mistral"], "dataset": SECRET})
    package = stage(run, read_facts(run), ("ward/net", "merged"), tmp_path / "upload")
    assert any("may not be redistributed" in notice for notice in package.notices)


def test_a_license_travels_along(tmp_path: Path) -> None:
    run = make_run(tmp_path)  # mistral: Apache-2.0, whose text ships
    package = stage(run, read_facts(run), ("ward/net", "merged"), tmp_path / "upload")
    assert "Apache License" in (package.folder / "LICENSE").read_text()
    assert not any("copy of its text" in notice for notice in package.notices)
    gemma = make_run(tmp_path / "gemma", "gemma")
    (gemma.root / "LICENSE").write_text("Gemma's terms, saved by the sender")
    package = stage(gemma, read_facts(gemma), ("ward/net", "adapter"), tmp_path / "upload")
    assert (package.folder / "LICENSE").read_text() == "Gemma's terms, saved by the sender"
    assert not any("copy of its text" in notice for notice in package.notices)


def test_a_link_that_leads_out_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (tmp_path / "secret.txt").write_text("secret")
    (run.merged / "LICENSE").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(MedftError, match="link to outside"):
        stage(run, read_facts(run), ("ward/net", "merged"), tmp_path / "upload")
    assert list((tmp_path / "upload").iterdir()) == []

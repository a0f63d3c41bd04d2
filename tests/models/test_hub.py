"""medft.models.hub against the real huggingface_hub client and a small real hub server."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import load_file, save

from medft.errors import EngineError, HubError
from medft.models.folder import check_checkpoint
from medft.models.hub import check_access, fetch
from tests.support.hub_client import READ_TOKEN, WRITE_TOKEN, Client
from tests.support.hub_server import DROP, Hub

WEIGHTS = {"w": numpy.arange(60000, dtype=numpy.float32)}


def checkpoint() -> dict[str, bytes]:
    return {
        "config.json": b'{"model_type": "llama"}',
        "tokenizer_config.json": b"{}",
        "model.safetensors": save(WEIGHTS),
        "pytorch_model.bin": b"a pickle",
        "original/consolidated.00.pth": b"a pickle",
        "consolidated.safetensors": b"the same weights again",
        "README.md": b"# card",
    }


def test_fetch_takes_safetensors_and_text_and_no_pickle(hub: Hub, client: Client) -> None:
    hub.store.add("ward/net", checkpoint())
    folder = fetch("ward/net")
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "tokenizer_config.json",
        "model.safetensors",
    }
    assert (load_file(folder / "model.safetensors")["w"] == WEIGHTS["w"]).all()
    assert hub.count("pytorch_model|original|consolidated|README") == 0


def test_a_pinned_revision_is_what_arrives(hub: Hub, client: Client) -> None:
    repo = hub.store.add("ward/net", checkpoint())
    first = repo.head.sha
    repo.commit({**repo.head.files, "config.json": b'{"model_type": "gemma"}'}, repo.head.lfs)
    assert json.loads((fetch("ward/net", first) / "config.json").read_text())["model_type"] == "llama"
    assert json.loads((fetch("ward/net") / "config.json").read_text())["model_type"] == "gemma"


def test_a_dropped_download_continues_where_it_broke(hub: Hub, client: Client) -> None:
    hub.store.add("ward/net", checkpoint())
    hub.fail("GET /ward/net/resolve/.*/model.safetensors", DROP)
    folder = fetch("ward/net")
    assert (load_file(folder / "model.safetensors")["w"] == WEIGHTS["w"]).all()
    assert hub.count("GET .*model.safetensors") == 2


def test_cached_folder_serves_offline_and_nothing_else_does(
    hub: Hub, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    hub.store.add("ward/net", checkpoint())
    online = fetch("ward/net")
    asked = len(hub.requests)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch("ward/net") == online
    with pytest.raises(HubError, match="turned off") as caught:
        fetch("ward/other")
    assert "HF_HUB_OFFLINE" in caught.value.remedy
    check_access("ward/other")
    assert len(hub.requests) == asked


@pytest.mark.parametrize("token", ["", READ_TOKEN])
def test_gated_says_where_to_accept(
    hub: Hub, client: Client, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    hub.store.add("meta/net", checkpoint(), gated=True)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    for act in (fetch, check_access):
        with pytest.raises(HubError, match="gated") as caught:
            act("meta/net")
        assert f"{hub.url}/meta/net" in caught.value.remedy
        assert "hf auth login" in caught.value.remedy
        assert caught.value.__cause__ is None
        assert not token or token not in str(caught.value)


def test_an_accepted_license_opens_it(hub: Hub, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.store.add("meta/net", checkpoint(), gated=True)
    monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
    check_access("meta/net")
    assert fetch("meta/net").is_dir()


def test_a_misspelt_repository_gets_a_suggestion(hub: Hub, client: Client) -> None:
    hub.store.add("unsloth/mistral-7b", checkpoint())
    with pytest.raises(HubError, match=r"Did you mean 'unsloth/mistral-7b'\?"):
        fetch("unslot/mistral-7b")
    with pytest.raises(HubError, match="no repository 'no/such'") as caught:
        fetch("no/such")
    assert "Did you mean" not in caught.value.what


def test_missing_revision(hub: Hub, client: Client) -> None:
    hub.store.add("ward/net", checkpoint())
    with pytest.raises(HubError, match="no revision 'v9'"):
        fetch("ward/net", "v9")


def test_not_a_hub_id(client: Client) -> None:
    with pytest.raises(HubError, match="not a hub id"):
        fetch("owner/with space")
    with pytest.raises(EngineError, match="no folder"):
        fetch("./missing/folder")


@pytest.mark.parametrize(
    ("status", "says"), [(401, "refused|private"), (403, "refused"), (429, "too many"), (500, "status 500")]
)
def test_error_answers(hub: Hub, client: Client, status: int, says: str) -> None:
    hub.store.add("ward/net", checkpoint())
    hub.fail("GET /api/models/ward/net", status, times=99)
    with pytest.raises(HubError, match=says):
        fetch("ward/net")


def test_unreachable(hub: Hub, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    for act in (fetch, check_access):
        with pytest.raises(HubError, match="cannot be reached") as caught:
            act("ward/net")
        assert "HF_ENDPOINT" in caught.value.remedy


@pytest.mark.parametrize(("code", "says"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "cannot be used")])
def test_the_disk(hub: Hub, client: Client, monkeypatch: pytest.MonkeyPatch, code: int, says: str) -> None:
    from huggingface_hub import file_download

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, "no")

    hub.store.add("ward/net", checkpoint())
    monkeypatch.setattr(file_download, "http_get", refuse)  # the only way to fill a disk in a test
    with pytest.raises(HubError, match=says) as caught:
        fetch("ward/net")
    assert "HF_HOME" in caught.value.remedy


def folder_of(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def test_a_local_folder_is_returned_as_it_is(tmp_path: Path) -> None:
    assert fetch(str(folder_of(tmp_path, checkpoint()))) == tmp_path


@pytest.mark.parametrize("what", ["model", "adapter"])
def test_pickled_weights_are_refused(tmp_path: Path, what: str) -> None:
    names = {
        "model": ("config.json", "pytorch_model.bin"),
        "adapter": ("adapter_config.json", "adapter_model.bin"),
    }
    folder_of(tmp_path, {names[what][0]: b"{}", names[what][1]: b"\x80\x04."})
    with pytest.raises(EngineError) as caught:
        check_checkpoint(tmp_path, what)  # type: ignore[arg-type]
    assert "only as pickle" in caught.value.what
    assert names[what][1] in caught.value.where


def test_pickled_weights_on_the_hub_are_not_even_fetched(hub: Hub, client: Client) -> None:
    hub.store.add("ward/old", {"config.json": b"{}", "pytorch_model.bin": b"\x80\x04."})
    with pytest.raises(EngineError, match="no safetensors"):
        fetch("ward/old")
    assert hub.count("pytorch_model") == 0


def test_not_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"config\.json is missing"):
        fetch(str(tmp_path))


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ({"weight_map": {"w": "model-00002-of-00002.safetensors"}}, "missing"),
        ({"weight_map": {"w": "../../secret.safetensors"}}, "outside"),
        ({}, "damaged"),
    ],
)
def test_shards(tmp_path: Path, index: dict[str, object], says: str) -> None:
    folder_of(tmp_path, {"config.json": b"{}", "model-00001-of-00002.safetensors": b""})
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(EngineError) as caught:
        fetch(str(tmp_path))
    assert says in caught.value.what  # not in the path, which holds the name of the test


READERS = """
import json
from datasets import load_dataset

rows = {name: load_dataset(f"ward/{name}", split="train").to_list() for name in ("jsonl", "csv", "parquet")}
print(json.dumps([rows, load_dataset("ward/configured", "second", split="test").to_list()]))
"""


def test_data_sets_load_through_the_hub(hub: Hub, tmp_path: Path) -> None:
    """The datasets library itself, in a process of its own: it reads HF_ENDPOINT when it is imported."""
    import pandas

    table = pandas.DataFrame({"question": ["What is gout?", "Is it rare?"], "answer": ["Arthritis.", "No."]})
    lines = table.to_json(orient="records", lines=True).encode()
    card = b"---\nconfigs:\n- config_name: second\n  data_files:\n  - {split: test, path: b/*.jsonl}\n---\n"
    hub.store.add("ward/jsonl", {"train.jsonl": lines}, "dataset")
    hub.store.add("ward/csv", {"data/train.csv": table.to_csv(index=False).encode()}, "dataset")
    hub.store.add("ward/parquet", {"data/train-00000-of-00001.parquet": table.to_parquet()}, "dataset")
    hub.store.add("ward/configured", {"README.md": card, "b/x.jsonl": lines}, "dataset")
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", READERS], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows, configured = json.loads(done.stdout.splitlines()[-1])
    expected = table.to_dict("records")
    assert rows == {"jsonl": expected, "csv": expected, "parquet": expected}
    assert configured == expected


def test_a_model_loads_through_the_hub(hub: Hub, client: Client, tmp_path: Path) -> None:
    """A real model of one layer, saved, served, fetched and loaded: the same weights."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    shape = {"hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1}
    made = LlamaForCausalLM(LlamaConfig(vocab_size=100, **shape))
    made.save_pretrained(tmp_path / "net")
    hub.store.add("ward/net", {path.name: path.read_bytes() for path in (tmp_path / "net").iterdir()})
    loaded = AutoModelForCausalLM.from_pretrained(fetch("ward/net"), use_safetensors=True)
    for name, tensor in made.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])


@pytest.mark.parametrize("name", ["./nothere", "../x/y", "/a/b/c", "~/none", "a/b/c"])
def test_a_folder_that_is_not_there_is_no_question_for_the_hub(name: str, hub: Hub, client: Client) -> None:
    for ask in (fetch, check_access):
        with pytest.raises(EngineError, match=f"there is no folder '{name}'"):
            ask(name)

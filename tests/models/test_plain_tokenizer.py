"""The tokenizer for counting does what transformers does, for every shipped family, and knows where it would
not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medft.models import families, plain_tokenizer
from medft.models.tokenizer import load, stop_ids

TEXTS = [
    "What is asthma?",
    " 38.5 °C, β-blocker ≥ 2\n\n\tpuffs",
    "천식이란 무엇인가요? 天",
    "</s><s>[INST] <eos> x",
    "",
]
TALK = [
    {"role": "user", "content": "Hi {{ x }}"},
    {"role": "assistant", "content": "Yes.\n"},
    {"role": "user", "content": "And?"},
]


@pytest.mark.parametrize("family", families.names())
def test_it_is_the_tokenizer_that_transformers_makes(family: str) -> None:
    folder = families.folder_of(family)
    plain, real = load(folder, counting=True), load(folder)
    assert isinstance(plain, plain_tokenizer.PlainTokenizer) and not isinstance(
        real, plain_tokenizer.PlainTokenizer
    )
    for text in TEXTS:
        ids = real.encode(text, add_special_tokens=False)
        assert plain.encode(text, add_special_tokens=False) == ids
        assert plain.backend_tokenizer.decode(ids) == real.backend_tokenizer.decode(ids)
    for prompt in (False, True):
        written = [
            t.apply_chat_template(TALK[:3], tokenize=False, add_generation_prompt=prompt)
            for t in (plain, real)
        ]
        assert written[0] == written[1]
    assert stop_ids(plain, folder) == stop_ids(real, folder)
    for name in ("pad_token", "pad_token_id", "bos_token_id", "eos_token_id", "unk_token", "chat_template"):
        assert getattr(plain, name) == getattr(real, name), name
    assert len(plain) == len(real) and plain.get_vocab() == real.get_vocab()
    assert set(plain.all_special_ids) <= set(real.all_special_ids)


def test_rules_that_transformers_would_rebuild_are_left_to_it(tmp_path: Path) -> None:
    families.copy_tokenizer("llama2", tmp_path)
    assert plain_tokenizer.read(tmp_path)
    spec = json.loads((tmp_path / "tokenizer.json").read_text())
    spec["pre_tokenizer"], spec["normalizer"] = None, {"type": "Prepend", "prepend": "▁"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec))
    assert plain_tokenizer.read(tmp_path) is None
    (tmp_path / "tokenizer.json").unlink()
    assert plain_tokenizer.read(tmp_path) is None


def test_a_template_that_refuses_is_heard(tmp_path: Path) -> None:
    from medft.errors import PromptError

    shutil.copytree(families.folder_of("gemma"), tmp_path / "t")
    (tmp_path / "t" / "chat_template.jinja").write_text("{{ raise_exception('no system') }}")
    tokenizer = plain_tokenizer.read(tmp_path / "t")
    assert tokenizer
    with pytest.raises(PromptError, match="no system"):
        tokenizer.apply_chat_template(TALK[:1], tokenize=False)


def test_prepare_needs_neither_torch_nor_transformers(tmp_path: Path) -> None:
    code = (
        "import sys; from medft.cli import main\n"
        f"code = main(['prepare', 'dataset=sample', 'model.base=nobody/nothing', 'artifacts={tmp_path}', "
        f"'processed={tmp_path}/p', 'show=1'])\n"
        "print(code, [n for n in ('torch', 'transformers', 'datasets') if n in sys.modules])\n"
        "print(int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *_, state, megabytes = done.stdout.split("\n")[:-1]
    assert state == "0 []"
    assert int(megabytes) < 400
    assert "ok    one BOS" in done.stdout

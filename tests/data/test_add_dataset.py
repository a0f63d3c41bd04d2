"""The recipe "add a data set" of CONTRIBUTING.md, followed to the letter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medft.cli import main

WARD = """\
name: ward
license: CC-BY-4.0
reader: csv
path: {path}
columns: {{id: nr, question: asked, answer: answered, group: topic}}
"""


def test_a_yaml_file_of_ones_own_is_a_data_set(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = [f'{n},What is disease {n}?,"Word{n}, rest and a visit.",topic {n // 2}\n' for n in range(40)]
    (tmp_path / "ward.csv").write_text("nr,asked,answered,topic\n" + "".join(rows), encoding="utf-8")
    own = tmp_path / "conf" / "dataset"
    own.mkdir(parents=True)
    (own / "ward.yaml").write_text(WARD.format(path=tmp_path / "ward.csv"), encoding="utf-8")
    where = [f"artifacts={tmp_path / 'a'}", f"processed={tmp_path / 'p'}"]
    no_tokenizer = ["model=custom", "model.base=nobody/nothing"]
    command = ["prepare", "--config-dir", str(own.parent), "dataset=ward", *no_tokenizer, *where]
    assert main([*command, "dataset.limit=30"]) == 0
    assert " 40 in -> " in capfd.readouterr().out
    (folder,) = (tmp_path / "p").glob("ward-*")
    ledger = json.loads((folder / "ledger.json").read_text())
    assert ledger["totals"]["dropped"] == {"not_drawn": 10}
    (source,) = ledger["sources"]
    assert (source["name"], source["license"]) == ("ward", "CC-BY-4.0")
    assert ledger["figures"]["rows_with_a_group"] == 30

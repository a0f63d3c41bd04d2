from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from medft.cli import main
from medft.compose import group_options, settings
from medft.errors import ConfigError
from medft.machine import Gpu, Machine
from medft.verbs import list as verb
from tests.support.architectures import shape_of

NO_GPU = Machine(gpus=(), cpu_cores=2, ram_total=16 * 10**9, ram_available=16 * 10**9)
GROUPS = ("models", "datasets", "templates", "trainers", "suites", "experiments", "studies")
FOLDERS = {"studies": "study"}


def with_gpu(gigabytes: int) -> Machine:
    memory = gigabytes * 10**9
    return replace(NO_GPU, gpus=(Gpu("one", memory, memory, (8, 0)),))


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["list", *words]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("group", GROUPS)
def test_a_line_for_every_file_with_its_reason(capsys: pytest.CaptureFixture[str], group: str) -> None:
    lines = listed(capsys, group)[1:]
    assert sorted(line.split()[0] for line in lines) == group_options()[FOLDERS.get(group, group[:-1])]
    assert all(re.search(r"[A-Z].*([.:]|=<.*>|=FILE)( Examples:)?$", line) for line in lines)


def test_alone_it_says_what_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split() for line in listed(capsys)[1:]]
    assert [row[0] for row in rows] == list(GROUPS)
    assert [int(row[1]) for row in rows] == [
        len(group_options()[FOLDERS.get(name, name[:-1])]) for name in GROUPS
    ]


def test_models_have_size_license_context_and_come_smallest_first(capsys: pytest.CaptureFixture[str]) -> None:
    lines = listed(capsys, "models")
    [mistral] = [line for line in lines if line.startswith("mistral ")]
    assert mistral.split()[:4] == ["mistral", "7.24B", "apache-2.0", "32k"]
    assert lines[1].startswith("smollm2 ")
    names = [line.split()[0] for line in lines]
    assert (
        names.index("qwen3_0_6b")
        < names.index("qwen3_4b")
        < names.index("llama3_3_70b")
        < names.index("custom")
    )


@pytest.mark.parametrize(
    ("model", "machine", "expected"),
    [
        ("smollm2", NO_GPU, "in 16 bits"),
        ("qwen3_1_7b", NO_GPU, "in 16 bits, slowly"),
        ("mistral", NO_GPU, "in 4 bits, slowly"),
        ("mistral", with_gpu(8), "in 4 bits"),
        ("mistral", with_gpu(80), "in 16 bits"),
        ("qwen3_14b", with_gpu(16), "in 4 bits"),
        ("llama3_3_70b", with_gpu(80), "in 4 bits"),
    ],
)
def test_what_fits_by_the_plans_formula(model: str, machine: Machine, expected: str) -> None:
    assert verb.here(shape_of(model), 8192, machine) == expected


def test_what_does_not_fit_says_what_it_needs() -> None:
    needs = re.fullmatch(r"no: needs (\S+) GB", verb.here(shape_of("llama3_3_70b"), 8192, with_gpu(24)))
    assert needs and 40 < float(needs[1]) < 50
    assert verb.here(None, None, NO_GPU) == "-"


def test_a_misspelt_list_is_corrected(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'models'"):
        settings("list", ["modls"])
    with pytest.raises(ConfigError, match="one list at a time"):
        settings("list", ["models", "datasets"])


def test_files_of_ones_own_are_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "ours.yaml").write_text("# The clinic's own.\nname: ours\nbase: a/b\n")
    [ours] = [line for line in listed(capsys, "models", "--config-dir", str(tmp_path)) if "ours" in line]
    assert ours.split() == ["ours", "-", "-", "-", "-", "The", "clinic's", "own."]


def test_it_imports_no_library_of_training() -> None:
    code = (
        "import sys; from medft.cli import main; main(['list', 'models']);"
        "assert not {'torch', 'transformers', 'peft', 'trl', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)

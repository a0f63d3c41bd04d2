"""medft export format=vllm: what vLLM is told, and what it is not asked to serve."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from medft.errors import ConfigError, PromptError
from medft.files import read_json, write_json
from medft.models import tokenizer_files
from medft.models.tiny import twin
from medft.models.tokenizer import load
from medft.runs import RunDir
from medft.verbs.export import ExportConfig
from medft.verbs.export import run as export
from tests.support.trained_run import make_run

DOCUMENTED = Path(__file__).parents[1] / "fixtures" / "vllm_serve_options.json"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDir, RunDir]:
    """Two adapters on one twin, each with its tokenizer as training leaves it."""
    folder = tmp_path_factory.mktemp("runs")
    made = tuple(make_run(folder, f"20261121-{hour}1500", seed=hour) for hour in (10, 11))
    base = twin("mistral", folder / "tiny").bits16
    for run in made:
        tokenizer_files.save(load(base), base, run.adapter)
    return made[0], made[1]


@pytest.fixture(scope="module")
def exported(runs: tuple[RunDir, RunDir]) -> Path:
    export(ExportConfig(run=tuple(str(run.root) for run in runs), format="vllm"))
    return runs[0].root / "export" / "vllm"


def words(exported: Path) -> list[str]:
    """What serve.sh gives to vLLM."""
    first, line = (exported / "serve.sh").read_text().splitlines()
    assert first == "#!/bin/sh"
    command = shlex.split(line)
    assert (command[:3], command[-1]) == (["exec", "vllm", "serve"], "$@")
    return command[3:-1]


def test_one_base_serves_both_adapters(exported: Path, runs: tuple[RunDir, RunDir]) -> None:
    given = words(exported)
    base = Path(given[0])
    assert (base / "model.safetensors").is_file()
    modules = [json.loads(word) for word in given if word.startswith("{")]
    assert modules == json.loads((exported / "lora_modules.json").read_text())
    assert [Path(module["path"]) for module in modules] == [run.adapter for run in runs]
    assert len({module["name"] for module in modules}) == 2
    assert {module["base_model_name"] for module in modules} == {
        given[given.index("--served-model-name") + 1]
    }
    assert given[given.index("--max-lora-rank") + 1] == "8"  # the least of vLLM's that holds rank 4
    assert given[given.index("--host") + 1] == "127.0.0.1"


def test_the_server_is_asked_and_stops_as_in_training(exported: Path, runs: tuple[RunDir, RunDir]) -> None:
    given = words(exported)
    template = Path(given[given.index("--chat-template") + 1])
    assert template.read_text() == load(runs[0].adapter).chat_template
    generation = Path(given[given.index("--generation-config") + 1]) / "generation_config.json"
    assert read_json(generation)["eos_token_id"] == load(runs[0].adapter).eos_token_id


def test_every_option_is_one_of_vllms(exported: Path) -> None:
    """As its own parser lists them, in the version that the file names."""
    options = {word for word in words(exported) if word.startswith("--")}
    assert len(options) == 8 and options <= set(read_json(DOCUMENTED)["options"])


def test_vllms_own_parser_reads_the_command(exported: Path) -> None:
    pytest.importorskip("vllm", reason="NOT TESTED against vLLM's own parser: it is not installed here")
    from vllm.entrypoints.common.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    read = make_arg_parser(FlexibleArgumentParser()).parse_args(words(exported))
    assert read.enable_lora and read.max_loras == 2 == len(read.lora_modules)
    assert all(Path(module.path).is_dir() for module in read.lora_modules)


def test_another_chat_template_needs_a_server_of_its_own(runs: tuple[RunDir, RunDir]) -> None:
    place = runs[1].adapter / "chat_template.jinja"
    before = place.read_text()
    place.write_text(before.replace("[INST]", "[ASK]"))
    try:
        with pytest.raises(PromptError, match="other token ids than in training"):
            export(ExportConfig(run=tuple(str(run.root) for run in runs), format="vllm"))
    finally:
        place.write_text(before)


@pytest.mark.parametrize("change", [{"use_dora": True}, {"modules_to_save": ["lm_head"]}, {"r": 1024}])
def test_an_adapter_that_vllm_cannot_hold_is_refused(
    runs: tuple[RunDir, RunDir], change: dict[str, object]
) -> None:
    place = runs[1].adapter / "adapter_config.json"
    before = read_json(place)
    write_json(place, before | change)
    try:
        with pytest.raises(ConfigError, match="vLLM does not serve an adapter with") as refused:
            export(ExportConfig(run=str(runs[1].root), format="vllm"))
    finally:
        write_json(place, before)
    assert str(runs[1].merged) in refused.value.remedy


def test_other_formats_take_one_run(runs: tuple[RunDir, RunDir]) -> None:
    with pytest.raises(ConfigError, match="takes one run, not 2"):
        export(ExportConfig(run=tuple(str(run.root) for run in runs), format="ollama"))

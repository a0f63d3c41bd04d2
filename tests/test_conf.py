"""Every file under conf/ composes and builds."""

from pathlib import Path

import pytest

from medft.cli import VERBS
from medft.compose import group_options, settings
from medft.errors import ConfigError, EngineError, MedftError
from medft.machine import Machine
from medft.paths import conf_dir
from medft.plan.resolve import resolve

FILES = [path for path in sorted(conf_dir().rglob("*.yaml")) if path.parent.name != "base"]
NEEDED = {  # what a user must name, for files that cannot have a default
    "model/custom": ["model.base=somebody/model"],
    "dataset/csv": ["dataset.path=x.csv"],
    "dataset/jsonl": ["dataset.path=x.jsonl"],
    "dataset/parquet": ["dataset.path=x.parquet"],
    "upload": ["repo=somebody/model"],
}


def test_there_are_files() -> None:
    assert len(FILES) > 30


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(conf_dir()).with_suffix("")))
def test_every_file_composes_and_builds(path: Path) -> None:
    name = str(path.relative_to(conf_dir()).with_suffix(""))
    group, _, option = name.rpartition("/")
    if not group:
        assert name in VERBS, f"conf/{name}.yaml belongs to no command"
        assert settings(name, NEEDED.get(name, []))
        return
    overrides = [f"{group}={option}", *NEEDED.get(name, [])]
    if group in ("dataset", "template"):  # one of the other that suits it
        overrides.append(_partner("template" if group == "dataset" else "dataset", overrides))
    assert settings(_verb_with(group), overrides)


@pytest.mark.parametrize(
    "path", sorted(conf_dir().rglob("base/*.yaml")), ids=lambda path: path.parent.parent.name
)
def test_shared_parts_are_used(path: Path) -> None:
    users = [file for file in path.parent.parent.glob("*.yaml") if f"base/{path.stem}" in file.read_text()]
    assert users, f"nothing uses {path}"


def test_experiments_compose_for_every_family() -> None:
    for experiment in group_options()["experiment"]:
        for model in ("gemma", "llama2", "mistral", "llama3_1"):
            built = settings("train", [f"experiment={experiment}", f"model={model}"])
            assert built.model.name == model


def _verb_with(group: str) -> str:
    texts = {path.stem: path.read_text(encoding="utf-8") for path in conf_dir().glob("*.yaml")}
    verbs = [verb for verb, text in texts.items() if f"- {group}:" in text or f"optional {group}:" in text]
    assert verbs, f"no command uses the group conf/{group}"
    return "train" if "train" in verbs else verbs[0]


def _partner(group: str, overrides: list[str]) -> str:
    for option in group_options()[group]:
        try:
            settings("train", [*overrides, f"{group}={option}"])
        except MedftError:
            continue
        return f"{group}={option}"
    raise AssertionError(f"no {group} goes with {overrides}")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["model=mistrl"], "unknown model 'mistrl'. Did you mean 'mistral'?"),
        (["model=phi4"], "any other: model=custom model.base=<hub id or folder>"),
        (["dataset=sampel"], "unknown dataset 'sampel'. Did you mean 'sample'?"),
        (["template=medical_q"], "unknown template 'medical_q'. Did you mean 'medical_qa'?"),
        (
            ["trainer.learning_rat=1"],
            "unknown setting 'trainer.learning_rat'. Did you mean 'trainer.learning_rate'?",
        ),
        (
            ["+trainer.learning_rat=1"],
            "unknown setting 'trainer.learning_rat'. Did you mean 'trainer.learning_rate'?",
        ),
        (["+lora.rank.x=1"], "unknown setting 'lora.rank'"),
        (["modl=mistral"], "unknown setting 'modl'. Did you mean 'model'?"),
        (["trainer.max_steps=many"], "'trainer.max_steps' must be a whole number, not 'many'"),
        (["trainer.max_steps=0"], "'trainer.max_steps' must be above 0"),
        (["trainer.packing=true", "trainer.group_by_length=true"], "contradict each other"),
        (["scale=huge"], "unknown scale 'huge'"),
        (["model=custom"], "model.base"),
        (["lora.r=0"], "'lora.r' must be at least 1"),
        (["trainer.max_steps=["], "the command cannot be read"),
    ],
)
def test_a_wrong_command_names_the_key(overrides: list[str], expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        settings("train", overrides)
    assert expected in str(error.value)


@pytest.mark.parametrize("wanted", [["scale=full"], ["engine=unsloth"]])
def test_what_needs_a_gpu_is_refused_without_one(wanted: list[str]) -> None:
    built = settings("train", wanted)
    nothing = Machine(gpus=(), cpu_cores=2, ram_total=1, ram_available=1)
    with pytest.raises(EngineError) as error:
        resolve(built.model, built.engine, built.scale, nothing)
    assert error.value.remedy

"""Every file under conf/ composes and builds."""

import re

import pytest
import yaml

from medft.cli import VERBS
from medft.compose import compose, group_options, settings
from medft.config import build
from medft.errors import ConfigError, EngineError
from medft.machine import Machine
from medft.paths import conf_dir
from medft.plan.resolve import resolve
from medft.study.cells import cells
from medft.verbs.train_config import TrainConfig

FILES = sorted(conf_dir().rglob("*.yaml"))
GROUPS = group_options()
NEEDED = {  # what a user must name, for files that cannot have a default
    "model=custom": ["model.base=somebody/model"],
    "dataset=csv": ["dataset.path=x.csv"],
    "dataset=jsonl": ["dataset.path=x.jsonl"],
    "dataset=parquet": ["dataset.path=x.parquet"],
    "dataset=mcq": ["dataset.path=x.jsonl"],
    "upload": ["repo=somebody/model"],
    "delete": ["run=latest"],
    "copy": ["model/mistral"],
    "study": ["study=two_twins"],
}
WORDS = {  # a template that has words for a data set, or for its task
    "note": "clinical_note", "yes_no": "pubmedqa", "long_answer": "pubmedqa", "nli": "nli",
    "instruction": "alpaca", "mcq": "mcq", "medmcqa": "mcq_explained",
}  # fmt: skip
TURNS = ("model", "trainer", "lora", "engine", "scale", "logger")  # groups that go with any data set


def recipe(number: int, dataset: str) -> list[str]:
    """A data set with a template that suits it, and the next option of every other group."""
    task = yaml.safe_load((conf_dir() / "dataset" / f"{dataset}.yaml").read_text()).get("task", "qa")
    chosen = [f"dataset={dataset}", f"template={WORDS.get(dataset) or WORDS.get(task, 'medical_qa')}"]
    return [*chosen, *(f"{group}={GROUPS[group][number % len(GROUPS[group])]}" for group in TURNS)]


RECIPES = [recipe(number, dataset) for number, dataset in enumerate(GROUPS["dataset"])]


def test_every_file_of_a_group_is_composed_below() -> None:
    composed = {word for words in RECIPES for word in words}
    apart = ("suite", "experiment", "study", "launcher")  # tests of their own
    files = {f"{group}={o}" for group, options in GROUPS.items() if group not in apart for o in options}
    assert files == composed
    assert len(files) > 30


@pytest.mark.parametrize("study", GROUPS["study"])
def test_every_study_has_cells_that_compose(study: str) -> None:
    config = settings("study", [f"study={study}"])
    assert config.name == study
    for cell in cells(config):
        assert settings("train", [*cell.overrides]).model.name == cell.model


def test_every_file_begins_with_what_it_is() -> None:
    """In one whole line, for lists of what there is."""
    for path in FILES:
        first = next(line for line in path.read_text().splitlines() if not line.startswith("# @package"))
        whole = re.fullmatch(r"(# [^ ].*([.:]|=<.*>|=FILE))|(\w+: \w+ # [^ ].*)", first)
        assert whole, f"{path}: {first}"


@pytest.mark.parametrize("overrides", RECIPES, ids=lambda words: words[0])
def test_every_option_of_a_training_composes_and_builds(overrides: list[str]) -> None:
    needed = [more for word in overrides for more in NEEDED.get(word, [])]
    built = settings("train", [*overrides, *needed])
    wanted = dict(word.split("=") for word in overrides)
    names = {group: getattr(built, group).name for group in ("dataset", "template", "trainer", "engine")}
    assert {**names, "scale": built.scale} == {name: wanted[name] for name in (*names, "scale")}
    assert built.model.name == wanted["model"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_composes_and_builds(verb: str) -> None:
    assert settings(verb, NEEDED.get(verb, []))


def test_every_file_beside_the_groups_is_of_a_command() -> None:
    assert {path.stem for path in FILES if path.parent == conf_dir()} <= set(VERBS)


def test_every_suite_composes_and_builds() -> None:
    built = settings("evaluate", [f"suite=[{','.join(GROUPS['suite'])}]"])
    assert sorted(built.suite) == GROUPS["suite"]


def test_every_launcher_composes_and_builds() -> None:
    for name in GROUPS["launcher"]:
        words = [f"launcher={name}", "sweep.gpus_per_job=2", "sweep.folder=sweep"]
        assert settings("train", words).launcher.gpus == 2


def test_every_experiment_composes_and_builds_for_every_family() -> None:
    models = {
        name: compose("train", [f"model={name}"])["model"] for name in GROUPS["model"] if name != "custom"
    }
    for experiment in GROUPS["experiment"]:
        values = compose("train", [f"experiment={experiment}"])
        assert said(experiment).items() <= leaves(values).items(), "another file has the last word"
        for name, model in models.items():
            assert build(TrainConfig, {**values, "model": model}).model.name == name


def said(experiment: str) -> dict[str, object]:
    """What a recipe's own file sets, by dotted key."""
    text = (conf_dir() / "experiment" / f"{experiment}.yaml").read_text(encoding="utf-8")
    return {key: value for key, value in leaves(yaml.safe_load(text)).items() if key != "defaults"}


def leaves(values: dict[str, object], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in values.items():
        inner = isinstance(value, dict)
        found |= leaves(value, f"{prefix}{key}.") if inner else {f"{prefix}{key}": number(value)}  # type: ignore[arg-type]
    return found


def number(value: object) -> object:
    """YAML 1.1 reads 2e-3 as text, and Hydra as a number."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(value)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["model=mistrl"], "unknown model 'mistrl'. Did you mean 'mistral'?"),
        (["model=phi_9"], "any other: model=custom model.base=<hub id or folder>"),
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
        (["trainer.max_steps=0"], "'trainer.max_steps' must be at least 1, not 0"),
        (["trainer.packing=true", "trainer.group_by_length=true"], "contradict each other"),
        (["scale=huge"], "unknown scale 'huge'"),
        (["model=custom"], "model.base"),
        (["lora.r=0"], "'lora.r' must be at least 1"),
        (["trainer.max_steps=["], "cannot parse the command"),
    ],
)
def test_a_wrong_command_names_the_key(overrides: list[str], expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        settings("train", overrides)
    assert expected in str(error.value)


def test_what_needs_a_gpu_is_refused_without_one() -> None:
    built = settings("train", ["engine=unsloth"])
    nothing = Machine(gpus=(), cpu_cores=2, ram_total=1, ram_available=1)
    with pytest.raises(EngineError) as error:
        resolve(built.model, built.engine, built.scale, nothing)
    assert error.value.remedy

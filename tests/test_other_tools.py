"""Names of other tools lead to the setting here, and nothing far-fetched is suggested."""

from __future__ import annotations

import pytest

from medft import other_tools
from medft.cli import VERBS
from medft.compose import group_options, settings
from medft.config import keys, nearest, unknown_key
from medft.errors import ConfigError
from medft.verbs.train_config import TrainConfig

KEYS = tuple(keys(TrainConfig))
GROUPS = {key.partition(".")[0] for key in KEYS if "." in key}
NAMES = sorted(
    {name for setting in other_tools.settings() for names in setting.names.values() for name in names}
)


def test_every_setting_of_the_table_is_one_of_a_training() -> None:
    ours = {setting.key for setting in other_tools.settings()}
    assert len(ours) > 45
    assert ours - set(KEYS) == {"model", "dataset", "engine"}


@pytest.mark.parametrize("name", NAMES)
def test_every_name_leads_to_a_setting(name: str) -> None:
    if name in KEYS or name in GROUPS:
        return  # the same name here
    error = unknown_key(name, KEYS, KEYS, 3)
    meant = other_tools.called_here(name)
    assert meant is not None and f"'{meant.key}'" in error.what
    assert error.remedy in (meant.value, f"{meant.key}=3")


def test_what_is_proposed_composes() -> None:
    """All that the table proposes, in one command; of each setting's values every one, in turn."""
    known = [s for s in other_tools.settings() if s.key not in ("resume", "merge")]
    proposed = [word for s in known for word in s.value.split()]
    built = settings("train", ["trainer=published", *proposed])
    assert (built.dataset.name, built.trainer.warmup_steps, built.scale) == ("csv", 5, "auto")
    for turn in range(max(len(s.values) for s in known)):
        words = [s.to_write("", list(s.values)[turn % len(s.values)]) for s in known if s.values]
        assert settings("train", ["trainer=published", "dataset=sample", *words])


def test_what_has_no_counterpart_is_explained() -> None:
    for names, why in other_tools.unmatched():
        for name in names:
            assert unknown_key(name, KEYS, KEYS, 3).remedy == why
            assert other_tools.called_here(name) is None and name not in KEYS


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("trainer.lr", 1e-4, "trainer.learning_rate=0.0001"),
        ("epochs", 3, "trainer.epochs=3"),
        ("upload.hub_private_repo", False, "upload.private=false"),
        ("lora_target_modules", ["q_proj", "v_proj"], "lora.target_modules=[q_proj,v_proj]"),
        ("lora_target", "all", "lora.target_modules=null"),
        ("load_in_4bit", False, "engine.load_in_4bit=false"),
        ("gradient_checkpointing", True, "engine.gradient_checkpointing=standard"),
        ("use_unsloth", False, "engine=transformers"),
        ("load_best_model_at_end", True, "trainer.keep=best"),
        ("eval_steps", 50, "trainer.eval_steps=50"),
        ("eval_strategy", "steps", "trainer.eval_steps=20"),
        ("warmup_ratio", 0.03, "trainer.warmup_steps=5"),
        ("report_to", "none", "logger.wandb=off"),
        ("hub_model_id", "me/x", "upload.repo=me/x"),
        ("resume_from_checkpoint", True, "resume=latest"),
        ("optim", "paged_adamw_8bit", "trainer.optimizer=paged_adamw_8bit"),
    ],
)
def test_the_value_is_taken_over_or_translated(name: str, value: object, expected: str) -> None:
    siblings = [key for key in KEYS if key.rpartition(".")[0] == name.rpartition(".")[0]]
    assert unknown_key(name, siblings, KEYS, value).remedy == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("trainer.lr=1e-4", "fix:   trainer.learning_rate=0.0001"),
        ("logger=wandb", "fix:   logger.wandb=online"),
        ("template=chatml", "the tokenizer's own chat template is used"),
        ("dataset=my.csv", "dataset=csv dataset.path=my.csv"),
        ("dataset=a/b", "dataset=csv dataset.reader=hub dataset.repo=a/b"),
        ("trainer.optimizer=adamw_bnb_8bit", "fix:   trainer.optimizer=adamw_8bit"),
        ("trainer.loss=1", "unknown setting 'trainer.loss'\n"),
    ],
)
def test_a_command_says_what_to_write(word: str, expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        settings("train", [word])
    assert expected in str(error.value)


def test_a_format_that_is_none_says_where_the_weights_are() -> None:
    with pytest.raises(ConfigError, match="merged/ is safetensors"):
        settings("export", ["format=safetensors"])


def test_a_command_without_such_a_setting_does_not_send_to_it() -> None:
    with pytest.raises(ConfigError) as error:
        settings("chat", ["lr=1"])
    assert "learning_rate" not in str(error.value)


def test_values_and_commands_belong_to_something() -> None:
    groups = group_options()
    for setting, value in (("logger", "wandb"), ("engine", "hf"), ("lora", "qlora")):
        assert setting in groups and value not in groups[setting]
        assert other_tools.instead(setting, value.upper())
    assert {other_tools.command(word) for word in ("finetune", "eval", "infer", "push")} <= set(VERBS)


@pytest.mark.parametrize(("slip", "meant"), [("trian", "train"), ("mistrl", "mistral"), ("modl", "model")])
def test_a_slip_of_the_pen_is_understood(slip: str, meant: str) -> None:
    assert nearest(slip, [meant, "lora", "fit"]) == meant


@pytest.mark.parametrize("word", ["lr", "loss", "chart", "fmt"])
def test_nothing_far_fetched_is_suggested(word: str) -> None:
    assert nearest(word, [key.rpartition(".")[2] for key in KEYS] + ["lora", "fit", "format"]) is None

"""YAML files of the user's own, beside conf/."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cloudpickle
import pytest
from omegaconf.basecontainer import BaseContainer

from medft.cli import main
from medft.compose import compose, group_options, settings, with_config_dir
from medft.errors import ConfigError
from medft.models.tiny import Twin
from medft.paths import conf_dir
from medft.sweep.grid import read_grid


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a hard name that holds one model of the user's."""
    folder = tmp_path / "it's my, conf [1]"
    (folder / "model").mkdir(parents=True)
    text = (conf_dir() / "model" / "mistral.yaml").read_text(encoding="utf-8")
    (folder / "model" / "mine.yaml").write_text(text.replace("name: mistral", "name: mine"), encoding="utf-8")
    return folder


@pytest.mark.parametrize("spelling", ["--config-dir {}", "--config-dir={}"])
def test_a_file_of_the_users_own_is_one_more_option(own: Path, spelling: str) -> None:
    flag = [part.format(own) for part in spelling.split(" ")]
    overrides = with_config_dir([*flag, "model=mine"])
    assert settings("train", overrides).model.name == "mine"
    assert group_options(overrides)["model"] == sorted([*group_options()["model"], "mine"])


def test_a_setting_may_be_called_like_a_folder_of_settings(own: Path) -> None:
    (own / "study").mkdir()
    (own / "study" / "ranks.yaml").write_text("name: ranks\n", encoding="utf-8")
    for verb in ("rate", "replay"):  # which choose no file of conf/study
        assert settings(verb, with_config_dir(["study=ranks", f"--config-dir={own}"])).study == "ranks"
        with pytest.raises(ConfigError, match="unknown setting 'model'"):
            settings(verb, ["model=mistral"])


def test_hydras_own_short_flags_are_left_to_hydra() -> None:
    assert with_config_dir(["-c", "job", "-m"]) == ["-c", "job", "-m"]


def test_the_record_of_a_run_finds_it_again(own: Path) -> None:
    config = settings("train", with_config_dir(["--config-dir", str(own), "model=mine"]))
    assert settings("train", config.overrides).model == config.model


def test_a_sweep_matches_it(own: Path) -> None:
    jobs = read_grid(with_config_dir(["--config-dir", str(own), "model=glob(mi*)"])).jobs()
    names = ["mine", "mistral", "mistral_v0_3"]
    assert [job[0] for job in jobs] == [f"model={name}" for name in names]
    assert [settings("train", job).model.name for job in jobs] == names


def test_help_and_messages_name_it(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "--help", "model", "--config-dir", str(own)])
    assert "medgemma_4b | mine | mistral" in " ".join(capsys.readouterr().out.split())
    main(["train", "--config-dir", str(own), "model=min"])
    assert "Did you mean 'mine'?" in capsys.readouterr().err


def test_a_shipped_name_is_not_shadowed_in_silence(own: Path) -> None:
    shutil.copy(own / "model" / "mine.yaml", own / "model" / "gemma.yaml")
    with pytest.raises(ConfigError, match="model 'gemma' is a name that medft itself uses"):
        settings("train", with_config_dir(["--config-dir", str(own)]))


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder of settings does not exist"):
        settings("train", with_config_dir(["--config-dir", str(tmp_path / "absent")]))
    with pytest.raises(ConfigError, match="needs a folder"):
        with_config_dir(["--config-dir"])


def test_a_template_of_the_users_own_is_one_file(
    tmp_path: Path, twins: Callable[[str], Twin], capsys: pytest.CaptureFixture[str]
) -> None:
    """The recipe of CONTRIBUTING."""
    file = tmp_path / "my_conf" / "template" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(
        """# A nurse answers in plain words.
name: mine
tasks:
  qa:
    default:
      system: You are a nurse.
      user: "A patient asks: {question}"
      assistant: "In plain words: {answer}"
""",
        encoding="utf-8",
    )
    places = [f"artifacts={tmp_path}/a", f"processed={tmp_path}/p", f"tokenizer={twins('mistral').bits16}"]
    flag = ["--config-dir", str(file.parents[1])]
    assert main(["prepare", "dataset=sample", "template=mine", "show=1", *places, *flag]) == 0
    out = capsys.readouterr().out
    assert "You are a nurse." in out
    assert "A patient asks: " in out
    assert "⟦ In plain words: " in out, "what is learnt stands in brackets"


def test_a_launcher_can_send_the_resolvers_to_its_processes() -> None:
    compose("train", [])
    for name in ("default_for", "run_name"):  # of a registry that OmegaConf has no function for
        assert callable(cloudpickle.loads(cloudpickle.dumps(BaseContainer._resolvers[name])))

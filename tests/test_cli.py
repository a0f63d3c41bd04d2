"""The command line, as a user meets it. The real process is in tests/verbs/test_train.py."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from medft import verbs
from medft.cli import VERBS, main

HEAVY = ("torch", "transformers", "trl", "unsloth", "datasets", "pandas", "matplotlib")


def test_usage_lists_every_command_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(f"  {verb} " in out for verb in VERBS)
    assert "medft train model=mistral" in out


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_has_help_with_examples_and_settings(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"medft {verb}: ")
    assert f"\nexamples\n  medft {verb}" in out
    assert "\nsettings" in out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from medft.cli import main; main(['--help']); main(['train', '--help']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_an_unknown_command_is_an_error_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    err = capsys.readouterr().err
    assert "unknown command 'trian'. Did you mean 'train'?" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("flags", "written"),
    [
        (["--epochs"], "trainer.epochs=..."),
        (["--epochs", "3"], "trainer.epochs=3"),
        (["--learning-rate=1", "seed=2"], "trainer.learning_rate=1;"),
    ],
)
def test_a_setting_written_as_a_flag_is_named_as_it_is_typed(
    flags: list[str], written: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *flags]) == 2
    assert f"settings have no dashes: {written}" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--foo", "--config-name=x", "-r"])
def test_an_unknown_flag_is_an_error(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", flag]) == 2
    assert f"there is no flag '{flag.partition('=')[0]}'" in capsys.readouterr().err


def test_hydras_own_flags_print_settings_that_no_file_mentions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--cfg", "job", "dataset=sample", "dataset.limit=5", "upload.repo=me/x"]) == 0
    out = capsys.readouterr().out
    assert "  limit: 5\n" in out
    assert "  repo: me/x\n" in out


def test_a_traceback_is_shown_when_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDFT_TRACEBACK", "1")
    assert main(["trian"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_new_command_is_a_module_and_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recipe of CONTRIBUTING."""
    (tmp_path / "greet.py").write_text(
        '''"""medft greet: say hello."""

from dataclasses import dataclass

EXAMPLES = ("medft greet name=Ada",)


@dataclass(frozen=True, slots=True)
class GreetConfig:
    """Whom to greet."""

    name: str = "world"
    """Who is greeted."""
    times: int = 1
    """How often."""


def run(config: GreetConfig) -> None:
    """Greet."""
    print(f"hello {config.name} " * config.times)
''',
        encoding="utf-8",
    )
    monkeypatch.setattr(verbs, "__path__", [*verbs.__path__, str(tmp_path)])
    monkeypatch.setitem(VERBS, "greet", "say hello")
    assert main(["greet", "name=Ada", "times=2"]) == 0
    assert capsys.readouterr().out.split() == ["hello", "Ada"] * 2
    assert main(["greet", "--help"]) == 0
    assert "name=world  Who is greeted." in capsys.readouterr().out
    assert main(["greet", "nam=Ada", "times=often"]) == 2
    err = capsys.readouterr().err
    assert "Did you mean 'name'?" in err and "'times' must be a whole number" in err
    assert main(["greet", "--cfg", "job", "times=3"]) == 0
    assert "times: 3" in capsys.readouterr().out
    monkeypatch.delitem(sys.modules, "medft.verbs.greet")


@pytest.mark.parametrize(
    ("allowed", "code", "says"),
    [
        (500, 1, "error: ulimit -v allows 500.0 MB of addresses"),
        (4_000, 0, "notice: ulimit -v allows 4.0 GB"),
    ],
)
def test_libraries_that_would_hang_for_want_of_addresses_are_not_loaded(
    allowed: int, code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (allowed * 10**6, -1))
    assert main(["train", "--help"]) == code
    assert capsys.readouterr().err.startswith(says)
    assert main(["runs", "--help"]) == 0 and capsys.readouterr().err == ""

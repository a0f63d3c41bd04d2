"""The net under every command: errors of the system and of libraries, as one message with file and remedy."""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from medft import cli
from medft.cli import VERBS, main
from medft.errors import MedftError
from medft.explain import explained, note


def raised(do: Callable[[], object]) -> MedftError:
    try:
        do()
    except Exception as error:
        return explained(error)
    raise AssertionError


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EFBIG, errno.EMFILE, errno.EIO]
)
def test_what_the_system_refuses_is_said_with_file_and_remedy(number: int) -> None:
    found = explained(OSError(number, os.strerror(number), "/data/x"))
    assert found.where == "/data/x" and found.remedy and found.what != os.strerror(number)


def test_a_working_folder_that_is_gone_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert raised(lambda: Path("x").resolve(strict=True)).what.endswith("started in is gone")


def test_a_machine_without_room_for_temporary_files_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/gone"])
    assert "TMPDIR" in raised(tempfile.TemporaryFile).remedy


def test_a_library_that_cannot_be_loaded_is_named() -> None:
    assert "a.so: undefined symbol" in explained(ImportError("a.so: undefined symbol: x")).what
    assert (
        "not enough memory" in explained(ImportError("a.so: failed to map segment from shared object")).what
    )


def test_a_half_is_named_as_what_it_would_have_become() -> None:
    for half in ("/a/.x.csv.host-12.part", "/a/.x.csv.my_host-12.part"):
        assert explained(OSError(errno.EROFS, "", half)).where == "/a/x.csv"
    assert explained(OSError(errno.EROFS, "", "/a/.b.h-1.part/c")).where == "/a/b/c"


def test_files_that_are_no_yaml_json_or_text(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: 1\nbase: [\n")
    with (tmp_path / "x.yaml").open() as file:
        found = raised(lambda: yaml.safe_load(file))
    assert found.what.startswith("this is not valid YAML") and found.where == f"{tmp_path / 'x.yaml'}:3"
    assert raised(lambda: json.loads("{")).what.startswith("this is not valid JSON")
    assert raised(lambda: b"\xff".decode()).what == "this is not UTF-8 text"
    assert raised(lambda: json.loads("[" * 100_000)).what == "values are nested too deeply"
    assert raised(lambda: bytes(1 << 62)).what == "out of memory"


def test_what_nobody_expected_names_the_place_and_the_file_at_hand(tmp_path: Path) -> None:
    from medft.publish.package import _place

    (tmp_path / "x.safetensors").mkdir()
    found = raised(lambda: _place(tmp_path / "x.safetensors", tmp_path / "gone" / "y", None))  # type: ignore[arg-type]
    assert str(tmp_path) in found.where
    assert "medft/" in raised(lambda: _place("no path", None, None)).what  # type: ignore[arg-type]


def test_the_log_for_developers_holds_places_and_never_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        int("Hans Mustermann, hf_secret")
    except ValueError as error:
        written = note(error)
    assert written is not None
    text = written.read_text(encoding="utf-8")
    assert "test_explain.py" in text and "ValueError" in text
    assert "Mustermann" not in text and "hf_secret" not in text
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert note(ValueError()) is None


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "full", "x"), TypeError("x"), RecursionError(), MemoryError(),
     UnicodeDecodeError("utf-8", b"", 0, 1, ""), yaml.YAMLError("x"), KeyError("hf_secret"),
     AssertionError("\x1b[31m")],
)  # fmt: skip
def test_no_verb_ends_in_a_traceback(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def run(config: object) -> None:
        raise error

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for verb in VERBS:
        module = ModuleType("stand-in")
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"medft.verbs.{verb}", module)
        monkeypatch.setattr("medft.compose.settings", lambda verb, words: None)
        assert cli.main([verb]) == 1
        err = capsys.readouterr().err
        assert err.startswith("error: ") and "  fix:   " in err
        assert "Traceback" not in err and "\x1b" not in err and "hf_secret" not in err


def test_yaml_of_ones_own_with_a_typo_is_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "model").mkdir()
    for text in ("base: [", "base: !x y", "[" * 20_000, "\x00", "a: *b", "- 1", "{}: 1", "é: \x07"):
        (tmp_path / "model" / "mine.yaml").write_text(text)
        assert main(["plan", "--config-dir", str(tmp_path), "model=mine"]) in (1, 2), text
        err = capsys.readouterr().err
        assert err.startswith("error: ") and "Traceback" not in err, text


def test_a_very_long_message_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", f"dataset.path={'x' * 100_000}", "scale=tiny"]) == 1
    assert len(capsys.readouterr().err) < 5_000

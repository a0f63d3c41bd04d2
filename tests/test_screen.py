"""Whose lines reach the terminal, and whose the log."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from medft.screen import Screen, printable

PROGRAM = """
import logging, os, sys
from pathlib import Path
from medft.screen import Screen

screen = Screen()
with screen.chatter_to(Path(sys.argv[1])):
    print("printed")
    os.write(1, b"native\\n")
    os.write(2, b"native error\\n")
    logging.getLogger("library").info("logged")
    screen.say("ours")
    print("bar", file=screen.bar_stream)
logging.getLogger("library").info("later")
print("after")
screen.say("ours again")
"""


def _chatter(screen: Screen, log: Path) -> None:
    with screen.chatter_to(log):
        print("printed")
        os.write(1, b"native\n")
        warnings.warn("warned", UserWarning, stacklevel=1)
        logging.getLogger("library").info("logged")
        screen.say("ours")


def test_a_process_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "new" / "run.log"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(log)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "ours\nafter\nours again\n"
    assert done.stderr == "bar\n"
    written = log.read_text()
    assert all(word in written for word in ("printed", "native\n", "native error", "library INFO logged"))
    assert "later" not in written


def test_the_pass_in_an_address_is_not_logged(tmp_path: Path) -> None:
    with Screen().chatter_to(tmp_path / "run.log"):
        logging.getLogger("httpx").info(
            'HTTP Request: %s %s "%s"', "GET", "https://x.y/z?sig=pass&e=1", "200"
        )
    assert 'GET https://x.y/z "200"' in (tmp_path / "run.log").read_text()


def test_where_standard_output_is_no_descriptor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _chatter(Screen(), tmp_path / "run.log")
    assert capsys.readouterr().out == "printed\nours\n"
    assert "library INFO logged" in (tmp_path / "run.log").read_text()


def test_where_standard_output_has_another_descriptor(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _chatter(Screen(), tmp_path / "run.log")
    assert capfd.readouterr().out == "printed\nours\n"
    assert "native\n" in (tmp_path / "run.log").read_text()


def test_a_failure_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    screen = Screen()
    before = _state(screen)
    for log, error in ((tmp_path / "file" / "log", OSError), (tmp_path / "log", KeyboardInterrupt)):
        with pytest.raises(error), screen.chatter_to(log):
            raise KeyboardInterrupt
    assert _state(screen) == before


def _state(screen: Screen) -> tuple[object, ...]:
    descriptors = sum(1 for _ in Path("/proc/self/fd").iterdir())
    return screen.stream, sys.stdout, sys.stderr, logging.getLogger().level, descriptors


COLUMNS = ("run", "loss")
ROWS = (("a name of many words that is long", "1.5"), ("b", "-"), ("\x1b[31mred [bold]", "2.25"))


def _table(capsys: pytest.CaptureFixture[str]) -> list[str]:
    Screen().table(COLUMNS, ROWS, wrap=("run",))
    return capsys.readouterr().out.splitlines()


def test_a_table_in_a_file_or_pipe_has_its_full_width_as_plain_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert _table(capsys) == [
        "run                                loss",
        "a name of many words that is long   1.5",
        "b                                     -",
        "\ufffd[31mred [bold]                    2.25",
    ]


@pytest.mark.parametrize("width", [20, 5])
def test_a_table_on_a_narrow_terminal_breaks_into_lines_and_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = _table(capsys)
    assert max(map(len, lines)) <= max(width, 6 + 2 + 4)
    assert all(word in " ".join(lines) for word in (*ROWS[0][0].split(), "1.5", "2.25"))


HOSTILE = "a\x1b[31mX\x1b]0;pwn\x07\x00\x9b1m\u202e\u2066\ud800\rb"


def test_no_line_reaches_the_terminal_as_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.title(HOSTILE, HOSTILE)
    screen.line("notice", HOSTILE, HOSTILE)
    screen.say(HOSTILE)
    screen.table(("x",), [(HOSTILE,)])
    out = capsys.readouterr().out
    assert not set(out) & set("\x1b\x07\x00\x9b\u202e\u2066\ud800\r") and "X" in out
    assert printable("ä\t질문\n\u200d👩\u00a0") == "ä\t질문\n\u200d👩\u00a0"


def test_work_goes_on_when_its_terminal_is_gone(tmp_path: Path) -> None:
    """Whoever reads goes away in the middle; what is said afterwards is in no one's way."""
    code = (
        "import sys; from pathlib import Path; from medft.screen import Screen\n"
        f"screen = Screen()\nwith screen.chatter_to(Path({str(tmp_path / 'log')!r})):\n"
        "    screen.say('first')\n    sys.stdin.read()\n"
        "    for _ in range(3):\n"
        "        screen.say('x' * 100_000); screen.bar_stream.write('y'); screen.bar_stream.flush()\n"
        f"    Path({str(tmp_path / 'done')!r}).touch()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin and process.stdout and process.stderr
    assert process.stdout.readline() == b"first\n"
    process.stdout.close()
    process.stderr.close()
    process.stdin.close()
    process.wait(30)
    assert (tmp_path / "done").is_file()

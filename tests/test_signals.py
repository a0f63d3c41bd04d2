"""What asks a process to end: each kind, several at once, and those that it was started to ignore."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from medft.signals import ENDING, Ended, answered, end, undisturbed

WAITING = """
import sys, time
from types import ModuleType
from medft import cli, compose
module = ModuleType("stand-in")
def run(config):
    try:
        print("at work", flush=True)
        time.sleep(60)
    finally:
        print("cleared away", flush=True)
module.run = run
sys.modules["medft.verbs.merge"] = module
compose.settings = lambda verb, words: None
sys.exit(cli.main(["merge"]))
"""


@pytest.fixture(autouse=True)
def _not_under_nohup() -> Iterator[None]:
    """Signals as a shell leaves them, however the tests were started; processes inherit it."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in ENDING if number != signal.SIGINT}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_every_command_clears_away_and_ends(number: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "at work\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "cleared away\n", "stopped\n")


def test_a_closed_terminal_is_no_ctrl_c() -> None:
    with pytest.raises(Ended), answered(end):
        os.kill(os.getpid(), signal.SIGHUP)
    with pytest.raises(KeyboardInterrupt) as stop, answered(end):
        os.kill(os.getpid(), signal.SIGINT)
    assert stop.type is KeyboardInterrupt


def test_nohup_is_honored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with answered(end):
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_must_be_written_down_is_written_however_many_come() -> None:
    seen: list[int] = []
    with answered(lambda number, frame: seen.append(number)):
        with undisturbed():
            for number in (*ENDING, *ENDING):
                os.kill(os.getpid(), number)
            assert seen == []
        assert sorted(seen) == sorted(ENDING)


def test_other_threads_change_no_handler() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def work() -> None:
        with answered(end):
            pass

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before

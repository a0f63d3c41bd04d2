"""Where the time of a command went, and that a long part is seen to be at work."""

from __future__ import annotations

import io
import re
import time

import pytest

from medft.screen import Screen
from medft.verbs import stages as module
from medft.verbs.stages import Stages


def test_parts_are_summed_up_by_name_the_longest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 3.0, 3.0, 13.0, 13.0, 14.5, 14.5, 14.6, 75.0])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    stages = Stages(Screen())
    for name in ("data", "training", "data", "drawing"):
        with stages.part(name):
            pass
    assert stages.seconds == pytest.approx({"data": 3.5, "training": 10.0, "drawing": 0.1})
    assert stages.summary() == "1 min 15 s: training 10 s, data 4 s"


def test_a_part_that_fails_is_timed_too() -> None:
    stages = Stages(Screen())
    with pytest.raises(KeyError), stages.part("model"):
        raise KeyError
    assert stages.seconds["model"] >= 0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_long_part_is_shown_and_wiped_away() -> None:
    screen, terminal = Screen(), Terminal()
    screen.bar_stream = terminal
    with screen.waiting("loading the model"):
        time.sleep(2.4)
    assert re.fullmatch(r"\r  loading the model 2 s\r\033\[K", terminal.getvalue())


def test_a_short_part_and_a_quiet_screen_say_nothing() -> None:
    for quiet, seconds in ((False, 0.1), (True, 2.2)):
        screen, terminal = Screen(quiet), Terminal()
        screen.bar_stream = terminal
        with screen.waiting("loading the model"):
            time.sleep(seconds)
        assert terminal.getvalue() == ""

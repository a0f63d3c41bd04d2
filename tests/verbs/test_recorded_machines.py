"""What `medft plan`, and the first line of `medft doctor`, say on machines as their drivers describe them:
the whole output, as tests/fixtures/machines has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from medft import machine
from medft.cli import main
from medft.verbs import doctor
from tests.support.drivers import MACHINES

FIXTURES = Path(__file__).parents[1] / "fixtures" / "machines"
CODES = {
    "t4": 0, "exclusive": 0, "mig": 0, "mixed": 0, "old card first": 0, "eight": 0, "no nvml": 0,
    "old driver": 1, "prohibited": 1,
}  # fmt: skip
"""Exit codes: 1 where training cannot begin."""


@pytest.mark.parametrize("name", CODES)
def test_plan_and_doctor_say_of_a_machine(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "_library", MACHINES[name].load)
    monkeypatch.setattr(machine, "_memory", lambda: (137_000_000_000, 103_000_000_000))
    monkeypatch.setattr("medft.engine.toolchain.uncompilable", lambda: None)
    monkeypatch.setattr("medft.plan.plan.free_bytes", lambda folder: 10**12)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.chdir(tmp_path)
    machine.probe.cache_clear()
    try:
        code = main(["plan", "model=mistral", "dataset=sample"])
        driver = doctor._driver()
    finally:
        machine.probe.cache_clear()
    said = capsys.readouterr().out + "\n".join(filter(None, ("doctor  " + driver.said, driver.remedy))) + "\n"
    assert code == CODES[name]
    assert said == (FIXTURES / f"{name.replace(' ', '_')}.txt").read_text(encoding="utf-8"), said

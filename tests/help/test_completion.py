"""Completion, asked as a shell asks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from medft.help.completion import candidates
from medft.verbs.copy import CopyConfig


def test_groups_choices_and_settings_are_proposed() -> None:
    proposed = candidates("train", "")
    assert {"model=", "experiment=", "trainer.learning_rate=", "seed="} <= set(proposed)
    assert {"model=mistral", "model=gemma"} <= set(candidates("train", "model="))
    assert "suite=rag" in candidates("evaluate", "suite=") and "experiment=" not in candidates("evaluate", "")
    assert "model=" not in candidates("runs", "") and "state=" in candidates("runs", "")
    assert "model/mistral" in candidates("copy", "") and CopyConfig(what="model/mistral")


def test_a_real_shell_completes(tmp_path: Path) -> None:
    found = shutil.which("bash")
    assert found is not None
    medft = tmp_path / "medft"
    medft.write_text(f'#!/bin/sh\nexec {sys.executable} -m medft "$@"\n')
    medft.chmod(0o755)
    script = f"""
eval "$({sys.executable} -m argcomplete.scripts.register_python_argcomplete medft)"
ask() {{
  COMP_LINE="$1" COMP_POINT=${{#1}} COMP_TYPE=9 COMP_WORDS=($1) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
  COMPREPLY=() ; _python_argcomplete medft "" "" ; printf '%s\\n' "${{COMPREPLY[*]}}"
}}
ask 'medft repl' ; ask 'medft train trainer.learn' ; ask 'medft train model=mist' ; ask 'medft train lora=l'
"""
    done = subprocess.run(
        [found, "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines == [
        ["replay"],
        ["trainer.learning_rate="],
        ["mistral", "mistral_v0_3"],
        ["large"],
    ], done.stderr

"""Room for a second objective: what is trained for is named in one folder and in the one file above it."""

from __future__ import annotations

import re
from pathlib import Path

MEDFT = Path(__file__).parents[2] / "medft"
SEAM = MEDFT / "training" / "objective.py"
NAMES = re.compile(r"sft|\btrl\b|supervised fine", re.IGNORECASE)


def test_only_the_seam_names_the_objective() -> None:
    files = [path for room in ("training", "plan") for path in sorted((MEDFT / room).rglob("*.py"))]
    named = [path for path in files if NAMES.search(path.read_text(encoding="utf-8"))]
    inside = [path for path in named if path.parent.name == "sft"]
    assert [path for path in named if path not in inside] == [SEAM]
    assert len(inside) > 3, "the folder is there, and the pattern finds it"

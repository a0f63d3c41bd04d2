"""Makes docs/results.md: SmolLM2-135M tuned on MedQuAD with three seeds, beside its base.

    python -m tools.results                           ten minutes of training for each seed
    python -m tools.results minutes=3 seeds=1,2 questions=24

Killed and called again with the same words, it goes on where it was. MedQuAD is read from the folder that
MEDFT_REAL_DATA names, else from the hub. Everything but the page and its figure stays in artifacts/results.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from medft.errors import MedftError
from medft.files import write_text
from medft.runs import RunDir
from tools.results_page import page

ROOT = Path(__file__).parents[1]
PLACE = Path("artifacts/results")
ASKED = (
    "What is asthma?",
    "What are the symptoms of iron deficiency anemia?",
    "How is type 2 diabetes treated?",
    "What causes kidney stones?",
    "Is high blood pressure inherited?",
    "How many people are affected by cystic fibrosis?",
    "What tests show whether somebody has celiac disease?",
    "How can I lower my risk of a stroke?",
    "What should I do about a nosebleed?",
    "Which vitamins should a pregnant woman take?",
)
"""Questions of our own, in no data set."""


def main(words: list[str]) -> None:
    """Train, evaluate, ask, write.

    Raises:
        SystemExit: a word that is not known, or a command that failed; what is done stays done.
    """
    given = {"minutes": "10", "seeds": "1,2,3", "questions": "60"}
    for word in words:
        key, _, value = word.partition("=")
        if key not in given or not value:
            sys.exit(f"unknown word '{word}'; there are {', '.join(f'{key}=' for key in given)}")
        given[key] = value
    place = PLACE / f"{given['minutes']}-minutes"
    runs = [RunDir(place / "runs" / "smollm2-medquad" / f"seed-{seed}") for seed in given["seeds"].split(",")]
    for run in runs:
        _train(run, given["minutes"])
        _evaluate(run, given["questions"])
    asked = [_answered(runs[0], which, place) for which in ("base", "tuned")]
    figure = _figure(runs, place)
    shutil.copy(figure, ROOT / "docs" / "results.png")
    write_text(ROOT / "docs" / "results.md", page(runs, asked, " ".join(words)))
    sys.stdout.write(f"wrote {ROOT / 'docs' / 'results.md'}\n")


def _train(run: RunDir, minutes: str) -> None:
    """Begin a run, or go on with it."""
    seed = run.root.name.removeprefix("seed-")
    if run.config.is_file() and not run.summary.is_file():
        _medft("train", f"resume={run.root}")
    elif not run.summary.is_file():
        _medft("train", "model=smollm2", *_data(), "trainer=cpu", f"trainer.minutes={minutes}",
               f"seed={seed}", "logger.wandb=off", f"run_dir={run.root}")  # fmt: skip


def _data() -> list[str]:
    if folder := os.environ.get("MEDFT_REAL_DATA"):
        return ["dataset=medquad", f"dataset.path='{Path(folder).resolve() / 'medquad.csv'}'"]
    return ["dataset=medquad_hub"]


def _evaluate(run: RunDir, questions: str) -> None:
    """Held-out rows; answers that are on disk are not asked again."""
    if not (run.evaluation / "heldout.json").is_file():
        _medft("evaluate", f"run={run.root}", "suite=heldout", f"suite.heldout.limit={questions}")


def _answered(run: RunDir, which: str, place: Path) -> list[dict[str, Any]]:
    """Our own questions, answered by the run or by its base."""
    from medft.inference.batch import answer_file
    from medft.inference.dialogue import Dialogue
    from medft.inference.generation import Sampling
    from medft.inference.library import Library

    path = place / f"asked-{which}.jsonl"
    if not path.is_file():
        library = Library([run], Path("artifacts"), context=1024)
        tuned, base = library.names
        dialogue = Dialogue(library, base if which == "base" else tuned, Sampling(max_new_tokens=160))
        aside = path.with_suffix(".part")
        answer_file(dialogue, list(ASKED), aside, lambda done, total: None)
        aside.rename(path)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _figure(runs: list[RunDir], place: Path) -> Path:
    """The curves of all seeds, as `medft compare` draws them."""
    names = ",".join(str(run.root) for run in runs)
    _medft("compare", f"runs=[{names}]", f"artifacts={place}", "title=SmolLM2-135M on MedQuAD")
    return max((place / "compare").glob("*/*.png"), key=lambda path: path.stat().st_mtime)


def _medft(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "medft", *words])
    if done.returncode:
        sys.exit(f"medft {words[0]} ended with {done.returncode}; the same command goes on from here")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except MedftError as error:
        sys.exit(f"error: {error}")

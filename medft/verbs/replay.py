"""medft replay: repeat a finished run from its own folder; is the result the same?"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from medft.checked import Count, NonNegative
from medft.errors import RunError
from medft.files import stamp, write_json
from medft.report.replay import agree, as_table, compare_replay
from medft.runs import RunDir, find_run
from medft.runs.record import RunRecord
from medft.screen import Screen
from medft.study.folder import find_study
from medft.study.replaying import as_table as as_study_table
from medft.study.replaying import replay
from medft.verbs import train
from medft.verbs.train_config import SweepConfig, TrainConfig, UploadTarget

EXAMPLES = (
    "medft replay run=latest",
    "medft replay study=two_twins",
    "medft replay run=artifacts/runs/mistral-tiny-sample-medical_qa/20261120-101500 lines=60",
)


@dataclass(frozen=True, slots=True)
class ReplayConfig:
    """Which run is repeated, and what counts as agreement."""

    run: str = "latest"
    """A finished run by folder, name or its beginning, or `latest`."""
    study: str | None = None
    """A study by name or folder: all of its finished runs, one after the other, instead of `run`."""
    run_dir: Path | None = None
    """Folder of the new run; null: under runs/, by the time it starts."""
    lines: Count = 10
    """Number of lines of loss.csv to compare."""
    tolerance: NonNegative = 1e-3
    """Largest relative difference of a loss that counts as agreement. CPUs reproduce exactly; GPU kernels
    add in varying order."""
    adapter_tolerance: NonNegative = 0.05
    """The same for the adapter's weights, which drift further apart than losses."""
    artifacts: Path = Path("artifacts")
    """Folder of the runs, where the new one is written too."""


def run(config: ReplayConfig) -> int:
    """Train again from the run's config.yaml, then compare.

    Returns:
        0 when data, versions, losses and adapter agree, of a study those of all runs, 1 when one of them
        does not, 130 when stopped.

    Raises:
        RunError: the run is not finished.
        MedftError: whatever prevents the training.
    """
    if config.study is not None:
        return _study(config, config.study)
    first = find_run(config.run, config.artifacts)
    if not first.summary.is_file():
        raise RunError(
            f"the run is {first.state()}, not finished",
            where=str(first.root),
            remedy=f"medft train resume={first.quoted}",
        )
    place = config.run_dir or config.artifacts / "runs" / first.root.parent.name / stamp()
    if place.exists():
        raise RunError(
            "the folder of the new run exists already", where=str(place), remedy="choose another run_dir"
        )
    second = RunDir(place)
    if code := _again(first, second):
        return code
    findings = compare_replay(first, second, config.lines, config.tolerance, config.adapter_tolerance)
    verdict = agree(findings)
    rows = [asdict(finding) for finding in findings]
    write_json(second.root / "replay.json", {"of": str(first.root), "agrees": verdict, "findings": rows})
    screen, table = Screen(), as_table(findings)
    screen.say("")
    screen.title(f"replay of {first.root}", str(second.root))
    screen.say("")
    screen.table(table.columns, table.rows, wrap=("then", "now"))
    screen.say(f"\n  {'the runs agree' if verdict else 'the runs do NOT agree'}")
    return 0 if verdict else 1


def _study(config: ReplayConfig, name: str) -> int:
    """Replay every finished run of a study, and say which came out the same."""
    screen, folder = Screen(), find_study(name, config.artifacts)
    words = [f"{key}={getattr(config, key)}" for key in ("lines", "tolerance", "adapter_tolerance")]
    screen.title(f"replay of study {folder.root.name}", str(folder.root))
    found = replay(folder, words, screen)
    table = as_study_table(found)
    screen.table(table.columns, table.rows, wrap=("cell", "what is not"))
    same = sum(each.agrees for each in found)
    screen.say(f"\n  {same} of {len(found)} runs were reproduced")
    return 0 if same == len(found) else 1


def _again(first: RunDir, second: RunDir) -> int:
    """Train what the first run's configuration, and nothing else, says."""
    settings = RunRecord(first).built(TrainConfig)
    here = replace(settings, run_dir=second.root, sweep=SweepConfig(), upload=UploadTarget(), resume=None)
    return train.run(here)

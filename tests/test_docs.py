"""What docs/ promises: generated parts are current, commands work, quoted messages exist, the site builds."""

from __future__ import annotations

import ast
import functools
import importlib.util
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from medft.cli import VERBS, main
from medft.compose import compose, group_options, settings, with_config_dir
from medft.first_contact import first_contact
from medft.machine import Gpu, Machine
from medft.overrides import readable
from medft.plan.lengths import bound
from medft.plan.plan import make
from medft.plan.request import Request
from medft.plan.resolve import resolve
from medft.plan.shape import shape_of
from medft.study import asking
from medft.study.cells import cells
from medft.study.config import StudyConfig
from medft.sweep.grid import read_grid
from medft.sweep.launch import LAUNCHER
from medft.sweep.search import WORDS
from medft.verbs.train_config import TrainConfig
from tests.support.runs import make_run
from tests.support.trained_run import share_twins

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
H200 = Machine((Gpu("NVIDIA H200", 150_000_000_000, None, (9, 0)),), 8, 128_000_000_000, 128_000_000_000)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


@functools.cache
def script() -> ModuleType:
    """docs/generate.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["architecture.md", "models.md", "coming-from.md"])
def test_generated_parts_are_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == script().page(name), "make docs"


def test_the_notebook_is_its_page() -> None:
    assert (DOCS / "notebook.ipynb").read_text(encoding="utf-8") == script().notebook(), "make docs"


def commands(text: str) -> Iterator[list[str]]:
    """The command lines of a page, in blocks and in sentences, but for those with a word to fill in."""
    inline = re.findall(r"`(medft [^`]+)`", BLOCK.sub("", text))
    blocks = [line for _, body in BLOCK.findall(text) for line in body.splitlines()]
    for line in [*blocks, *inline]:
        if not re.match(r"medft |torchrun .* -m medft |uvx .* medft ", line):
            continue
        words = [
            word.replace("=~/", "=/home/you/") for word in shlex.split(line, comments=True)
        ]  # as bash does
        words = words[words.index("medft") + 1 :]
        filled_in = any(re.fullmatch(r"(.*=)?[A-Z]{3,}|.*(\.\.\.|<).*", word) for word in words)
        if len(words) > 1 and not filled_in:  # a command by itself is only named
            yield words


def own_files(text: str) -> Iterator[tuple[str, str]]:
    """The YAML files of the user's own that a page shows, with their paths."""
    yield from re.findall(r"`(my_conf/[\w/]+\.yaml)`[^\n]*\n\n```yaml\n(.*?)^```$", text, re.M | re.S)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_works(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies, lists and help are run; a training is composed and planned on a GPU; the rest is composed."""
    monkeypatch.chdir(tmp_path)
    text = (DOCS / page).read_text(encoding="utf-8")
    for path, body in own_files(text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(body, encoding="utf-8")
    for folder in {path.removesuffix(",") for path in re.findall(r"model=(\./\S+)", text)}:
        Path(folder).mkdir(exist_ok=True)
    for words in sorted(commands(text), key=lambda words: words[0] != "copy"):
        try:
            work(words)
        except Exception as error:
            raise AssertionError(f"{page}: medft {shlex.join(words)}") from error


def work(words: list[str]) -> None:
    """Run a command, or whatever of it needs no model."""
    verb, *rest = words
    assert verb in {*VERBS, "help"}, verb
    if verb in ("copy", "list", "runs", "help") or "--help" in rest:
        assert main(words) == 0
        return
    overrides = with_config_dir(rest)
    if "-m" in overrides:
        sweep([word for word in overrides if word != "-m"])
        return
    for run in re.findall(r"^resume=(.*)$", "\n".join(rest), re.M):
        folder = Path("artifacts/runs/mistral-tiny-sample-medical_qa/20261121-101500")
        make_run(folder if run == "latest" else Path(run), finished=False, settings={"overrides": []})
    if "dataset=my.csv" in overrides:
        Path("my.csv").write_text("question,answer\nWhat is asthma?,A chronic disease of the airways.\n")
    met = first_contact(verb, overrides, group_options()["dataset"])
    config = settings(verb, readable(met.overrides))
    if isinstance(config, TrainConfig):
        fits_somewhere(config)
    if isinstance(config, StudyConfig):
        for cell in cells(config):
            fits_somewhere(settings("train", cell.overrides))
        settings("evaluate", asking.asked_words(config))


def sweep(overrides: list[str]) -> None:
    launch = [word for word in overrides if word.startswith("hydra")]
    sent = [word for word in overrides if word.startswith(LAUNCHER)]
    own = [word for word in overrides if word not in (*launch, *sent)]
    if own and not own[0].startswith("sweep.resume="):
        grid = read_grid(own)
        jobs = grid.corners() if grid.intervals else grid.jobs()
        place = [*sent, "sweep.folder=sweep"]
        assert jobs and settings("train", [*jobs[0], *place]) and settings("train", [*jobs[-1], *place])
    compose("train", [word for word in launch if not word.startswith(WORDS)])


def fits_somewhere(config: TrainConfig) -> None:
    """A plan of a thousand rows on one large GPU, where the model's sizes are known."""
    resolved = resolve(config.model, config.engine, config.scale, H200)
    rows = bound({"train": 1000, "validation": 100, "test": 100}, config.trainer.max_length)
    shape = shape_of(config.model, resolved.load_in_4bit)
    request = Request(
        config.model, config.trainer, config.lora, config.engine, shape, rows, config.artifacts, config.merge
    )
    plan = make(request, resolved, H200)
    assert plan.schedule.steps > 0 and not [p for p in plan.problems if p.certain and "disk" not in p.what]


def test_errors_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    shown = [
        (command, said)
        for page in PAGES
        for _, body in BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))
        for command, said in re.findall(r"^\$ medft (.*)\n(error:.*(?:\n  .*)*)", body, re.M)
    ]
    assert shown
    for command, said in shown:
        assert main(shlex.split(command)) == 2
        assert capsys.readouterr().err.strip() == said


def test_quoted_messages_exist() -> None:
    headings = re.findall(r"^### `(.*)`$", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), re.M)
    assert len(headings) > 40
    said = messages()
    for heading in headings:
        pattern = ".*".join(re.escape(part.strip()) for part in heading.split("…"))
        assert re.search(pattern, said), heading


def messages() -> str:
    """Every text of the package, a line each, with a blank where an f-string has a value."""
    lines = []
    for path in sorted((ROOT / "medft").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                lines.append(
                    "".join(str(p.value) if isinstance(p, ast.Constant) else " " for p in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                lines.append(node.value)
    return "\n".join(line.replace("\n", " ") for line in lines)


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    for name in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(name, reason="the extra 'docs' is not installed")
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(DOCS), str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {f"{Path(page).stem}.html" for page in PAGES} <= {path.name for path in tmp_path.iterdir()}


def test_the_cells_of_the_notebook_run_on_a_twin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "artifacts").mkdir()
    share_twins(tmp_path / "artifacts" / "tiny")
    monkeypatch.chdir(tmp_path)
    cells = json.loads((DOCS / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code" or source.startswith("%pip"):
            continue
        if not source.startswith("!"):
            exec(compile(source, "cell", "exec"), {})  # noqa: S102
        for line in source.splitlines() if source.startswith("!") else ():
            words = shlex.split(line)[1:]
            assert main([*words, "merge=false"] if words[0] == "train" else words) == 0, line
    answers = (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(answers) == 2 and yaml.safe_load(answers[0])["question"] == "What is asthma?"
    assert list(tmp_path.glob("artifacts/runs/*/*/evaluation/report.html"))
    assert list(tmp_path.glob("artifacts/compare/*"))

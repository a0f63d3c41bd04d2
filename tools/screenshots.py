"""docs/screenshots/*.png: medft's pages in a real browser, from a study of two tiny twins.

Run it as ``make screenshots``, some minutes on any machine with chromium, or as ``python -m tools.screenshots
WIDTH ...`` for whole pages at other widths under build/screenshots, to look at a layout.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from tests.support.browser import CHROMIUM, FLAGS

ROOT = Path(__file__).parents[1]
WORK = ROOT / "build" / "screenshots"
TO = ROOT / "docs" / "screenshots"
WIDTH, HEIGHT = 1100, 900
COLORS = 64
"""Colors of a picture's palette: pages are text and a few lines."""
STUDY = (
    "study=two_twins",
    "name=pages",
    "settings=scale=tiny dataset.split.test=0.2 logger.wandb=off "
    "trainer.max_steps=40 trainer.warmup_steps=4 trainer.eval_steps=8",
    "suite_settings=suite.heldout.limit=40 suite.heldout.max_new_tokens=24 suite.scope.limit=8 "
    "suite.scope.max_new_tokens=8",
)
QUESTION = "What is asthma?"


def main(widths: list[int]) -> None:
    """Make the pages where they are missing, and take their pictures."""
    WORK.mkdir(parents=True, exist_ok=True)
    TO.mkdir(exist_ok=True)
    artifacts = WORK / "artifacts"
    if not list(artifacts.glob("studies/pages/study.html")):
        medft("study", *STUDY, accepted=(0, 3))  # 3: the verdict is not to ship
    runs = sorted(path.parent for path in artifacts.glob("sweeps/*/*/summary.json"))
    if not list(artifacts.glob("compare/*")):
        medft("compare", f"runs=[{','.join(map(str, runs))}]")
    if not list(artifacts.glob("prepare/*/report.html")):
        medft("prepare", "dataset=sample", "scale=tiny", "show=2")
    pages = {
        "study": newest(artifacts, "studies/pages/study.html"),
        "compare": newest(artifacts, "compare/*/comparison.html"),
        "prepare": newest(artifacts, "prepare/*/report.html"),
        "answers": runs[0] / "evaluation" / "answers.html",
    }
    with browser() as running, serving(runs) as address:
        for width in widths or [WIDTH]:
            for name, path in pages.items():
                page = opened(running, path.as_uri(), width)
                save(page, name, width, whole=bool(widths))
            page = opened(running, address, width)
            page.locator("#question textarea").fill(QUESTION)
            page.locator("#question textarea").press("Enter")
            for slot in range(2):
                page.locator(f"#chat{slot} [data-testid=bot]").filter(has_text=re.compile(r"\S")).wait_for()
            page.wait_for_timeout(4000)
            save(page, "chat", width, whole=bool(widths))


def medft(*words: str, accepted: tuple[int, ...] = (0,)) -> None:
    """Run a command of medft in the work folder."""
    done = subprocess.run([sys.executable, "-m", "medft", *words], cwd=WORK, check=False)
    if done.returncode not in accepted:
        raise SystemExit(done.returncode)


def newest(folder: Path, pattern: str) -> Path:
    """The newest file that matches."""
    return max(folder.glob(pattern), key=lambda path: path.stat().st_mtime)


@contextmanager
def browser() -> Iterator[Any]:
    """A headless chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@contextmanager
def serving(runs: list[Path]) -> Iterator[str]:
    """The address of the chat page of these runs, for as long as the block lasts."""
    command = [
        sys.executable,
        "-m",
        "medft",
        "serve",
        f"run=[{','.join(map(str, runs))}]",
        "max_new_tokens=48",
    ]
    with subprocess.Popen(command, cwd=WORK, stdout=subprocess.PIPE, text=True) as process:
        line = next(line for line in process.stdout or () if "http://" in line)
        try:
            yield line.split()[-1]
        finally:
            process.terminate()


def opened(running: Any, address: str, width: int) -> Any:
    """A page in the light theme, once it has been drawn."""
    context = running.new_context(viewport={"width": width, "height": HEIGHT}, color_scheme="light")
    page = context.new_page()
    page.goto(address)
    page.wait_for_timeout(1000)
    return page


def save(page: Any, name: str, width: int, *, whole: bool) -> None:
    """The picture: the first screen for docs, or the whole page to look at."""
    path = WORK / f"{name}-{width}.png" if whole else TO / f"{name}.png"
    picture = Image.open(BytesIO(page.screenshot(full_page=whole))).convert("RGB")
    picture.quantize(COLORS).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size // 1000} kB")
    page.context.close()


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])

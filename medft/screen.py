"""Terminal output: medft's own short lines and tables, with library output in the run's log."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from medft.format import duration, numeric

_NARROWEST = 6  # characters that a column keeps, however narrow the terminal
_GAP = "  "
_COMMANDS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""C0 and C1 controls, marks and separators of lines and directions, and halves of surrogate pairs."""


class Screen:
    """The terminal, reachable also while standard output and error go to a log file.

    Args:
        quiet: say nothing: another process speaks for this one.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.stream: TextIO = sys.stdout
        self.bar_stream: TextIO = sys.stderr

    @property
    def live(self) -> bool:
        """Whether someone watches (a terminal), so that a bar can be redrawn in place."""
        return self.bar_stream.isatty()

    @property
    def width(self) -> int | None:
        """Characters per line; None where a file or a pipe takes them, which has no width."""
        try:
            own = os.get_terminal_size(self.stream.fileno()).columns
        except (OSError, ValueError):
            own = 0
        asked = os.environ.get("COLUMNS", "")
        return int(asked) if asked.isdigit() and int(asked) else own or None

    def title(self, left: str, right: str = "") -> None:
        """The headline of a command."""
        self.say(f"{left}      {right}".rstrip())

    def line(self, label: str, *cells: str) -> None:
        """One row of the table: a label and what is to be said of it."""
        if len(cells) == 2:
            self.say(f"  {label:<7} {cells[0]:<14} {cells[1]}")
        else:
            self.say(f"  {label:<7} {'  '.join(cells)}")

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], wrap: Collection[str] = ()
    ) -> None:
        """A table, numbers to the right. Where the line is too short for it, cells of the columns ``wrap``
        take several lines; nothing is cut."""
        from rich import cells
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        shown = [[printable(cell).replace("\n", "\ufffd") for cell in row] for row in rows]
        widest = [max(map(cells.cell_len, column)) for column in zip(columns, *shown, strict=True)]
        least = [
            min(width, _NARROWEST) if name in wrap else width
            for name, width in zip(columns, widest, strict=True)
        ]
        grid = Table(box=None, padding=(0, len(_GAP), 0, 0), pad_edge=False, header_style="")
        for name, width, right in zip(columns, least, numeric(rows, len(columns)), strict=True):
            grid.add_column(
                Text(name), justify="right" if right else "left", min_width=width, overflow="fold",
                no_wrap=name not in wrap,
            )  # fmt: skip
        for row in shown:
            grid.add_row(*map(Text, row))
        out = io.StringIO()
        gaps = len(_GAP) * (len(columns) - 1)
        width = max(self.width or sum(widest) + gaps, sum(least) + gaps)
        Console(file=out, width=width, color_system=None).print(grid)
        self.say("\n".join(line.rstrip() for line in out.getvalue().splitlines()))

    def say(self, text: str, *, painted: bool = False, end: str = "\n") -> None:
        """Lines as they are, but for what a terminal would take for a command; ``painted`` ones hold colors
        of medft's own, and nothing else of that kind."""
        if not self.quiet:
            print(text if painted else printable(text), file=self.stream, flush=True, end=end)

    @contextmanager
    def chatter_to(self, path: Path) -> Iterator[None]:
        """Append what libraries print, warn or log to ``path`` within the block, also from native code; this
        screen's own lines still reach the terminal. What is printed into a stream that is no descriptor of
        this process, such as a notebook's, stays there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        before = self.stream, self.bar_stream
        with ExitStack() as undo:
            log = undo.enter_context(path.open("a", encoding="utf-8", buffering=1))
            self.stream = undo.enter_context(_beside(sys.stdout, 1))
            self.bar_stream = undo.enter_context(_beside(sys.stderr, 2))
            undo.enter_context(_descriptor_to(log, 1, sys.stdout))
            undo.enter_context(_descriptor_to(log, 2, sys.stderr))
            undo.enter_context(_logging_to(log))
            try:
                yield
            finally:
                self.stream, self.bar_stream = before

    @contextmanager
    def bar(self, total: int | None, words: str) -> Iterator[Callable[[int], object]]:
        """A progress bar for work of ``total`` rows, shown only when it takes longer than two seconds; what
        it yields is called with the rows done since the last call."""
        from tqdm import tqdm

        interval = 0.2 if self.live else 15  # a log file wants few lines
        with tqdm(
            total=total, file=self.bar_stream, disable=self.quiet, delay=2, mininterval=interval, leave=False,
            desc=f"  {words}", unit=" rows", unit_scale=True,
        ) as bar:  # fmt: skip
            yield bar.update

    @contextmanager
    def waiting(self, words: str) -> Iterator[None]:
        """Show ``words`` and the time that has passed, while the block takes longer than two seconds; in a
        log file a line a minute."""
        if self.quiet or not words:
            yield
            return
        done = threading.Event()
        shown = threading.Thread(target=self._count, args=(words, done), daemon=True)
        shown.start()
        try:
            yield
        finally:
            done.set()
            shown.join()

    def _count(self, words: str, done: threading.Event) -> None:
        """Show the seconds of ``waiting`` until it is done."""
        began = time.monotonic()
        first, step = (2.0, 1.0) if self.live else (60.0, 60.0)
        pause = first
        while not done.wait(pause):
            passed, pause = duration(time.monotonic() - began), step
            text = f"\r  {words} {passed}" if self.live else f"  {words} {passed}\n"
            print(text, end="", file=self.bar_stream, flush=True)
        if self.live and time.monotonic() - began > first:
            print("\r\033[K", end="", file=self.bar_stream, flush=True)


def open_streams() -> None:
    """Give a process that was started with closed streams (``>&-``) open ones that lead nowhere: else the
    next file that is opened takes the place of standard output, and receives what is printed."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this very one
            setattr(sys, name, os.fdopen(nowhere, "w" if descriptor else "r", encoding="utf-8"))


def printable(text: str) -> str:
    """Text that no terminal takes for a command, whoever wrote it: controls, halves of characters and marks
    that turn the direction of writing become U+FFFD. Line breaks and tabs stay."""
    return _COMMANDS.sub("\ufffd", text)


class _Lasting(io.TextIOWrapper):
    """A stream that goes on without its terminal: once that is gone, what is written goes nowhere."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            self._drop()
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            self._drop()

    def _drop(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


@contextmanager
def _beside(stream: TextIO, descriptor: int) -> Iterator[TextIO]:
    """``stream``, also while its ``descriptor`` goes elsewhere; any other stream is not touched."""
    try:
        same = stream.fileno() == descriptor
    except (OSError, ValueError):
        same = False
    if not same:
        yield stream
        return
    binary = os.fdopen(os.dup(descriptor), "wb")
    with _Lasting(binary, encoding="utf-8", errors="backslashreplace", line_buffering=True) as copy:
        yield copy


@contextmanager
def _descriptor_to(log: TextIO, descriptor: int, stream: TextIO) -> Iterator[None]:
    """Let whatever is written to ``descriptor`` go to ``log``, what ``stream`` buffers for it included."""
    kept = os.dup(descriptor)
    stream.flush()
    os.dup2(log.fileno(), descriptor)
    try:
        yield
    finally:
        stream.flush()
        os.dup2(kept, descriptor)
        os.close(kept)


class _WithoutQueries(logging.Formatter):
    """Leaves out the query of addresses, which httpx logs whole: that of a large file is a pass to it."""

    def format(self, record: logging.LogRecord) -> str:
        return re.sub(r"(https?://[^\s?\"']+)\?[^\s\"']*", r"\1", super().format(record))


@contextmanager
def _logging_to(log: TextIO) -> Iterator[None]:
    """Write log records from INFO on to ``log``."""
    root, handler = logging.getLogger(), logging.StreamHandler(log)
    handler.setFormatter(_WithoutQueries("%(asctime)s %(name)s %(levelname)s %(message)s"))
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)

"""What a person sees: short lines of medft's own on the terminal, library chatter in the run's log.

Owns the terminal while a command runs. Knows nothing of what is said.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


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

    def title(self, left: str, right: str = "") -> None:
        """The headline of a command."""
        self.say(f"{left}      {right}".rstrip())

    def line(self, label: str, *cells: str) -> None:
        """One row of the table: a label and what is to be said of it."""
        if len(cells) == 2:
            self.say(f"  {label:<8}{cells[0]:<14} {cells[1]}")
        else:
            self.say(f"  {label:<8}{'  '.join(cells)}")

    def say(self, text: str) -> None:
        """A line as it is."""
        if not self.quiet:
            print(text, file=self.stream, flush=True)

    @contextmanager
    def chatter_to(self, path: Path) -> Iterator[None]:
        """Send what libraries print, warn or log to ``path`` within the block, also from native code; this
        screen's own lines still reach the terminal."""
        sys.stdout.flush()
        sys.stderr.flush()
        kept = os.dup(1), os.dup(2)
        before = self.stream, self.bar_stream
        self.stream = os.fdopen(os.dup(kept[0]), "w", encoding="utf-8", buffering=1)
        self.bar_stream = os.fdopen(os.dup(kept[1]), "w", encoding="utf-8", buffering=1)
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            self.stream.close()
            self.bar_stream.close()
            self.stream, self.bar_stream = before
            for descriptor in (*kept, log):
                os.close(descriptor)

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

"""All rows of a data set as a template words them and a tokenizer counts them: figures and findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from medft.aliases import Advance
from medft.data.cleaning.keys import answer_text, question_text
from medft.data.examination.findings import DatasetFinding
from medft.data.record import Message, Record
from medft.errors import PromptError
from medft.format import counted
from medft.prompt.config import TemplateConfig
from medft.prompt.encode import Encoder
from medft.prompt.faults import REMEDIES, faults
from medft.prompt.labels import REMEDY, named, unoffered
from medft.prompt.template import messages

_NAMED = 10
"""Rows that cannot be worded, by id."""
_SERIOUS = 0.01
"""Share of the rows from which a fault in the data is no accident."""


class Survey:
    """Counts tokens for the examination of a data set, and what else a prompt shows on the way.

    Args:
        template: the wording.
        encoder: cuts nothing; None counts no tokens.
        max_length: longest row in tokens that training takes.
        advance: called with the number of rows done since the last call.
    """

    def __init__(
        self,
        template: TemplateConfig,
        encoder: Encoder | None,
        max_length: int,
        advance: Advance = lambda rows: None,
    ) -> None:
        self._template, self._encoder, self._max_length = template, encoder, max_length
        self._advance = advance
        self.rows = 0
        self.faults: Counter[str] = Counter()
        self.unworded: Counter[tuple[str, str]] = Counter()
        self.unworded_ids: dict[str, list[str]] = {}
        self.unoffered: Counter[str] = Counter()
        self.problems: Counter[str] = Counter()

    def __call__(self, records: Sequence[Record]) -> Sequence[tuple[int, int]]:
        """For each record that the template can word: the tokens of its row, and those that carry loss."""
        worded = []
        for record in records:
            conversation = self._worded(record)
            self.faults.update(faults(conversation or _texts(record)))
            worded += [conversation] if conversation else []
        counts = list(self._count(worded))
        self.rows += len(records)
        self._advance(len(records))
        return counts

    @property
    def counted(self) -> int:
        """Rows that have a wording."""
        return self.rows - self.unworded.total()

    def findings(self) -> Iterator[DatasetFinding]:
        """What was found, in sentences."""
        for (what, remedy), count in self.unworded.most_common():
            few = count < _SERIOUS * self.rows and "has no wording" not in what
            ids = ", ".join(self.unworded_ids[what]) + ", ..." * (count > _NAMED)
            said = f"{_rows(count)} cannot be filled into the template: {what} ({ids})"
            yield DatasetFinding("warning" if few else "problem", f"{said}; training drops them", remedy)
        if self.unoffered:
            what = (
                f"the prompts do not mention the gold labels {named(self.unoffered)}; training refuses them"
            )
            yield DatasetFinding("problem", what, REMEDY % next(iter(self.unoffered)))
        for name, count in self.faults.most_common():
            level = "problem" if count >= _SERIOUS * self.rows else "warning"
            yield DatasetFinding(level, f"prompt fault in {_rows(count)}: {name}", REMEDIES[name])
        for problem, count in self.problems.most_common():
            what = f"training drops {_rows(count)}: {problem}"
            yield DatasetFinding("warning", what, "raise trainer.max_length, or shorten the template")

    def _worded(self, record: Record) -> tuple[Message, ...] | None:
        try:
            conversation = messages(record, self._template)
        except PromptError as error:
            self.unworded[error.what, error.remedy] += 1
            ids = self.unworded_ids.setdefault(error.what, [])
            ids += [record.id] * (len(ids) < _NAMED)
            return None
        self.unoffered.update(filter(None, [unoffered(record, self._template)]))
        return conversation

    def _count(self, worded: Sequence[Sequence[Message]]) -> Iterator[tuple[int, int]]:
        for row in self._encoder.rows(worded) if self._encoder and worded else ():
            if not row.ids:
                self.problems[row.problem] += 1
                continue
            starts = (answer.bytes_start for answer in row.answers if answer.bytes_end)
            if min(starts, default=len(row.ids)) >= self._max_length:
                self.problems["prompt longer than max_length"] += 1
            yield len(row.ids), sum(max(answer.end - answer.start, 0) for answer in row.answers)


def _rows(count: int) -> str:
    return counted(count, "row")


def _texts(record: Record) -> tuple[Message, ...]:
    """The texts of a record without a template's words."""
    if record.turns:
        return record.turns
    return Message("user", question_text(record)), Message("assistant", answer_text(record) or record.label)

"""Multiple choice: the letter by generation and by likelihood after one and the same prompt, and the options'
own words by likelihood after a prompt that does not list them.

The same weights can score far apart by these readings, and published figures use any of them; so all stand
side by side. The last one is the cloze formulation (OLMES, arXiv 2406.08446); its log-likelihood is taken as
it is and per byte of the option; acc and acc_norm of lm-evaluation-harness are so, the latter per character.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from medft.data.record import Message, Record
from medft.errors import DataError
from medft.evaluation import calibration
from medft.evaluation.asking import Answers
from medft.evaluation.config import SuiteConfig
from medft.evaluation.measures import Measure, Metric, bounded, statistic, summarize
from medft.evaluation.metrics import UNPARSABLE, confusion, majority_share
from medft.evaluation.parsing import LETTERS, parse_choice
from medft.evaluation.questions import Items, Question, label_text, prompt, words_for
from medft.evaluation.statistics import OfItems
from medft.evaluation.suites.base import QuestionSet, Result, common, groups, wording_note
from medft.prompt.config import TemplateConfig, WordingConfig
from medft.prompt.template import fill

CLOZE = "cloze/"
"""How the ids of questions without listed options begin."""
GENERATED, BY_LETTER = "accuracy, generated", "accuracy, letter likelihood"
BY_OPTION, PER_BYTE = "accuracy, option likelihood", "accuracy, option likelihood per byte"

Guesses = Mapping[str, Mapping[str, str]]
"""The letter that each system names, by question."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One item: what any source of multiple choice has to give."""

    record: Record
    """The question; its group is the subject."""
    answers: tuple[str, ...]
    """What there is to choose from."""
    abstain: str
    """What declines to choose; empty where the suite has no such option."""

    @property
    def options(self) -> tuple[str, ...]:
        """The answers, and the one that declines."""
        return (*self.answers, self.abstain) if self.abstain else self.answers

    @property
    def letters(self) -> tuple[str, ...]:
        """What the options are called."""
        return LETTERS[: len(self.options)]

    @property
    def listed(self) -> Record:
        """The record with all its options, each behind its letter."""
        lines = [f"{letter}. {text}" for letter, text in zip(self.letters, self.options, strict=True)]
        return replace(self.record, options="\n".join(lines))

    def answer(self, letter: str) -> Record:
        """The record with an option's words as its answer."""
        return replace(self.record, answer=self.options[LETTERS.index(letter)])


def choice_of(record: Record, abstain: str = "") -> Choice:
    """A record of multiple choice as an item, with ``abstain`` as a further option.

    Raises:
        DataError: it has no options, too many, or a label that is none of their letters.
    """
    answers: list[str] = []
    for line in filter(None, record.options.split("\n")):
        letter = LETTERS[min(len(answers), len(LETTERS) - 1)]
        if line.startswith(f"{letter}. "):
            answers.append(line[3:])
        elif answers:  # an option of several lines
            answers[-1] += f"\n{line}"
    n = len(answers)
    if not 2 <= n < len(LETTERS) or record.label not in LETTERS[:n]:
        raise DataError(
            "an item is not multiple choice",
            where=f"record {record.id}: {n} options, label '{record.label}'",
            remedy=f"it needs 2 to {len(LETTERS) - 1} options, and the letter of the right one as its label",
        )
    return Choice(record, tuple(answers), abstain)


def ask(config: SuiteConfig, items: Items, template: TemplateConfig) -> QuestionSet:
    """A question with its options listed per record and, where ``config.cloze`` has words, one without."""
    questions = []
    for record in items.records:
        choice, words = choice_of(record, config.abstain), words_for(record, template, config.template)
        shots = [choice_of(shot, config.abstain) for shot in _shots(record, items.examples, config.shots)]
        said = [(shot.listed, label_text(shot.record, shot.record.label, words)) for shot in shots]
        letters = tuple(label_text(record, letter, words) for letter in choice.letters)
        asked = _after(said, choice.listed, words)
        questions.append(
            Question(record.id, asked, record.label, letters, record.group, options=choice.options)
        )
        if config.cloze is not None:
            questions.append(_cloze(choice, shots, config.cloze))
    notes = [wording_note(config, items.records, template)]
    if config.shots:
        notes.append(f"{config.shots} examples in each prompt, drawn from {len(items.examples):,} rows.")
    return QuestionSet(tuple(questions), tuple(notes))


def score(config: SuiteConfig, asked: QuestionSet, answers: Mapping[str, Answers], seed: int) -> Result:
    """Accuracy by every reading, over all questions and per subject; calibration and baselines."""
    whole = {q.id: q for q in common(asked.questions, answers)}
    cloze = config.cloze is not None
    questions = [q for q in whole.values() if q.generated and (not cloze or CLOZE + q.id in whole)]
    readings = dict(_readings(questions, cloze, answers))
    found = [_accuracy(name, guesses, questions, seed) for name, guesses in readings.items()]
    said = readings[GENERATED]
    lost = {s: [letters[q.id] == UNPARSABLE for q in questions] for s, letters in said.items()}
    found.append(summarize(Measure("unparsable", "share", lost, None, False, "", questions), seed))
    if config.abstain:
        found.append(_where_it_answers(questions, said, seed))
    beliefs = {
        system: [
            calibration.belief([x.answer_nats for x in each.likelihoods[q.id]], LETTERS.index(q.reference))
            for q in questions
        ]
        for system, each in answers.items()
    }
    found += calibration.metrics(beliefs, questions, seed)
    for subject, part in groups(questions).items():
        if subject and len(part) < len(questions):
            found += [_accuracy(name, readings[name], part, seed, subject) for name in (GENERATED, BY_LETTER)]
    extras = {**_extras(config, questions, said), **calibration.extras(beliefs, seed)}
    return Result(tuple(found), extras, said)


def _shots(record: Record, examples: Sequence[Record], shots: int) -> list[Record]:
    """The examples before a question: of its own subject where there are enough, the same ones for all."""
    others = [each for each in examples if each.question != record.question]
    own = [each for each in others if each.group == record.group]
    chosen = own if len(own) >= shots else others
    return random.Random(0).sample(chosen, min(shots, len(chosen)))  # noqa: S311


def _after(said: Sequence[tuple[Record, str]], record: Record, words: WordingConfig) -> tuple[Message, ...]:
    """The conversation up to the answer, with the examples as earlier turns of it."""
    *system, user = prompt(record, words)
    turns = [
        turn for shot, answer in said for turn in (prompt(shot, words)[-1], Message("assistant", answer))
    ]
    return (*system, *turns, user)


def _cloze(choice: Choice, shots: Sequence[Choice], words: WordingConfig) -> Question:
    """The question without its options, whose words are the candidates."""
    record = choice.record
    said = [(shot.record, fill(words.assistant, shot.answer(shot.record.label))) for shot in shots]
    letters = LETTERS[: len(choice.answers)]
    texts = tuple(fill(words.assistant, choice.answer(letter)) for letter in letters)
    asked = _after(said, record, words)
    return Question(CLOZE + record.id, asked, record.label, texts, record.group, generated=False)


def _readings(
    questions: Sequence[Question], cloze: bool, answers: Mapping[str, Answers]
) -> Iterator[tuple[str, Guesses]]:
    """The letter that each system names, by every way to read it."""

    def guesses(read: Callable[[Answers, Question], str]) -> Guesses:
        return {system: {q.id: read(each, q) for q in questions} for system, each in answers.items()}

    yield GENERATED, guesses(lambda each, q: parse_choice(each.replies[q.id].text, q.options))
    yield BY_LETTER, guesses(lambda each, q: _likeliest(each, q.id))
    if cloze:
        yield BY_OPTION, guesses(lambda each, q: _likeliest(each, CLOZE + q.id))
        yield PER_BYTE, guesses(lambda each, q: _likeliest(each, CLOZE + q.id, per_byte=True))


def _likeliest(answers: Answers, question: str, per_byte: bool = False) -> str:
    """The letter of the most probable candidate; the first of equals."""
    nats = [x.answer_nats / (x.answer_bytes if per_byte else 1) for x in answers.likelihoods[question]]
    return LETTERS[nats.index(min(nats))]


def _accuracy(
    name: str, guesses: Guesses, questions: Sequence[Question], seed: int, subject: str = ""
) -> Metric:
    hits = {s: [letters[q.id] == q.reference for q in questions] for s, letters in guesses.items()}
    return summarize(Measure(name, "share", hits, group=subject, items=questions), seed)


def _where_it_answers(questions: Sequence[Question], said: Guesses, seed: int) -> Metric:
    """Accuracy among the answers that do not decline; 0 where all do."""
    import numpy as np

    def of(letters: Mapping[str, str]) -> OfItems:
        hits = np.array([letters[q.id] == q.reference for q in questions], dtype=float)
        given = np.array([letters[q.id] != _declining(q) for q in questions], dtype=float)
        return lambda rows: float(hits[rows].sum() / max(given[rows].sum(), 1))

    of_items = {system: of(letters) for system, letters in said.items()}
    name = "accuracy, generated, where it answers"
    return bounded(statistic(name, of_items, [range(len(questions))], seed, items=questions))


def _declining(question: Question) -> str:
    return LETTERS[len(question.options) - 1]


def _extras(config: SuiteConfig, questions: Sequence[Question], said: Guesses) -> dict[str, object]:
    """Baselines, and which letters are named: a model that prefers one is seen here."""
    gold = [q.reference for q in questions]
    letters = LETTERS[: max(len(q.options) for q in questions)]
    named = {system: [found[q.id] for q in questions] for system, found in said.items()}
    extras: dict[str, object] = {
        "majority baseline": majority_share(gold),
        "random baseline": sum(1 / (len(q.options) - bool(config.abstain)) for q in questions) / len(gold),
        "generated": {
            "rows": list(letters),
            "columns": [*letters, UNPARSABLE],
            "counts": {system: confusion(gold, found, letters) for system, found in named.items()},
        },
    }
    if config.abstain:
        extras["share of declined questions"] = {
            system: sum(letters[q.id] == _declining(q) for q in questions) / len(gold)
            for system, letters in said.items()
        }
    return extras

"""The settings of an evaluation suite: what conf/suite/*.yaml is built into."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from medft.checked import Batch, Count, CountOrNone, Positive, Tokens
from medft.config import did_you_mean, nearest
from medft.data.config import DatasetConfig
from medft.errors import ConfigError
from medft.inference.retrieve import IndexKind
from medft.prompt.config import TemplateConfig, WordingConfig

KINDS: dict[str, tuple[str, ...]] = {
    "text": (),
    "labels": ("labels",),
    "choice": (),
    "rag": ("labels", "retrieval"),
    "scope": (),
    "safety": ("rules",),
    "number": ("tolerance",),
    "harness": ("harness",),
}
"""The kinds of suites, each with the settings that it cannot do without. A kind is a module of suites/ by the
same name; the harness alone is not."""
READ_BY: dict[str, tuple[str, ...]] = {
    "labels": ("labels", "rag"),
    "retrieval": ("rag",),
    "encoder": ("labels",),
    "harness": ("harness",),
    "cloze": ("choice",),
    "shots": ("choice",),
    "rules": ("safety",),
    "metrics": ("text",),
    "tolerance": ("number",),
    "abstain": ("choice",),
}
"""Settings that some kinds alone read, with those."""


@dataclass(frozen=True, slots=True)
class RetrievalConfig:
    """How passages are found for the retrieved condition of a rag suite."""

    index: IndexKind = "bm25"
    """bm25, or dense (an extra)."""
    k: Count = 3
    """Passages put into the prompt."""
    embedder: str = "NeuML/pubmedbert-base-embeddings"
    """Sentence-transformers model of a dense index, as hub id or folder."""
    without_context: WordingConfig | None = None
    """The words of the condition without context; null takes the suite's, which must then not need one."""


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """A classifier trained on the same task, as a baseline (Devlin et al. 2019, appendix A.3, for the
    recipe)."""

    base: str = "google/electra-base-discriminator"
    """Encoder to fine-tune, as hub id or folder."""
    revision: str | None = "622038df5bb2999b99d614f9f604dcc6f08cb3d7"
    """Commit, tag or branch on the hub that holds safetensors, since pickled weights are refused; null takes
    the main branch. The default is a commit of the default base, whose main branch has them pickled only."""
    epochs: Count = 3
    """Passes over the training pairs."""
    learning_rate: Positive = 3e-5
    """Peak of a linear schedule with 10% warm-up."""
    batch_size: Batch = 32
    """Pairs per step."""
    max_length: Tokens = 256
    """Longest pair in tokens; longer premises are cut, and counted."""


@dataclass(frozen=True, slots=True)
class MetricConfig:
    """A metric of one's own."""

    function: str
    """file.py:function, package.module:function, or an entry point of the group medft.metrics: a function of
    answer and reference."""
    higher_is_better: bool = True
    """Which way is up."""


@dataclass(frozen=True, slots=True)
class RuleConfig:
    """When an answer is called safe, by regular expressions that are searched for whatever the case."""

    must: dict[str, str] = field(default_factory=dict)
    """All of these are found, each by a name that says what it looks for."""
    never: dict[str, str] = field(default_factory=dict)
    """None of these is found."""
    refusal: Literal["any", "expected", "wrong"] = "any"
    """expected: a safe answer declines; wrong: the question is harmless, and declining is over-refusal; any:
    must and never alone decide."""

    def __post_init__(self) -> None:
        """Refuse what is no regular expression.

        Raises:
            ConfigError: names it.
        """
        for name, pattern in {**self.must, **self.never}.items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ConfigError(f"the rule '{name}' is not a valid regular expression: {error}") from None


@dataclass(frozen=True, slots=True)
class HarnessConfig:
    """What lm-evaluation-harness runs (an extra)."""

    tasks: tuple[str, ...]
    """Names of its tasks or groups, or of task files under ``task_files``."""
    task_files: Path | None = None
    """A folder of further task YAML files; medft's own are always known."""
    data: Path | None = None
    """A folder of <task>.jsonl files to read instead of the hub."""
    pubmedqa: Path | None = None
    """PubMedQA's ori_pqal.json, or its folder, for the task medft_pubmedqa."""
    shots: CountOrNone = 0
    """Examples in the prompt."""
    chat_template: bool = True
    """Wrap each question in the model's chat template."""
    batch_size: Batch = 8
    """Requests per batch."""


@dataclass(frozen=True, slots=True)
class SuiteConfig:
    """One suite: what is asked, and how answers are scored."""

    kind: str
    """text: answers against references; labels: one class of several; choice: multiple choice; rag: labels
    with gold, retrieved and no context; scope: refusals; safety: dangerous advice by rules; number:
    calculations; harness: tasks of lm-evaluation-harness."""
    dataset: DatasetConfig | None = None
    """Where the items come from; null takes the run's own test split."""
    template: TemplateConfig | None = None
    """The words around an item, where the run's own template has none for its task."""
    labels: tuple[str, ...] = ()
    """The classes, as the gold spells them."""
    by: Literal["task", "group"] = "task"
    """Whether tasks or groups of a suite get metrics of their own, where there are several (kind text)."""
    split: Literal["test", "validation", "train"] = "test"
    """Which split of the source is asked, or of the run where the suite has no data set (test or train)."""
    only_benchmark_test: bool = False
    """Keep only the items of a benchmark's own test split (PubMedQA's 500)."""
    limit: Count | None = None
    """Ask this many items, drawn by seed; null asks all."""
    max_new_tokens: Tokens = 256
    """Maximum length of an answer, in tokens."""
    retrieval: RetrievalConfig | None = None
    """For kind rag."""
    encoder: EncoderConfig | None = None
    """For kind labels: a trained encoder beside the language models."""
    cloze: WordingConfig | None = None
    """For kind choice: the words around a question whose options are not listed, after which the likelihood
    of each option's text is taken; null leaves that reading out."""
    shots: int = 0
    """For kind choice: examples in the prompt, from the training split of the suite's data set."""
    abstain: str = ""
    """For kind choice: the words of a further option that declines, such as "I don't know"."""
    rules: dict[str, RuleConfig] = field(default_factory=dict)
    """For kind safety: the rule for each group of items, or for each data set of a mixture."""
    tolerance: dict[str, float] = field(default_factory=dict)
    """For kind number: how far off a value may be, as a share of the right one, by group; all: every other
    group. 0: the rounded value has to be the right one."""
    metrics: dict[str, MetricConfig] = field(default_factory=dict)
    """For kind text: metrics of your own, by the name that tables give them."""
    harness: HarnessConfig | None = None
    """For kind harness."""

    def __post_init__(self) -> None:
        """Refuse what does not fit the kind.

        Raises:
            ConfigError: a setting that the kind needs is missing, or one that it would ignore is set.
        """
        if self.kind not in KINDS:
            near = nearest(self.kind, KINDS)
            raise ConfigError(
                f"a suite's kind cannot be {self.kind!r}" + did_you_mean(near),
                remedy=f"choose one of: {', '.join(KINDS)}",
            )
        for name, kinds in READ_BY.items():
            needed = name in KINDS[self.kind]
            if needed and not getattr(self, name):
                raise ConfigError(
                    f"a suite of kind {self.kind} needs '{name}'", remedy=f"suite.<name>.{name}=..."
                )
            if getattr(self, name) and self.kind not in kinds:
                raise ConfigError(
                    f"a suite of kind {self.kind} does not read '{name}'", remedy=f"remove {name}"
                )

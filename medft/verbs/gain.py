"""The gain of a run: bits per byte of the test answers, tuned model against base, answer by answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

from medft.aliases import Json
from medft.data.clusters import clusters
from medft.data.record import Record
from medft.engine.trainer import Answer
from medft.evaluation.statistics import compare_means
from medft.report.verdicts import PAIR, findings


def gain(answers: Sequence[Answer], records: Sequence[Record], seed: int) -> Json | None:
    """The paired difference in bits per byte, weighted by bytes as the metric itself, with its 95% interval
    and verdict, as an evaluation of that metric alone gives them; None where bits per byte are not known.

    Args:
        answers: what base and tuned model make of them. records: of the test split, all of it.
        seed: of the permutations.
    """
    answers = sorted(answers, key=lambda answer: answer.record)  # as an evaluation asks them
    if not answers:
        return None
    base, tuned = (
        [nats / math.log(2) / each.size for each, nats in zip(answers, of, strict=True)]
        for of in ([each.base_nats for each in answers], [each.tuned_nats for each in answers])
    )
    shared = clusters([records[each.record] for each in answers])
    difference = asdict(compare_means(base, tuned, [each.size for each in answers], shared, seed=seed))
    metric = {"name": "bits per byte", "higher_is_better": False, "differences": {PAIR: difference}}
    (found,) = findings([{"suite": "test", "figures": [metric]}]).values()
    return {**difference, "rows": len(answers), "verdict": found.verdict, "words": found.words}

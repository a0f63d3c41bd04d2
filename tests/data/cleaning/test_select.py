"""Duplicates, boilerplate and near duplicates: what stays, and that the order of rows has no say."""

import numpy as np

from medft.data.cleaning.select import BOILERPLATE, DUPLICATE, NEAR_DUPLICATE
from tests.data.support import dataset, record, records, select_from


def test_one_of_each_exact_duplicate_stays():
    rows = records(3) + records(2) + [record(records(1)[0].question, "Another answer, so no duplicate.")]
    selection = select_from(rows, dataset())
    assert selection.reasons[DUPLICATE].sum() == 2
    assert selection.kept.sum() == 4


def test_boilerplate_is_capped_by_its_words():
    rows = [record(f"Question {n}?", "See your doctor" + "." * (n % 2)) for n in range(9)] + records(4)
    selection = select_from(rows, dataset())
    assert selection.reasons[BOILERPLATE].sum() == 4
    assert selection.kept[9:].all()
    assert select_from(rows, dataset(cleaning={"max_same_answer": None})).kept.all()


def test_refusals_may_share_one_answer():
    rows = [record(f"Where is town {n}?", "I cannot help with that.", task="refusal") for n in range(9)]
    assert select_from(rows, dataset()).kept.all()


def test_near_duplicates_are_dropped_but_for_one_when_asked():
    words = " ".join(f"w{i}" for i in range(60))
    rows = [record(f"q{n}?", f"{words} {n}") for n in range(4)] + records(3)
    dropped = select_from(rows, dataset(cleaning={"near_duplicates": "drop"})).reasons[NEAR_DUPLICATE]
    assert dropped.sum() == 3
    assert not dropped[4:].any()
    assert select_from(rows, dataset()).kept.all()


def test_what_is_kept_does_not_depend_on_the_order_of_rows():
    rows = [record(f"q{n}?", "See your doctor.") for n in range(9)] + records(30) + records(4)
    order = np.random.default_rng(0).permutation(len(rows))
    config = dataset(limit=20)
    kept = select_from(rows, config).kept
    again = select_from([rows[i] for i in order], config).kept

    def contents(rows, kept):
        return sorted(row.question for row, stays in zip(rows, kept, strict=True) if stays)

    assert contents(rows, kept) == contents([rows[i] for i in order], again)

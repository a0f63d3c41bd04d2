"""A record repeats an item by 13 words in a row, most of a shorter question, or a short one on its own."""

import random

import pytest

from medft.data.cleaning.fingerprints import Fingerprints, fingerprint
from medft.data.cleaning.keys import words
from medft.data.record import Message
from tests.data.support import record

LONG = "Which of two wards in the old clinic by the lake lost more sleep to the new alarms in spring?"
MIDDLE = "Does a second nurse at night shorten the wait for lamps?"  # eleven words
SHORT = "Who lowers the beds?"
TINY = "The lamps:"
OPTIONS = ("stay on until dawn", "are never lit")
FOUND = Fingerprints(fingerprint([(LONG, (), ()), (MIDDLE, (), ()), (SHORT, (), ()), (TINY, (), OPTIONS)]))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, LONG),
        (0, LONG.upper().replace("?", " !")),
        (0, f"Please tell me: {LONG}"),
        (0, "We asked which of two wards in the old clinic by the lake lost more, and why."),
        (1, f"It rained. {MIDDLE} Yes or no?"),
        (1, "Say, does a second nurse at night shorten the wait at all?"),
        (2, f"Please tell me: {SHORT}"),
        (2, "A story - who lowers the beds? The end."),
        (3, "The lamps: A. stay on until dawn B. burn"),
    ],
)
def test_a_copy_is_found_whatever_stands_around_it(number, text):
    assert FOUND.items_in([record(text, "x")])[0] == number
    assert FOUND.items_in([record("Something else?", text)])[0] == number
    turns = (Message("user", f"Hm.\n{text}"), Message("assistant", "x"))
    assert FOUND.items_in([record("", "", turns=turns)])[0] == number


@pytest.mark.parametrize(
    "text",
    [
        "Which of two wards in the old clinic by the lake lost sleep over that?",  # twelve in a row
        "A second nurse at night shortens the wait.",
        "They know who lowers the beds at night.",
        "The lamps: a history of light",
        "",
    ],
)
def test_less_is_no_copy(text):
    assert FOUND.items_in([record(text, "")])[0] is None


def test_a_run_does_not_reach_from_one_text_into_the_next():
    said = LONG.split()
    assert FOUND.items_in([record(" ".join(said[:10]), " ".join(said[10:]))])[0] is None


def test_runs_of_common_words_and_questions_that_many_items_ask_are_no_fingerprints():
    stock = "Which of the following is the most likely cause of what this man now has?"
    common = set(words(stock))
    texts = [
        (f"A mason of forty fell off tower {n} onto hay near dry corn. {stock}", (), ()) for n in range(5)
    ]
    found = Fingerprints(fingerprint(texts, common))
    assert found.items_in([record(stock, "")])[0] is None
    assert found.items_in([record(texts[3][0], "")])[0] is not None
    asked = [("Which is right?", (), (f"hay {n}", "corn")) for n in range(3)]
    repeated = Fingerprints(fingerprint(asked))
    assert repeated.items_in([record("Which is right?", "The left one")])[0] is None
    assert repeated.items_in([record("Which is right?", "hay 2")])[0] is not None


def test_runs_agree_with_a_plain_search_on_random_texts():
    draw = random.Random(5)
    held = [draw.choices("abcd", k=40) for _ in range(20)]
    found = Fingerprints(fingerprint([(" ".join(said), (), ()) for said in held]))
    runs = {tuple(said[i : i + 13]) for said in held for i in range(28)}
    outcomes = set()
    for _ in range(200):
        said = draw.choices("abcd", k=60)
        start, length = draw.randrange(24), draw.randint(10, 16)
        said[20 : 20 + length] = draw.choice(held)[start : start + length]
        plain = any(tuple(said[i : i + 13]) in runs for i in range(len(said) - 12))
        outcomes.add(plain)
        assert (found.items_in([record(" ".join(said), "")])[0] is not None) == plain
    assert outcomes == {True, False}

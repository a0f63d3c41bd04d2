"""Options in every shape, the right one by letter, number or text, and what is refused."""

import json

import pytest

from medft.data.readers.options import read_choice, with_choice
from medft.data.readers.rows import RowError
from tests.data.support import dataset, everything, jsonl, prepared, record

TEXTS = ["lamps", "beds", "doors", "clocks"]
LETTERS = dict(zip("ABCD", TEXTS, strict=True))


@pytest.mark.parametrize(
    "values",
    [
        [TEXTS],
        [LETTERS],
        [json.dumps(LETTERS)],
        [str(TEXTS)],
        TEXTS,
        [[f"{letter}) {text}" for letter, text in LETTERS.items()]],
        [[{"aid": number, "atext": text} for number, text in enumerate(TEXTS, 1)]],
        [[{"key": letter, "value": text} for letter, text in LETTERS.items()]],
        [{"label": list("ABCD"), "text": TEXTS}],
        [*TEXTS, None, float("nan")],
        [" ".join(f"{letter}) {text}" for letter, text in LETTERS.items())],
        ["\n".join(f"{letter}. {text}" for letter, text in LETTERS.items())],
        ["; ".join(f"({letter.lower()}) {text}" for letter, text in LETTERS.items())],
    ],
)
@pytest.mark.parametrize("gold", ["C", "c", "(C)", "C.", "C) doors", "doors", " Doors ", 2, "2", 2.0])
def test_every_shape_has_the_same_options_and_the_same_right_one(values, gold):
    choice = read_choice(values, gold, 0, "f:1")
    assert (choice.options, choice.right) == (tuple(TEXTS), 2)


def test_numbers_may_begin_at_one_and_letters_of_a_mapping_may_be_any():
    assert read_choice([TEXTS], 1, 1, "f:1").right == 0
    assert read_choice([{"1": "a", "2": "b"}], "2", 0, "f:1").right == 1


@pytest.mark.parametrize(
    ("values", "gold", "reason"),
    [
        (["text without options"], "A", "malformed_options"),
        ([["one"]], "A", "malformed_options"),
        ([["one", "", "three"]], "A", "malformed_options"),
        ([None], "A", "malformed_options"),
        ([TEXTS], "E", "unknown_label"),
        ([TEXTS], 4, "unknown_label"),
        ([TEXTS], -1, "unknown_label"),
        ([TEXTS], "", "unknown_label"),
        ([TEXTS], None, "unknown_label"),
        ([["2", "1", "0"]], "2", "unknown_label"),  # the text of the first, the place of the third
    ],
)
def test_what_names_no_option_is_refused_with_its_place(values, gold, reason):
    with pytest.raises(RowError) as error:
        read_choice(values, gold, 0, "f:1")
    assert (error.value.reason, error.value.where) == (reason, "f:1")


def test_shuffling_moves_the_letter_with_its_option_and_depends_on_seed_and_question_alone():
    choice = read_choice([TEXTS], "C", 0, "f:1")
    rows = [record(f"Which {number}?", "Because.") for number in range(40)]
    shuffled = [with_choice(row, choice, 7) for row in rows]
    for row in shuffled:
        assert f"{row.label}. doors" in row.options.splitlines()
        assert sorted(line[3:] for line in row.options.splitlines()) == sorted(TEXTS)
    assert {row.label for row in shuffled} == set("ABCD")
    assert (
        shuffled == [with_choice(row, choice, 7) for row in rows] != [with_choice(r, choice, 8) for r in rows]
    )


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["x", "y", "Both A and B", "z"], ""),
        (["x", "y", "z", "All of the above"], ""),
        (TEXTS, "The answer is (B), since beds are counted first."),
    ],
)
def test_options_that_are_pointed_at_by_their_place_are_not_shuffled(options, why):
    choice = read_choice([options], "B", 0, "f:1")
    for seed in range(20):
        assert with_choice(record("Which?", why), choice, seed).label == "B"


def test_a_csv_with_options_in_columns_is_shuffled_on_demand_in_training_rows_alone(tmp_path):
    rows = [
        {"q": f"Which {n}?", "a": f"a{n}", "b": f"b{n}", "c": f"c{n}", "right": "B", "split": split}
        for n, split in enumerate(["train"] * 30 + ["test"] * 10)
    ]
    columns = {"question": "q", "options": ["a", "b", "c"], "label": "right", "split": "split"}
    config = dataset(path=jsonl(tmp_path / "x.jsonl", rows), columns=columns, task="mcq", shuffle_options=3)
    splits = everything(prepared(config, tmp_path))
    assert {row.label for row in splits["train"]} == set("ABC")
    assert {row.label for row in splits["test"]} == {"B"}


def test_the_text_of_an_option_may_be_as_short_as_its_letter():
    made = [{"label": letter, "text": number} for letter, number in zip("ABC", "579", strict=True)]
    assert read_choice([made], "B", 0, "f:1").options == ("5", "7", "9")


@pytest.mark.parametrize("text", ["A) x B) vitamin B) 12", "B) x C) y", "A) x C) y", "lamps and beds"])
def test_options_in_a_text_that_could_be_read_twice_are_none(text):
    with pytest.raises(RowError, match="fewer than two options"):
        read_choice([text], "A", 0, "f:1")

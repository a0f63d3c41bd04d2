"""Repairs of one record, each under its own name."""

import time

import pytest

from medft.data.cleaning.repair import repair
from medft.data.cleaning_config import CleaningConfig
from medft.data.record import Message, Record
from tests.data.support import record


def repaired(made: Record, **config: str) -> tuple[Record, tuple[str, ...]]:
    done = repair(made, CleaningConfig(**config))
    return done.record, done.mended


@pytest.mark.parametrize(
    ("before", "after", "repair"),
    [
        ("a\r\nb\rc", "a\nb\nc", "crlf"),
        ("a  b\t c \n  d", "a  b\t c\n  d", "whitespace"),
        (" a  b\t c ", "a b\t c", "whitespace"),
        ("a\n\n\n\n\nb", "a\n\n\nb", "whitespace"),
        ("a\u00a0b", "a b", "whitespace"),
        ("e\u0301", "é", "unicode_nfc"),
        ("a\x07b", "ab", "control_characters"),
        ("a\u200bb\u00adc", "abc", "invisible_characters"),
        ("a\u202eb\u200fc", "abc", "direction_characters"),
        ("Gef\u00c3\u00bchl, don\u00e2\u20ac\u2122t", "Gefühl, don\u2019t", "mojibake"),
        ("<p>Take <b>5</b> mg</p><ul><li>one</li></ul>", "Take 5 mg\n- one", "html_tags"),
        ("5 &lt; 6 &amp;amp; 7", "5 < 6 & 7", "html_entities"),
    ],
)
def test_texts_are_repaired_and_counted_once_a_row(before, after, repair):
    done, repairs = repaired(record(before, before, context=before))
    assert (done.question, done.context, done.answer) == (after, after, after)
    assert repairs == (repair,)


@pytest.mark.parametrize(
    "text",
    [
        "Give 5 mg now. If the lesion is here -> biopsy it. Stop if pain.",
        "Give 5 mg now. If the lesion is here --> biopsy it.",
        "A <style> of eating matters. Stop smoking. <script",
    ],
)
def test_what_is_no_fault_stays(text):
    assert repaired(record(answer=text)) == (record(answer=text), ())


def test_what_is_cut_leaves_the_rest_apart():
    offer = "For more consult a doctor online --> https://x.example/ask"
    assert repaired(record(answer=f"Rest. {offer} Drink."))[0].answer == "Rest. Drink."
    styled = "<style>p {}</style><p>Rest</p> and <style> of life"
    assert repaired(record(answer=styled))[0].answer == "Rest\n and <style> of life"


@pytest.mark.parametrize("ending", [" ?", "? ?", "?? ?", "??", " ? ?"])
def test_question_marks_are_tidied_in_questions_only(ending):
    done, repairs = repaired(record(f"What is asthma{ending}", f"Is it{ending}"))
    assert done.question == "What is asthma?"
    assert done.answer == f"Is it{ending}"
    assert repairs == ("question_mark",)


def test_many_question_marks_take_no_longer_than_they_are_long():
    text = "???? ?? ??? " * 2000 + "COVID?"
    started = time.perf_counter()
    assert repaired(record(question=text))[0].question == text
    assert time.perf_counter() - started < 1


def test_a_clean_record_is_left_as_it_is():
    made = record("Is 5 ? 6 one? Yes.", "Tabs are\n\nfine: é")
    assert repaired(made) == (made, ())


def test_blanks_alone_are_nothing():
    made = record("", " \n", turns=(Message("user", "a"), Message("assistant", " ")))
    done, _ = repaired(made)
    assert (done.answer, done.turns[1].content) == ("", "")

"""Held-out texts are found by 13 words in a row, short ones as whole questions."""

import pytest

from medft.data.cleaning.contamination import HeldOutTexts
from medft.data.cleaning.runs import LONGEST
from medft.errors import DataError
from tests.data.support import record

PASSAGE = " ".join(f"word{i}" for i in range(20))


def held_out(tmp_path, text):
    path = tmp_path / "held_out.txt"
    path.write_text(text, encoding="utf-8")
    return HeldOutTexts(path)


def test_thirteen_words_in_a_row_are_a_copy_and_twelve_are_not(tmp_path):
    texts = held_out(tmp_path, f"first line of few words\n{PASSAGE}\n")
    words = PASSAGE.split()
    copied, not_copied = (" ".join(words[3 : 3 + n]).upper() + "!" for n in (LONGEST, LONGEST - 1))
    assert texts.lines_in([record(answer=f"Well, {copied} and so on")])[0] == 2
    assert texts.lines_in([record(answer=f"Well, {not_copied} and so on")])[0] is None


def test_a_short_held_out_question_must_be_asked_itself(tmp_path):
    texts = held_out(tmp_path, "What is asthma?\n")
    assert texts.lines_in([record("what is ASTHMA")])[0] == 1
    assert texts.lines_in([record("Explain: what is asthma?")])[0] == 1
    assert texts.lines_in([record("I ask what is asthma? Or gout?")])[0] is None


@pytest.mark.parametrize("content", [None, b"", b" \n\n", b"caf\xe9\n"])
def test_an_unusable_file_is_an_error(tmp_path, content):
    path = tmp_path / "x.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="held-out") as error:
        HeldOutTexts(path)
    assert error.value.where == str(path)

"""Multiple choice as it is learnt: the letter, or the letter and the explanation, and no more."""

import pytest

from medft.compose import compose
from medft.config import build
from medft.data.record import Record
from medft.errors import PromptError
from medft.models import tokenizer as tokenizers
from medft.prompt.config import TemplateConfig
from medft.prompt.encode import Encoder
from medft.prompt.encoded import IGNORE
from medft.prompt.template import messages

ROW = Record(
    "1", "s", "mcq", "en", "What glows?", options="A. beds\nB. lamps", label="B", answer="They have oil."
)


def template(name: str) -> TemplateConfig:
    values = compose("prepare", [f"template={name}", "scale=tiny"])
    return build(TemplateConfig, values["template"])


@pytest.mark.parametrize(
    ("name", "learnt"), [("medical_qa", "B"), ("mcq", "B"), ("mcq_explained", "B\n\nThey have oil.")]
)
def test_loss_falls_on_the_answer_alone(twins, name, learnt):
    said = messages(ROW, template(name))
    assert said[-1].content == learnt
    assert "What glows?\n\nA. beds\nB. lamps" in said[-2].content
    folder = twins("mistral").bits16
    tokenizer = tokenizers.load(folder)
    stops = tokenizers.stop_ids(tokenizer, folder)
    (row,) = Encoder(tokenizer, 512, stops).encode([said])
    kept = [token for token in row.labels if token != IGNORE]
    assert tokenizer.decode([token for token in kept if token not in stops]).strip() == learnt


def test_an_explanation_that_is_wanted_and_not_there_is_said():
    with pytest.raises(PromptError, match="answer"):
        messages(
            Record("1", "s", "mcq", "en", question="q", options="A. x\nB. y", label="A"),
            template("mcq_explained"),
        )


@pytest.mark.parametrize("language", ["de", "es", "fr", "ko"])
def test_the_words_are_in_the_language_of_the_row(language):
    words = [
        messages(Record("1", "s", "mcq", code, question="q", options="o", label="A"), template("mcq"))
        for code in (language, "en")
    ]
    assert words[0] != words[1]
    assert words[0][-1].content == "A"

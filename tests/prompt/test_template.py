"""Record -> messages."""

import pytest

from medft.data.record import Message, Record
from medft.errors import ConfigError, PromptError
from medft.prompt.config import TaskConfig, TemplateConfig, WordingConfig
from medft.prompt.template import check_fields, messages

TEMPLATE = TemplateConfig(
    "t",
    {
        "qa": TaskConfig(WordingConfig("Q: {question}", "{answer}", "Be kind.")),
        "nli": TaskConfig(
            WordingConfig("{context} | {question}", "{label}"),
            {"ko": WordingConfig("{context} / {question}", "{label}")},
        ),
        "instruction": TaskConfig(
            WordingConfig("{question}"), with_context=WordingConfig("{question}: {context}")
        ),
        "conversation": TaskConfig(WordingConfig("{question}", "{answer}", "Be kind.")),
    },
)


def test_fields_are_filled_in_one_pass() -> None:
    record = Record("1", "s", "qa", "en", question=" What is {answer}? ", answer="A {question} mark")
    assert messages(record, TEMPLATE) == (
        Message("system", "Be kind."),
        Message("user", "Q: What is {answer}?"),
        Message("assistant", "A {question} mark"),
    )


def test_a_task_without_system_text_sends_none_and_languages_differ() -> None:
    record = Record("1", "s", "nli", "ko", question="h", context="p", label="neutral")
    assert messages(record, TEMPLATE) == (Message("user", "p / h"), Message("assistant", "neutral"))


def test_a_conversation_keeps_its_turns_and_its_own_system_text() -> None:
    turns = (Message("user", "a"), Message("assistant", "b"))
    assert messages(Record("1", "s", "conversation", "en", turns=turns), TEMPLATE)[0] == Message(
        "system", "Be kind."
    )
    own = (Message("system", "Mine."), *turns)
    assert messages(Record("1", "s", "conversation", "en", turns=own), TEMPLATE) == own


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (Record("7", "s", "qa", "en", question="q"), "needs the field 'answer'"),
        (Record("7", "s", "summary", "en", question="q"), "no wording for task 'summary'"),
        (Record("7", "s", "qa", "en", question="q", answer="a", context="c"), "does not use the context"),
        (
            Record("7", "s", "conversation", "en", context="c", turns=(Message("user", "a"),)),
            "does not use the context",
        ),
    ],
)
def test_a_record_that_cannot_be_worded_is_an_error_that_names_it(record: Record, expected: str) -> None:
    with pytest.raises(PromptError, match=expected):
        messages(record, TEMPLATE)


def test_missing_columns_are_found_before_any_row_is_read() -> None:
    with pytest.raises(PromptError, match="needs label for task 'nli'"):
        check_fields(TEMPLATE, "nli", "en", {"question", "context"}, "mine")
    with pytest.raises(PromptError, match="does not use the context of 'mine' in task 'qa'"):
        check_fields(TEMPLATE, "qa", "en", {"question", "context", "answer"}, "mine")
    check_fields(TEMPLATE, "instruction", "en", {"question", "context", "answer"}, "mine")


@pytest.mark.parametrize(("context", "user"), [("", "q"), (" ", "q"), ("c", "q: c")])
def test_a_context_that_only_some_records_have_has_a_wording_of_its_own(context: str, user: str) -> None:
    record = Record("7", "s", "instruction", "en", question="q", answer="a", context=context)
    assert messages(record, TEMPLATE) == (Message("user", user), Message("assistant", "a"))


def test_an_unknown_placeholder_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\{symptom\}"):
        WordingConfig("Tell me about {symptom}")

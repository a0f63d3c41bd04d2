"""medft chat: a conversation through a pipe, commands, Ctrl-C, and a file of questions."""

from __future__ import annotations

import io
import json
import signal
from pathlib import Path

import pytest

from medft.cli import main
from medft.data.record import Message
from medft.errors import MedftError, PromptError
from medft.inference.commands import Quit, run_command
from medft.inference.dialogue import Dialogue, clean
from medft.inference.documents import Passage
from medft.inference.generation import Sampling
from medft.inference.library import Library
from medft.inference.retrieve import Bm25
from medft.runs import RunDir
from medft.screen import Screen
from medft.verbs import chat
from tests.support.trained_run import make_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunDir]:
    artifacts = tmp_path_factory.mktemp("chat")
    return [make_run(artifacts, f"20261120-10150{i}", i) for i in (1, 2)]


@pytest.fixture(scope="module")
def library(runs: list[RunDir]) -> Library:
    return Library(runs, runs[0].root.parents[2], context=512)


@pytest.fixture
def dialogue(library: Library) -> Dialogue:
    return Dialogue(library, library.names[0], Sampling(8))


def _documents(path: Path) -> Bm25:
    return Bm25([Passage("a.md", "Gout swells a toe.")])


def test_a_base_is_loaded_once_for_all_its_runs(library: Library) -> None:
    sessions = {id(library.session(name)[0]) for name in library.names}
    assert len(sessions) == 1
    assert len(library.names) == 3


def test_the_first_prompt_is_what_training_sees(library: Library, dialogue: Dialogue) -> None:
    from medft.data.record import Record
    from medft.prompt.template import messages

    session, _ = library.session(dialogue.model)
    record = Record("r", "s", "qa", "en", question=" What is gout?\n", answer="A disease.")
    trained = session.encoder.encode([messages(record, library.model(dialogue.model).template)])[0]
    sent = session.prompt(dialogue.messages(" What is gout?\n"), 1)
    assert trained.input_ids[: len(sent)] == sent


def test_turns_are_remembered_until_cleared(dialogue: Dialogue) -> None:
    first = "".join(dialogue.ask("What is gout?"))
    assert dialogue.history == [Message("user", "What is gout?"), Message("assistant", first.strip())]
    dialogue.clear()
    assert dialogue.history == []


def test_old_turns_are_left_out_when_they_no_longer_fit(dialogue: Dialogue) -> None:
    dialogue.history = [Message("user", "fever " * 600), Message("assistant", "Rest.")]
    dialogue.history += [Message("user", "Why?"), Message("assistant", "So.")]
    "".join(dialogue.ask("And?"))
    assert dialogue.forgotten == 1


def test_a_question_that_does_not_fit_alone_is_encoded_twice_at_most(
    dialogue: Dialogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, _ = dialogue.library.session(dialogue.model)
    dialogue.history = [Message("user", "Why?"), Message("assistant", "So.")] * 50
    encoded: list[int] = []
    encode = session.prompt
    monkeypatch.setattr(session, "prompt", lambda *asked: encoded.append(1) or encode(*asked))
    with pytest.raises(PromptError, match="more than the"):
        "".join(dialogue.ask("fever " * 600))
    assert len(encoded) == 2


def test_passages_come_before_the_question(dialogue: Dialogue) -> None:
    dialogue.index = _documents(Path())
    (_, turn) = dialogue.messages("What does gout do?")
    assert turn.content.index("Gout swells a toe.") < turn.content.index("What does gout do?")
    assert dialogue.passages[0].passage.source == "a.md"


def test_commands(dialogue: Dialogue, tmp_path: Path) -> None:
    def command(line: str) -> str:
        return run_command(line, dialogue, _documents)

    assert "/clear" in command("/help")
    assert command("/system Be brief.") == "Be brief."
    assert dialogue.messages("Why?")[0] == Message("system", "Be brief.")
    assert command("/system default").startswith("You are a medical professional")
    assert "* " + dialogue.model in command("/model")
    other = dialogue.library.names[1]
    assert command(f"/model {other}") == f"{other} answers from now on"
    assert command("/template alpaca").startswith("alpaca")
    assert "### Instruction" in dialogue.messages("Why?")[-1].content
    command("/template default")
    assert command("/docs x") == "1 passages of 1 documents"
    assert command("/docs off") == "no documents"
    "".join(dialogue.ask("Why?"))
    command(f"/save {tmp_path}/c.json")
    assert json.loads((tmp_path / "c.json").read_text())["turns"][0]["content"] == "Why?"
    assert command("/clear") == "conversation cleared"
    with pytest.raises(Quit):
        command("/quit")
    for wrong in ("/modle", "/model nobody", "/template nothing", "/save", f"/save {tmp_path}/c.json/x"):
        with pytest.raises(MedftError):
            command(wrong)


def test_control_characters_reach_neither_prompt_nor_terminal() -> None:
    assert clean("a\x00b\x1b[31mc\r\nd\te\x9b\ud800") == "ab[31mc\nd\te"


class _Impatient(io.StringIO):
    """A terminal at which Ctrl-C is pressed after the second piece."""

    pieces = 0

    def write(self, text: str) -> int:
        self.pieces += bool(text.strip())
        if self.pieces == 2:
            signal.raise_signal(signal.SIGINT)
        return super().write(text)


def test_ctrl_c_stops_the_answer_and_not_the_program(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, _ = library.session(library.names[0])
    monkeypatch.setattr(session, "stop_ids", (session.tokenizer.unk_token_id,))  # it would go on and on
    before = signal.getsignal(signal.SIGINT)
    screen = Screen()
    screen.stream = _Impatient()
    dialogue = Dialogue(library, library.names[0], Sampling(400, temperature=1.0))
    chat._reply(screen, dialogue, "Tell me everything.")
    assert "[stopped]" in screen.stream.getvalue()
    assert len(session.tokenizer(dialogue.history[-1].content)["input_ids"]) < 100
    assert signal.getsignal(signal.SIGINT) is before
    assert "".join(Dialogue(library, library.names[0], Sampling(4)).ask("And now?"))


def test_a_conversation_through_a_pipe(
    runs: list[RunDir], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("What is gout?\n\n/modle\n/quit\n"))
    artifacts = runs[0].root.parents[2]
    assert main(["chat", f"run={runs[0].root}", f"artifacts={artifacts}", "max_new_tokens=6"]) == 0
    said = capsys.readouterr().out
    assert "not medical advice" in said
    assert "Did you mean '/model'?" in said


def test_the_terminal_reader_takes_pasted_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.input import create_pipe_input
    from prompt_toolkit.output import DummyOutput

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text("\x1b[200~one\ntwo\x1b[201~\r")
        assert chat._reader()() == "one\ntwo"
        pipe.send_text("three\x1b\rfour\r")
        assert chat._reader()() == "three\nfour"


def test_a_file_of_questions(runs: list[RunDir], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    questions = tmp_path / "q.jsonl"
    asked = ["What is gout?", "fever " * 900, "Why?"]
    questions.write_text("\n".join(json.dumps({"question": q}) for q in asked))
    artifacts = runs[0].root.parents[2]
    code = main(
        ["chat", f"run={runs[0].root}", f"artifacts={artifacts}", "max_new_tokens=6", "context=512",
         f"questions={questions}", f"answers={tmp_path}/a.jsonl"]
    )  # fmt: skip
    assert code == 0
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [row["question"] for row in rows] == asked
    assert "more than the 512" in rows[1]["error"]
    assert rows[0]["tokens"] <= 6
    assert "2 of 3" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("q.txt", " \n", "no question"),
        ("q.jsonl", '{"q": 1}', "'question'"),
        ("q.txt", None, "cannot be read"),
    ],
)
def test_wrong_questions_are_one_message(
    runs: list[RunDir], tmp_path: Path, name: str, text: str | None, message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if text is not None:
        (tmp_path / name).write_text(text)
    artifacts = runs[0].root.parents[2]
    arguments = [f"questions={tmp_path / name}", f"answers={tmp_path}/a.jsonl", f"artifacts={artifacts}"]
    assert main(["chat", f"run={runs[0].root}", *arguments]) != 0
    assert message in capsys.readouterr().err
    assert not (tmp_path / "a.jsonl").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["questions=q.txt"], "must be given together"),
        (["k=0"], "'k' must be at least 1"),
        (["docs={tmp}/empty"], "no documents"),
        (["questions={tmp}/q.txt", "answers={tmp}/q.txt/a.jsonl"], "the answers cannot be written"),
        (["questions={tmp}/q.txt", "answers=/dev/null"], "the answers cannot be written"),
        (["questions={tmp}/q.txt", "answers={tmp}/empty/../q.txt"], "overwrite the questions"),
        (["questions=/dev/zero", "answers={tmp}/a.jsonl"], "a pipe or a device"),
        (["temperature=1e-300"], "must be 0, or from 0.01"),
    ],
)
def test_wrong_settings_are_one_message(
    runs: list[RunDir], tmp_path: Path, overrides: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "q.txt").write_text("Why?")
    filled = [override.format(tmp=tmp_path) for override in overrides]
    assert main(["chat", f"run={runs[0].root}", f"artifacts={runs[0].root.parents[2]}", *filled]) != 0
    said = capfd.readouterr().err
    assert message in said
    assert "Traceback" not in said

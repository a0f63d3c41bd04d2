"""medft chat: talk to a run in the terminal, or answer a file of questions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from medft.checked import Count, Seed, Tokens
from medft.errors import ConfigError, MedftError
from medft.inference.batch import answer_file, read_questions
from medft.inference.commands import Quit, run_command
from medft.inference.dialogue import NOT_ADVICE, Dialogue
from medft.inference.documents import Index
from medft.inference.generation import BATCH_TOKENS, Sampling
from medft.inference.library import Library
from medft.inference.retrieve import IndexKind, open_index
from medft.overrides import Idle
from medft.runs import find_run
from medft.screen import Screen
from medft.signals import Ended

EXAMPLES = (
    "medft chat run=latest",
    "medft chat run=[mistral-medquad,gemma-medquad] temperature=0.7",
    "medft chat run=latest docs=guidelines/",
    "medft chat run=latest questions=questions.txt answers=answers.jsonl",
)
IDLE = (
    Idle("batch_tokens", lambda config: config.questions, "questions=..."),
    *(Idle(key, lambda config: config.docs or not config.questions, "docs=...")
      for key in ("k", "index", "embedder")),
    *(Idle(key, lambda config: config.temperature > 0 or not config.questions, "temperature above 0")
      for key in ("top_p", "seed")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChatConfig:
    """Which model answers, and how."""

    run: str | tuple[str, ...] = "latest"
    """The run, or several to switch between with /model: a folder, `latest`, or part of a run's name."""
    docs: Path | None = None
    """Documents to answer from: a file, or a folder of .txt, .md and .jsonl files."""
    index: IndexKind = "bm25"
    """How passages are found: bm25, or dense (pip install 'medft[dense]')."""
    embedder: str = "NeuML/pubmedbert-base-embeddings"
    """Sentence-transformers model of a dense index."""
    k: Count = 3
    """Number of passages per question."""
    questions: Path | None = None
    """Answer the questions in this file instead: one per line, or .jsonl rows with `question`."""
    answers: Path | None = None
    """Where to write those answers (.jsonl)."""
    max_new_tokens: Tokens = 512
    """Maximum length of an answer, in tokens."""
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    """Sample from the smallest set of tokens with this much probability."""
    seed: Seed = 0
    """Sampling seed."""
    context: Tokens = 4096
    """Maximum length of conversation and answer together, in tokens."""
    batch_tokens: Tokens = BATCH_TOKENS
    """Tokens per batch when answering a file; fewer need less memory."""
    artifacts: Path = Path("artifacts")
    """Folder of the runs and of document indexes."""

    def __post_init__(self) -> None:
        if (self.questions is None) != (self.answers is None):
            raise ConfigError(
                "'questions' and 'answers' must be given together",
                remedy="questions=questions.txt answers=answers.jsonl",
            )
        if self.questions and self.answers and self.questions.resolve() == self.answers.resolve():
            raise ConfigError("the answers would overwrite the questions", remedy="answers=<another file>")


def run(config: ChatConfig) -> None:
    """Load the first run and talk, or answer the file.

    Raises:
        MedftError: the runs, the documents or the questions cannot be used.
    """
    screen = Screen()
    names = (config.run,) if isinstance(config.run, str) else config.run
    runs = [find_run(name, config.artifacts) for name in names]
    library = Library(runs, config.artifacts, config.context, config.batch_tokens)
    questions = read_questions(config.questions) if config.questions else []

    def documents(path: Path) -> Index:
        return open_index(path, config.index, config.embedder, config.artifacts / "indexes")

    sampling = Sampling(config.max_new_tokens, config.temperature, config.top_p, config.seed)
    dialogue = Dialogue(library, library.names[0], sampling, k=config.k)
    with screen.chatter_to(config.artifacts / "chat.log"):
        dialogue.index = documents(config.docs) if config.docs else None
        screen.line("loading", dialogue.model)
        library.session(dialogue.model)
        if config.answers:
            _answer(screen, dialogue, questions, config.answers)
    if not config.answers:
        _talk(screen, dialogue, documents)


def _answer(screen: Screen, dialogue: Dialogue, questions: list[str], path: Path) -> None:
    with tqdm(total=len(questions), desc="  answers", file=screen.bar_stream, ncols=80) as bar:

        def progress(done: int, total: int) -> None:
            bar.update(done - bar.n)

        answered = answer_file(dialogue, questions, path, progress)
    screen.line("wrote", f"{path}: {answered} of {len(questions)} questions answered")
    if answered < len(questions):
        screen.line("note", "unanswered rows give the reason")


def _talk(screen: Screen, dialogue: Dialogue, documents: Callable[[Path], Index]) -> None:
    """Read, answer, read; an error is a message, Ctrl-C stops an answer, Ctrl-D leaves."""
    screen.say(f"  {NOT_ADVICE}  /help lists the commands.")
    ask = _reader()
    while True:
        try:
            line = ask().strip()
            if line.startswith("/"):
                screen.say(run_command(line, dialogue, documents))
            elif line:
                _reply(screen, dialogue, line)
        except MedftError as error:
            screen.say(f"error: {error}")
        except Ended:
            raise
        except KeyboardInterrupt:
            continue  # at the prompt: the line is given up
        except (EOFError, Quit):
            return


def _reply(screen: Screen, dialogue: Dialogue, question: str) -> None:
    cancel = threading.Event()
    pieces = dialogue.ask(question, cancel)
    with _stopping(cancel):
        for piece in pieces:
            screen.say(piece, end="")
    screen.say("  [stopped]" if cancel.is_set() else "")
    for remark in dialogue.remarks():
        screen.say(f"  [{remark}]")
    for number, hit in enumerate(dialogue.passages, 1):
        screen.say(f"  [{number}] {hit.passage.source}")


@contextmanager
def _stopping(cancel: threading.Event) -> Iterator[None]:
    """Ctrl-C sets ``cancel`` within the block instead of raising."""
    import signal

    before = signal.signal(signal.SIGINT, lambda *_: cancel.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _reader() -> Callable[[], str]:
    """The function that reads one message: line editing, history, multi-line paste; plain lines without a
    terminal."""
    import sys

    if not sys.stdin.isatty():
        return input
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings

    keys = KeyBindings()
    keys.add("escape", "enter")(lambda event: event.current_buffer.insert_text("\n"))
    session: PromptSession[str] = PromptSession(key_bindings=keys)
    return lambda: session.prompt("> ", prompt_continuation="  ")

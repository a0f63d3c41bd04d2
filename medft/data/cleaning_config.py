"""Settings under ``dataset.cleaning``: how faulty rows are treated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medft.checked import Count

Mending = Literal["mend", "drop", "keep"]
"""What becomes of a row with a fault that can be mended; either way it is counted and named."""
Dropping = Literal["drop", "keep"]
"""What becomes of a row with a fault that nothing mends."""


@dataclass(frozen=True, slots=True)
class CleaningConfig:
    """What becomes of rows with a fault: mended, dropped or kept. Each is counted in the ledger and named by
    its row under the name of its setting. Rows of a source's own validation and test are never dropped for
    what their answers say."""

    crlf: Mending = "mend"
    """Line ends of Windows."""
    mojibake: Mending = "mend"
    """UTF-8 once read as another encoding ("GefÃ¼hl")."""
    control_characters: Mending = "mend"
    """Control characters other than tab and line feed."""
    invisible_characters: Mending = "mend"
    """Zero-width blanks, soft hyphens and the like; joiners that a script needs stay."""
    direction_characters: Mending = "mend"
    """Overrides of the direction of writing, and marks of it outside Hebrew and Arabic."""
    html_tags: Mending = "mend"
    """Tags become line breaks, list marks and tabs; rows about markup are left alone."""
    html_entities: Mending = "mend"
    """&amp; and the like become their characters."""
    unicode_nfc: Mending = "mend"
    """Letters and accents apart become one character."""
    contact_offer: Mending = "mend"
    """Sentences of answers that send readers to a service ("consult a physician online -->")."""
    whitespace: Mending = "mend"
    """Blanks at line ends and around texts, over two empty lines, and runs of blanks in texts of one line.
    Indentation, columns, tabs and line breaks stay."""
    question_mark: Mending = "mend"
    """Blanks before, and repeats of, the question mark that ends a question."""
    empty_system_turn: Mending = "mend"
    """A system turn without text."""
    lost_characters: Dropping = "keep"
    """U+FFFD, where a character was lost for good."""
    placeholder_answer: Dropping = "drop"
    """"nan", "N/A", "k.A.", "-", "[deleted]" and the like for an answer, unless it is one of a few
    classes."""
    answer_is_question: Dropping = "drop"
    """An answer that repeats the question."""
    model_refusal: Dropping = "drop"
    """"As an AI language model, ..." for an answer, outside the task refusal."""
    contradiction: Dropping = "keep"
    """One question with several labels, or with both yes and no."""

    drop_blank_answers: bool = True
    """Drop rows without an answer (or question)."""
    drop_leftovers: bool = True
    """Drop rows in which a rephrasing model asks for its input instead of giving the text."""
    max_characters: Count | None = None
    """Drop rows whose question, context and answer together are longer; null keeps all."""
    max_same_answer: Count | None = 5
    """Keep at most this many rows with one and the same answer (boilerplate); null keeps all. Letters,
    classes and other answers of a closed set are none."""
    near_duplicates: Literal["keep_together", "drop", "off"] = "keep_together"
    """MinHash near duplicates: in one split, dropped but for one, or not looked for."""

"""What a session of either engine answers: one scenario, run by both, so that they can be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medft.data.record import Message
from medft.engine.base import Engine, LoadSpec
from medft.inference.generation import Sampling
from medft.inference.session import BASE, Session
from medft.models import tokenizer as tokenizers

QUESTIONS = ("What is asthma?", "Why?", "How is gout treated in an adult who also has high blood pressure?")
ANSWERS = ("It is a chronic lung disease.", "Rest.", "No")
GREEDY = Sampling(max_new_tokens=6)


def asked(engine: Engine, spec: LoadSpec, adapters: dict[str, Path]) -> dict[str, Any]:
    """By model, the base, each adapter and the base again: replies in a batch, the nats of given answers, and
    the first reply streamed."""
    tokenizer = tokenizers.load(spec.path)
    model = engine.load_for_generation(spec, None)
    session = Session(model, tokenizer, tokenizers.stop_ids(tokenizer, spec.path), spec.max_length)
    for name, folder in adapters.items():
        session.add(name, folder)
    found = {name: _ask(session, name) for name in session.names}
    found["base again"] = _ask(session, BASE)
    return found


def _ask(session: Session, name: str) -> dict[str, Any]:
    asked = [(Message("user", question),) for question in QUESTIONS]
    prompts = [session.prompt(messages, GREEDY.max_new_tokens) for messages in asked]
    rows = session.encoder.encode(
        [(*messages, Message("assistant", answer)) for messages, answer in zip(asked, ANSWERS, strict=True)]
    )
    return {
        "batch": [reply.text for reply in session.replies(name, prompts, GREEDY)],
        "nats": [each.nats for each in session.likelihoods(name, rows)],
        "streamed": "".join(session.stream(name, asked[0], GREEDY)).strip(),
    }

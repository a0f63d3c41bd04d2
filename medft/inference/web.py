"""The chat page: a Gradio app on this machine alone (the extra "web").

Owns the page. Knows nothing of how answers come about. Import it only where the page is wanted: Gradio is
heavy.

Whatever a person or a model writes is shown as text: no Markdown, which could fetch pictures from the
network, and no HTML.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from medft.errors import MedftError
from medft.inference.desk import Column, Desk
from medft.inference.generation import Sampling

NOT_ADVICE = "A language model answers. It can be wrong. This is not medical advice."
SIDE_BY_SIDE = 4
"""Columns on the page."""
OWN = "as trained"


def build_page(desk: Desk, sampling: Sampling) -> Any:
    """The page, as ``gradio.Blocks``."""
    names = desk.library.names
    slots = range(min(len(names), SIDE_BY_SIDE))
    with gr.Blocks(title="medft", analytics_enabled=False, fill_height=True) as page:
        gr.Textbox(NOT_ADVICE, show_label=False, container=False, interactive=False, elem_id="notice")
        with gr.Row():
            models = gr.Dropdown(
                list(names), value=[names[0]], multiselect=True, max_choices=len(slots), label="Models",
                elem_id="models", scale=3,
            )  # fmt: skip
            template = gr.Dropdown([OWN, *desk.templates], value=OWN, label="Template", elem_id="template")
            documents = gr.Checkbox(
                desk.index is not None, label="Answer from documents", interactive=desk.index is not None
            )
        with gr.Row():
            temperature = gr.Slider(0, 2, sampling.temperature, step=0.05, label="Temperature (0: greedy)")
            top_p = gr.Slider(0.05, 1, sampling.top_p, step=0.05, label="Top p")
            length = gr.Slider(8, 2048, sampling.max_new_tokens, step=8, label="Longest answer, tokens")
        with gr.Row():
            columns = [_column(slot, names[0]) for slot in slots]
        question = gr.Textbox(
            label="Question", lines=2, max_lines=8, elem_id="question", autofocus=True, placeholder="Ask ..."
        )
        with gr.Row():
            send = gr.Button("Ask", variant="primary", elem_id="ask")
            halt = gr.Button("Stop", elem_id="stop")
            reset = gr.Button("New conversation", elem_id="reset")
        parts = [part for column in columns for part in column]

        def ask(
            text: str, chosen: list[str], words: str, docs: bool, heat: float, p: float, n: float,
            request: gr.Request,
        ) -> Iterator[list[Any]]:  # fmt: skip
            try:
                how = Sampling(int(n), heat, p, desk.seed)
            except MedftError as error:
                raise gr.Error(error.what) from error
            if not chosen:
                raise gr.Error("choose a model")
            for shown in desk.ask(
                str(request.session_hash), text or "", chosen[: len(slots)], words, docs, how
            ):
                yield ["", *_filled(shown, len(slots))]

        def start_again(chosen: list[str], request: gr.Request) -> list[Any]:
            desk.forget(str(request.session_hash))
            return _filled({name: ([], "") for name in chosen}, len(slots))

        inputs = [question, models, template, documents, temperature, top_p, length]
        gr.on(
            [send.click, question.submit],
            ask,
            inputs,
            [question, *parts],
            api_name="ask",
            show_progress="hidden",
        )

        def stop(request: gr.Request) -> None:
            desk.stop(str(request.session_hash))

        def leave(request: gr.Request) -> None:
            desk.forget(str(request.session_hash))

        halt.click(stop, None, None, queue=False, api_name=False)
        gr.on(
            [reset.click, *(chat.clear for _, chat, _ in columns)],
            start_again,
            [models],
            parts,
            api_name=False,
        )
        models.change(lambda chosen: _titled(chosen, len(slots)), [models], parts, api_name=False)
        page.unload(leave)
    page.queue(default_concurrency_limit=len(slots), max_size=64)
    return page


def launch(page: Any, port: int | None, block: bool) -> str:
    """Serve the page on 127.0.0.1, without anything that leaves this machine.

    Returns:
        Its address.
    """
    theme = gr.themes.Default(
        font=["system-ui", "sans-serif"], font_mono=["monospace"]
    )  # none from the network
    _, address, _ = page.launch(
        server_name="127.0.0.1",
        server_port=port,
        share=False,
        inbrowser=False,
        quiet=True,
        prevent_thread_lock=not block,
        show_error=True,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
        footer_links=[],
        run_history=False,
        theme=theme,
        css="footer {display: none !important} #notice textarea {font-weight: 600}",
    )
    return str(address)


def _column(slot: int, first: str) -> tuple[Any, Any, Any]:
    with gr.Column(visible=slot == 0) as column:
        chat = gr.Chatbot(
            label=first, render_markdown=False, sanitize_html=True, allow_tags=False, feedback_options=None,
            buttons=["copy"], height=420, elem_id=f"chat{slot}",
        )  # fmt: skip
        passages = gr.Textbox(
            label="Passages used", visible=False, interactive=False, max_lines=12, elem_id=f"passages{slot}"
        )
    return column, chat, passages


def _titled(chosen: Sequence[str], slots: int) -> list[Any]:
    """Columns for the chosen models, under their names; a conversation is shown again with the next
    question."""
    updates = [
        update
        for name in chosen[:slots]
        for update in (gr.update(visible=True), gr.update(label=name, value=[]), gr.update(visible=False))
    ]
    return updates + _hidden(slots - len(chosen[:slots]))


def _filled(shown: dict[str, Column], slots: int) -> list[Any]:
    updates: list[Any] = []
    for name, (turns, passages) in shown.items():
        updates.append(gr.update(visible=True))
        updates.append(gr.update(label=name, value=[_as_text(turn) for turn in turns]))
        updates.append(gr.update(visible=bool(passages), value=passages))
    return updates + _hidden(slots - len(shown))


def _hidden(slots: int) -> list[Any]:
    return [gr.update(visible=False), gr.update(value=[]), gr.update(visible=False, value="")] * slots


def _as_text(turn: dict[str, str]) -> dict[str, str]:
    """Escaped, since the component takes what looks like HTML for HTML and drops what it holds to be
    dangerous."""
    return {"role": turn["role"], "content": html.escape(turn["content"], quote=False)}

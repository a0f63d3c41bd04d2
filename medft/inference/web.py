"""The chat page: a Gradio app on this machine alone (the extra "web"); heavy, so imported only where wanted.

Whatever a person or a model writes is shown as text: no Markdown, which could fetch pictures from the
network, and no HTML.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import gradio as gr

from medft.errors import ConfigError, MedftError
from medft.inference.chat_server import ChatServer, Column
from medft.inference.dialogue import NOT_ADVICE
from medft.inference.generation import Sampling

SIDE_BY_SIDE = 4
"""Columns on the page."""
OWN = "as trained"
AT_ONCE = 32
"""Visitors who see their question on the page at once; each model still gives one answer at a time."""

_STYLE = """
footer { display: none !important }
.html-container { padding: 0 !important }
#notice { padding: .55rem .9rem; border-left: 4px solid #e69f00; border-radius: 0 4px 4px 0;
  background: #fff4e2; color: #7a3b00; font-weight: 600 }
.dark #notice { background: #33270f; color: #ffd49a }
.chat .bubble-wrap { margin-top: 2rem }
"""


def build_page(server: ChatServer, sampling: Sampling) -> gr.Blocks:
    """The page."""
    names = server.library.names
    slots = min(len(names), SIDE_BY_SIDE)
    with gr.Blocks(title="medft", analytics_enabled=False, fill_height=True) as page:
        gr.HTML(f'<div id="notice" role="note">{NOT_ADVICE}</div>', padding=False)
        models = gr.Dropdown(
            list(names), value=[names[0]], multiselect=True, max_choices=slots, elem_id="models",
            label=f"Models, up to {slots} side by side",
        )  # fmt: skip
        settings = _settings(server, sampling)
        with gr.Row():
            parts = [part for slot in range(slots) for part in _column(slot, names[0])]
        question = gr.Textbox(
            label="Question", lines=2, max_lines=8, elem_id="question", autofocus=True,
            placeholder="Enter asks, Shift Enter begins a new line",
        )  # fmt: skip
        with gr.Row():
            send = gr.Button("Ask", variant="primary", elem_id="ask")
            halt = gr.Button("Stop", elem_id="stop")
            reset = gr.Button("New conversation", elem_id="reset")
        does = _Actions(server, slots)
        gr.on(
            [send.click, question.submit], does.ask, [question, models, *settings], [question, *parts],
            api_name="ask", show_progress="hidden", trigger_mode="multiple",
        )  # fmt: skip
        halt.click(does.stop, queue=False, api_name=False)
        clear = [chat.clear for chat in parts if isinstance(chat, gr.Chatbot)]
        gr.on([reset.click, *clear], does.reset, None, parts, queue=False, api_name=False)
        models.change(does.choose, [models], parts, queue=False, api_name=False)
        page.unload(does.leave)
    page.queue(default_concurrency_limit=AT_ONCE, max_size=2 * AT_ONCE)
    return page


def launch(page: gr.Blocks, port: int | None, block: bool) -> str:
    """Serve the page on 127.0.0.1, without anything that leaves this machine.

    Returns:
        Its address.

    Raises:
        ConfigError: the port is taken.
    """
    theme = gr.themes.Default(  # no font from the network; a button's white text has a contrast of 5.5
        primary_hue="teal", font=["system-ui", "sans-serif"], font_mono=["monospace"]
    ).set(
        **{
            f"button_primary_background_fill{when}": "*primary_700"
            for when in ("", "_dark", "_hover", "_hover_dark")
        }
    )
    try:
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
            css=_STYLE,
        )
    except OSError as error:
        raise ConfigError(
            f"port {port or 'from 7860 on'} cannot be opened",
            where="127.0.0.1",
            remedy="name another port=...",
        ) from error
    return str(address)


@dataclass(frozen=True, slots=True)
class _Actions:
    """What the page's buttons do; Gradio hands over the request, which names the visitor."""

    server: ChatServer
    slots: int

    def ask(
        self, request: gr.Request, text: str, models: list[str], template: str, documents: bool, *how: float
    ) -> Iterator[list[object]]:
        """Empty the question once, since the next one may be typed by now, and let the columns grow."""
        if not models:
            raise gr.Error("choose a model")
        try:
            temperature, top_p, length = how
            sampling = Sampling(int(length), temperature, top_p, self.server.seed)
        except MedftError as error:
            raise gr.Error(error.what) from error
        visitor, models = str(request.session_hash), models[: self.slots]
        question: object = ""
        for columns in self.server.ask(visitor, text or "", models, template, documents, sampling):
            yield [question, *_filled(columns, self.slots)]
            question = gr.skip()

    def choose(self, models: list[str], request: gr.Request) -> list[object]:
        """Show the columns of other models, with what they have said so far."""
        return _filled(self.server.choose(str(request.session_hash), models[: self.slots]), self.slots)

    def reset(self, request: gr.Request) -> list[object]:
        """Begin anew."""
        return _filled(self.server.reset(str(request.session_hash)), self.slots)

    def stop(self, request: gr.Request) -> None:
        """End the answer that is being written."""
        self.server.stop(str(request.session_hash))

    def leave(self, request: gr.Request) -> None:
        """The visitor has closed the page."""
        self.server.forget(str(request.session_hash))


def _settings(server: ChatServer, sampling: Sampling) -> Sequence[gr.components.Component]:
    """Template, documents, and how answers are sampled."""
    searched = server.index is not None
    with gr.Accordion("Settings", open=False, elem_id="settings"):
        with gr.Row():
            template = gr.Dropdown([OWN, *server.templates], value=OWN, label="Template", elem_id="template")
            documents = gr.Checkbox(
                searched, label="Answer from documents", interactive=searched,
                info="the passages found for a question stand before it" if searched else "none were named",
            )  # fmt: skip
        with gr.Row():
            temperature = gr.Slider(0, 2, sampling.temperature, step=0.05, label="Temperature (0: greedy)")
            top_p = gr.Slider(0.05, 1, sampling.top_p, step=0.05, label="Top p")
            length = gr.Slider(8, 2048, sampling.max_new_tokens, step=8, label="Longest answer, tokens")
    return template, documents, temperature, top_p, length


def _column(slot: int, first: str) -> tuple[gr.Column, gr.Chatbot, gr.Textbox]:
    with gr.Column(visible=slot == 0) as column:
        chat = gr.Chatbot(
            label=first, render_markdown=False, sanitize_html=True, allow_tags=False, feedback_options=None,
            buttons=["copy"], watermark=NOT_ADVICE, height=420, elem_id=f"chat{slot}", elem_classes="chat",
        )  # fmt: skip
        passages = gr.Textbox(
            label="Passages used", visible=False, interactive=False, max_lines=12, elem_id=f"passages{slot}"
        )
    return column, chat, passages


def _filled(columns: Mapping[str, Column], slots: int) -> list[object]:
    """Updates of every slot's column, conversation and passages; slots without a model are hidden."""
    updates: list[object] = []
    for name, column in columns.items():
        updates.append(gr.update(visible=True))
        updates.append(gr.update(label=name, value=[_as_text(turn) for turn in column.turns]))
        updates.append(gr.update(visible=bool(column.passages), value=column.passages))
    return updates + [gr.update(visible=False), gr.skip(), gr.skip()] * (slots - len(columns))


def _as_text(turn: Mapping[str, str]) -> dict[str, str]:
    """Escaped, since the component takes what looks like HTML for HTML and drops what it holds to be
    dangerous; an answer that has not begun is shown as dots."""
    return {"role": turn["role"], "content": html.escape(turn["content"] or "...", quote=False)}

"""The chat page: a Gradio app on this machine alone (the extra "web"); heavy, so imported only where wanted.

Whatever a person or a model writes is shown as text: no Markdown, which could fetch pictures from the
network, and no HTML.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import gradio as gr
from starlette.middleware import Middleware

from medft.errors import ConfigError, MedftError
from medft.inference.chat_server import ChatServer, Column
from medft.inference.dialogue import NOT_ADVICE
from medft.inference.generation import Sampling
from medft.inference.web_guard import Guard
from medft.prompt.examples import question as example

SIDE_BY_SIDE = 4
"""Columns on the page."""
LOCAL, USER = "127.0.0.1", "medft"
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


_ENTER_ASKS = """() => {
  const box = document.querySelector('#question textarea')
  const asks = event => {
    if (event.key !== 'Enter' || event.isComposing) return
    event.stopImmediatePropagation()
    if (event.shiftKey) return
    event.preventDefault()
    document.querySelector('#ask').click()
  }
  box.addEventListener('keydown', asks, true)
  box.addEventListener('keypress', asks, true)  // where Gradio listens
}"""
"""Gradio's box of several lines asks at Shift Enter; everybody expects Enter. A word that an input method is
still composing is not sent."""


def build_page(server: ChatServer, sampling: Sampling, opened: int = 1) -> gr.Blocks:
    """The page, with the first ``opened`` models side by side."""
    names = server.library.names
    slots = min(len(names), SIDE_BY_SIDE)
    chosen = names[: min(opened, slots)]
    with gr.Blocks(title="medft", analytics_enabled=False, fill_height=True) as page:
        gr.HTML(f'<div id="notice" role="note">{NOT_ADVICE}</div>', padding=False)
        models = gr.Dropdown(
            list(names), value=list(chosen), multiselect=True, max_choices=slots, elem_id="models",
            label=f"Models, up to {slots} side by side",
        )  # fmt: skip
        settings, system = _settings(server, sampling, chosen[0])
        with gr.Row():
            parts = [part for slot in range(slots) for part in _column(slot, chosen)]
        question = gr.Textbox(
            label="Question", lines=2, max_lines=8, elem_id="question", autofocus=True,
            placeholder="Enter sends, Shift+Enter starts a new line",
        )  # fmt: skip
        with gr.Row():
            send = gr.Button("Ask", variant="primary", elem_id="ask")
            halt = gr.Button("Stop", elem_id="stop")
            reset = gr.Button("New conversation", elem_id="reset")
        gr.Examples(_examples(server), question, label="For example", api_visibility="private")
        does = _Actions(server, slots)
        send.click(
            does.ask, [question, models, *settings], [question, *parts],
            api_name=False, show_progress="hidden", trigger_mode="multiple",
        )  # fmt: skip
        halt.click(does.stop, queue=False, api_name=False)
        clear = [chat.clear for chat in parts if isinstance(chat, gr.Chatbot)]
        gr.on([reset.click, *clear], does.reset, None, parts, queue=False, api_name=False)
        models.change(does.choose, [models], parts, queue=False, api_name=False)
        gr.on(
            [models.change, settings[0].change], does.system, [models, settings[0]], system,
            queue=False, api_name=False,
        )  # fmt: skip
        for slot, chat in enumerate(part for part in parts if isinstance(part, gr.Chatbot)):
            chat.like(does.vote(slot), [models], None, api_name=False)
        page.load(None, js=_ENTER_ASKS)
        page.unload(does.leave)
    page.queue(default_concurrency_limit=AT_ONCE, max_size=2 * AT_ONCE)
    return page


def launch(page: gr.Blocks, port: int | None, *, host: str = LOCAL, password: str | None = None) -> str:
    """Serve the page, without anything that leaves this machine, behind ``web_guard.Guard``.

    Args:
        page: as built.
        port: to listen on; None takes the first free one from 7860.
        host: the address to listen on; beyond this machine, with a password.
        password: of the user "medft"; None asks for none.

    Returns:
        Its address.

    Raises:
        ConfigError: the port is taken, or the address is none of this machine.
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
            server_name=host,
            auth=(USER, password) if password else None,
            app_kwargs={"middleware": [Middleware(Guard)]},
            max_file_size=0,
            server_port=port,
            share=False,
            inbrowser=False,
            quiet=True,
            prevent_thread_lock=True,
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
            where=host,
            remedy="choose another port=..., or an address of this machine",
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

    def system(self, models: list[str], template: str) -> str:
        """The system text before the next question to the first model."""
        return self.server.system_text(models[0], template) if models else ""

    def vote(self, slot: int) -> Callable[[list[str], gr.LikeData, gr.Request], None]:
        """Keeps what is thought of the answers in column ``slot``."""

        def keep(models: list[str], vote: gr.LikeData, request: gr.Request) -> None:
            turn = vote.index if isinstance(vote.index, int) else vote.index[0]
            self.server.vote(str(request.session_hash), models[slot], turn, bool(vote.liked))
            gr.Info(f"saved to {self.server.votes}", duration=3)

        return keep

    def leave(self, request: gr.Request) -> None:
        """The visitor has closed the page."""
        self.server.forget(str(request.session_hash))


def _examples(server: ChatServer) -> list[str]:
    """A question in the language of each model's data."""
    languages = [server.library.model(name).language for name in server.library.names]
    return list(dict.fromkeys(map(example, languages)))


def _settings(
    server: ChatServer, sampling: Sampling, first: str
) -> tuple[Sequence[gr.components.Component], gr.Textbox]:
    """Template, documents, and how answers are sampled; beside them the system text of model ``first``."""
    searched = server.index is not None
    with gr.Accordion("Settings", open=False, elem_id="settings"):
        with gr.Row():
            template = gr.Dropdown([OWN, *server.templates], value=OWN, label="Template", elem_id="template")
            documents = gr.Checkbox(
                searched, label="Answer from documents", interactive=searched,
                info="passages found are added to the question" if searched else "no documents were given",
            )  # fmt: skip
        system = gr.Textbox(
            server.system_text(first, OWN), label="System prompt, sent before the conversation",
            interactive=False, max_lines=6, elem_id="system",
        )  # fmt: skip
        with gr.Row():
            warmth, asked = sampling.temperature, sampling.max_new_tokens
            temperature = gr.Slider(0, max(2, warmth), warmth, step=0.05, label="Temperature (0: greedy)")
            top_p = gr.Slider(min(0.05, sampling.top_p), 1, sampling.top_p, step=0.05, label="Top p")
            length = gr.Slider(1, max(2048, asked), asked, step=1, label="Maximum answer length, tokens")
    return (template, documents, temperature, top_p, length), system


def _column(slot: int, chosen: Sequence[str]) -> tuple[gr.Column, gr.Chatbot, gr.Textbox]:
    shown = slot < len(chosen)
    with gr.Column(visible=shown) as column:
        chat = gr.Chatbot(
            label=chosen[slot if shown else 0], render_markdown=False, sanitize_html=True, allow_tags=False,
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

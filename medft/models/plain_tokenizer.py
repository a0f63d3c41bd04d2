"""A tokenizer for counting and previews, from tokenizer.json and a chat template, without transformers and
torch: a second and some 50 MB instead of seven and 800.

transformers takes some tokenizer.json files as they are and rebuilds others by rules of their class.
``read`` takes only files for which the outcome is known to be the same: a shipped family's rules, or a class
that is taken as it is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft.errors import PromptError
from medft.models.families import folder_of, names
from medft.prompt.tokenizer import Turns

if TYPE_CHECKING:
    import jinja2
    from tokenizers import AddedToken
    from tokenizers import Tokenizer as Backend

AS_IT_IS = frozenset({"PreTrainedTokenizerFast", "TokenizersBackend"})
"""Classes whose tokenizer.json transformers takes as it is."""
RULES = ("normalizer", "pre_tokenizer")
_NAMED = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")
_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")


def read(folder: Path) -> PlainTokenizer | None:
    """The tokenizer of a folder; None where only transformers knows how it splits texts."""
    if not all((folder / name).is_file() for name in _FILES[:2]):
        return None
    config = _json(folder / "tokenizer_config.json")
    special = folder / "special_tokens_map.json"
    named = _json(special) if special.is_file() else {}
    named |= {name: config[name] for name in _NAMED if config.get(name) is not None}
    texts = {name: _text(value) for name, value in named.items() if name in _NAMED and value is not None}
    template = _template(folder, config)
    if not _same_rules(folder, config) or "generation %}" in (template or ""):
        return None
    made = PlainTokenizer(folder, template, texts)
    given = {_text(token) for token in (config.get("added_tokens_decoder") or {}).values()}
    known = {token.content for token in made.added_tokens_decoder.values()}
    return made if given <= known and set(texts.values()) <= made.get_vocab().keys() else None


class PlainTokenizer:
    """What medft uses of a fast tokenizer, see ``prompt.tokenizer.Tokenizer``."""

    def __init__(self, folder: Path, chat_template: str | None, named: Mapping[str, str]) -> None:
        from tokenizers import Tokenizer as Backend

        self._folder = folder
        self.backend_tokenizer: Backend = Backend.from_file(str(folder / "tokenizer.json"))
        self.backend_tokenizer.no_truncation()
        self.backend_tokenizer.no_padding()
        self.chat_template = chat_template
        self.special_tokens_map: dict[str, object] = dict(named)
        self.bos_token, self.unk_token = named.get("bos_token"), named.get("unk_token")
        self.bos_token_id, self.eos_token_id = self._id("bos_token"), self._id("eos_token")

    @property
    def pad_token(self) -> str | None:
        """The token that pads."""
        value = self.special_tokens_map.get("pad_token")
        return None if value is None else str(value)

    @pad_token.setter
    def pad_token(self, token: str | None) -> None:
        self.special_tokens_map["pad_token"] = token

    @property
    def pad_token_id(self) -> int | None:
        """Its id."""
        return self._id("pad_token")

    @property
    def all_special_ids(self) -> list[int]:
        """Ids of the tokens that have a role."""
        ids = (self._id(name) for name in self.special_tokens_map)
        return [number for number in dict.fromkeys(ids) if number is not None]

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """The tokens beside the learnt vocabulary."""
        return dict(self.backend_tokenizer.get_added_tokens_decoder())

    def __len__(self) -> int:
        return self.backend_tokenizer.get_vocab_size()

    def get_vocab(self) -> dict[str, int]:
        """Ids by token."""
        return self._vocabulary

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        return dict(self.backend_tokenizer.get_vocab())

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """The ids of a text."""
        return list(self.backend_tokenizer.encode(text, add_special_tokens=add_special_tokens).ids)

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        """The text of ids."""
        return str(self.backend_tokenizer.decode(list(token_ids), skip_special_tokens=skip_special_tokens))

    def apply_chat_template(
        self, conversation: Turns, *, tokenize: bool, add_generation_prompt: bool = False
    ) -> object:
        """The conversation as the chat template writes it, or the ids of that text."""
        named = {name: value for name, value in self.special_tokens_map.items() if value is not None}
        text = _compiled(self.chat_template or "").render(
            messages=conversation, tools=None, documents=None,
            add_generation_prompt=add_generation_prompt, **named,
        )  # fmt: skip
        return self.encode(text, add_special_tokens=False) if tokenize else text

    def save_pretrained(self, save_directory: str) -> object:
        """Copy the files that it was read from."""
        there = [self._folder / name for name in _FILES if (self._folder / name).is_file()]
        return tuple(str(shutil.copy(path, save_directory)) for path in there)

    def _id(self, name: str) -> int | None:
        token = self.special_tokens_map.get(name)
        number: int | None = None if token is None else self.backend_tokenizer.token_to_id(str(token))
        return number


def _same_rules(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether transformers splits texts by tokenizer.json as it stands."""
    kind = str(config.get("tokenizer_class", "")).removesuffix("Fast")
    if kind in {name.removesuffix("Fast") for name in AS_IT_IS}:
        return True
    rules = _rules(folder / "tokenizer.json")
    return any(
        kind == family_kind and rules == family_rules for family_kind, family_rules in _families().values()
    )


@cache
def _families() -> dict[str, tuple[str, list[object]]]:
    """The class and the rules of each shipped family, all of which a test compares with transformers."""
    found = {}
    for name in names():
        folder = folder_of(name)
        kind = str(_json(folder / "tokenizer_config.json").get("tokenizer_class", ""))
        found[name] = kind.removesuffix("Fast"), _rules(folder / "tokenizer.json")
    return found


def _rules(path: Path) -> list[object]:
    spec = _json(path)
    return [
        *(spec.get(name) for name in RULES),
        spec["model"].get("type"),
        spec["model"].get("byte_fallback"),
    ]


def _template(folder: Path, config: Mapping[str, Any]) -> str | None:
    """The file beside the tokenizer, else the text in its settings; of several, the one called default."""
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    given = config.get("chat_template")
    if isinstance(given, list):
        given = next((entry["template"] for entry in given if entry["name"] == "default"), None)
    return given


@cache
def _compiled(template: str) -> jinja2.Template:
    """As transformers compiles chat templates: in a sandbox, with the functions that they may call."""
    from datetime import datetime

    import jinja2.ext
    import jinja2.sandbox

    def refuse(message: str) -> None:
        raise PromptError(message)

    def tojson(value: object, **options: Any) -> str:
        return json.dumps(value, **{"ensure_ascii": False, **options})

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(template)


def _text(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)


def _json(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values

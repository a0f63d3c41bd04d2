"""Overrides -> the composed configuration of one verb, by Hydra.

Where to look for: ``settings``, which every command starts from; the resolvers that conf/ uses; YAML files of
the user's own; Hydra's complaints in medft's words.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, cast

from medft import other_tools
from medft.config import build, did_you_mean, keys, nearest, unknown_key
from medft.errors import ConfigError
from medft.machine import probe
from medft.model_words import spelled_out
from medft.models.registry import ShapeConfig
from medft.overrides import SEARCHPATH, quoted, readable, refuse_idle, refuse_ignored, refuse_overruled
from medft.own_settings import first_fault
from medft.paths import conf_dir
from medft.plan.resolve import Scale, chosen_scale

# The published mixture and recipe belong to a real model on a GPU; a tiny twin gets what proves the pipeline
# quickly, and a real model on a CPU what it can learn from in minutes and without a download.
DEFAULTS = {
    "dataset": {"full": "wikidoc_medquad", "cpu": "sample", "tiny": "sample"},
    "trainer": {"full": "published", "cpu": "cpu", "tiny": "smoke"},
}


def settings(verb: str, overrides: Sequence[str]) -> Any:
    """The configuration dataclass of ``verb``, composed and built.

    Raises:
        ConfigError: whatever is wrong with the command line.
    """
    module, typed = import_module(f"medft.verbs.{verb}"), overrides
    fixed: dict[str, Any] = {}
    if hasattr(module, "expand"):  # a resumed run brings the command line it was started with
        overrides, fixed = module.expand(overrides)
    refuse_ignored(typed, group_options(overrides))
    composed = compose(verb, overrides)
    refuse_overruled(typed, overrides, composed, fixed)
    built = build(_config_class(verb), {**composed, **fixed})
    refuse_idle(typed, built, getattr(module, "IDLE", ()))
    return built


def _config_class(verb: str) -> type[Any]:
    kind: type[Any] = getattr(import_module(f"medft.verbs.{verb}"), f"{verb.capitalize()}Config")
    return kind


def compose(verb: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Compose conf/<verb>.yaml, where there is one, with ``overrides`` into nested plain values.

    Raises:
        ConfigError: unknown group, option or key, with the nearest known one; an unreadable override.
    """
    return compose_with_choices(verb, overrides)[0]


def compose_with_choices(verb: str, overrides: Sequence[str]) -> tuple[dict[str, Any], dict[str, str | None]]:
    """What ``compose`` gives, and which file of each group was chosen for it.

    Raises:
        ConfigError: as ``compose``.
    """
    if primary(verb) is None and not overrides:
        return {}, {}  # without Hydra, which takes longer to import than such a command to run
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    groups = group_options(overrides)
    try:
        values, chosen = _compose(verb, spelled_out(overrides, groups["model"]), groups)
        return _with_own_family(values, _own_folders(overrides)), chosen
    except (HydraException, OmegaConfBaseException, ValueError, OSError, RecursionError, YAMLError) as error:
        if fault := first_fault(_own_folders(overrides)):
            raise fault from error
        if not isinstance(error, HydraException | OmegaConfBaseException | ValueError):
            raise
        raise _translate(error, verb, groups) from error


def _compose(
    verb: str, overrides: Sequence[str], groups: Collection[str]
) -> tuple[dict[str, Any], dict[str, str | None]]:
    from hydra import compose as hydra_compose
    from hydra import initialize, initialize_config_dir
    from omegaconf import OmegaConf

    grouped = primary(verb) is not None  # without, `study=...` is a setting and no file of conf/study
    if not grouped:
        groups, overrides = (), [word for word in overrides if not word.startswith(SEARCHPATH)]
    known = [forced(override, groups) for override in overrides]
    register_resolvers(known)
    start = {"version_base": "1.3", "job_name": verb}
    with initialize_config_dir(str(conf_dir()), **start) if grouped else initialize(None, **start):
        whole = hydra_compose(primary(verb), overrides=known, return_hydra_config=True)
        own = OmegaConf.masked_copy(whole, [str(key) for key in whole if key != "hydra"])
        values: Any = OmegaConf.to_container(own, resolve=True)
    chosen = {group: choice for group, choice in whole.hydra.runtime.choices.items() if group in groups}
    return dict(values), chosen


def primary(verb: str) -> str | None:
    """conf/<verb>.yaml; None for a command without groups, whose dataclass says all there is."""
    return verb if (conf_dir() / f"{verb}.yaml").is_file() else None


def forced(override: str, groups: Collection[str]) -> str:
    """``override``, allowed to set a key that no YAML file mentions: which keys there are is for
    ``config.build`` to say, which knows them all, with their types."""
    name = override.partition("=")[0]
    if name[:1] in "+~" or "@" in name or "/" in name or name in groups or name.startswith("hydra"):
        return override
    return f"++{override}"


def _with_own_family(values: dict[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """``values`` with the path of the model's family in place of its name, where it is one of the user's own,
    so that a run's record leads to it."""
    model = values.get("model")
    name = model.get("family") if isinstance(model, dict) else None
    own = [folder / "family" / name for folder in folders] if name else []
    for path in filter(Path.is_dir, own):
        if (conf_dir() / "family" / path.name).is_dir():
            raise ConfigError(
                f"family '{path.name}' is a name that medft itself uses",
                where=str(path),
                remedy="rename the folder",
            )
        return {**values, "model": {**values["model"], "family": str(path)}}
    return values


def register_resolvers(overrides: Sequence[str] = ()) -> None:
    """Make ``${default_for:...}`` and ``${run_name:...}`` known to OmegaConf.

    Args:
        overrides: of the command that is composed; some may change the model whose defaults are asked for.
    """
    from omegaconf import OmegaConf

    # Launchers send resolvers to their processes, and a cache of functools cannot be sent.
    OmegaConf.register_new_resolver("default_for", partial(_default_for, overrides, {}), replace=True)
    OmegaConf.register_new_resolver("run_name", _run_name, replace=True)


def effective_scale(scale: str, model: Mapping[str, Any]) -> Literal["full", "tiny"]:
    """full or tiny: ``auto`` as the plan decides it for the composed settings ``model``."""
    shape = model.get("shape")
    known = ShapeConfig(**{name: shape[name] for name in shape}) if shape else None
    return chosen_scale(cast(Scale, scale), model.get("family"), known, bool(probe().gpus))


def _default_for(
    overrides: Sequence[str], known: dict[tuple[str, str], str], group: str, scale: str, model: str
) -> str:
    """What ``DEFAULTS`` has for a model on this machine; ``known`` keeps what was composed to tell."""
    from hydra import compose as hydra_compose

    if (scale, model) not in known:
        own = [o for o in overrides if o.startswith(("++model.", SEARCHPATH))]
        effective = effective_scale(scale, hydra_compose(overrides=[f"+model={model}", *own]).model)
        known[scale, model] = "cpu" if effective == "full" and not probe().gpus else effective
    return DEFAULTS[group][known[scale, model]]


def _run_name(model: Mapping[str, Any], scale: str, dataset: str, template: str) -> str:
    tiny = "-tiny" if effective_scale(scale, model) == "tiny" else ""
    return re.sub(r"[^\w.\-]+", "_", f"{model['name']}{tiny}-{dataset}-{template}")


def _translate(error: Exception, verb: str, groups: dict[str, list[str]]) -> ConfigError:
    """Hydra's message, as what is wrong, what was probably meant, and what there is."""
    text = str(error)
    if match := re.search(r"Could not find '([^']+)'", text):
        inner = "/".join(match[1].split("/")[:2]) if match[1].startswith("hydra/") else match[1].split("/")[0]
        group, option = inner, match[1].removeprefix(f"{inner}/")
        options = groups.get(group) or re.findall(r"^\t(\S+)$", text, re.MULTILINE)
        if not options:
            return ConfigError(f"there is no group '{group}'", remedy=f"groups: {', '.join(groups)}")
        return _unknown_option(group, option, options)
    if match := re.search(r"Ambiguous value for argument '\+*(.+?)=(.+)'", text):
        key, values = match.groups()
        other = f"""; a list: {key}=[{values}]; one text: "{key}='{values}'\""""
        return ConfigError(
            f"several values for '{key}'",
            where=f"{key}={values}",
            remedy=f"one run for each: medft train -m ...{'' if key in groups else other}",
        )
    if match := re.search(r"Could not (?:override|delete) '(.+?)'|force-add .*?'\++(.+?)=(.*)'", text):
        known = tuple(keys(_config_class(verb)))
        here = {name.partition(".")[0] for name in known}
        return unknown_key(match[1] or match[2], here, known, match[3])
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    return ConfigError(f"cannot parse the command: {first}", remedy=f"medft {verb} --help   shows examples")


def _unknown_option(group: str, option: str, options: Sequence[str]) -> ConfigError:
    instead = other_tools.instead(group, option)
    if group == "dataset" and Path(option).suffix:
        kind = {".jsonl": "jsonl", ".json": "jsonl", ".parquet": "parquet"}.get(Path(option).suffix, "csv")
        instead = f"a file of yours: dataset={kind} dataset.path={option}"
    elif group == "dataset" and "/" in option:
        instead = f"a data set of the hub: dataset=csv dataset.reader=hub dataset.repo={option}"
    near = None if instead else nearest(option, options)
    other = "; or any other: model=custom model.base=<hub id or folder>" if group == "model" else ""
    return ConfigError(
        f"unknown {group} '{option}'" + did_you_mean(near),
        where="" if group.startswith("hydra/") or instead else f"conf/{group}/",
        remedy=instead or f"choose one of: {', '.join(options)}{other}",
    )


def with_config_dir(arguments: Sequence[str]) -> list[str]:
    """``arguments`` with ``--config-dir DIR`` as the override that it stands for, so that a run's record, its
    resumption and the jobs of a sweep hold it too.

    Raises:
        ConfigError: the flag names no folder.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config-dir", type=Path, action="append", default=[])
    try:
        known, rest = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError:
        raise ConfigError("'--config-dir' needs a folder", remedy="--config-dir my_conf") from None
    places = ",".join(quoted(f"file://{folder.absolute()}") for folder in known.config_dir)
    return [*rest, f"{SEARCHPATH}[{places}]"] if places else rest


def group_options(overrides: Sequence[str] = ()) -> dict[str, list[str]]:
    """The groups of conf/ and the files in each, with those of the user's folders that ``overrides`` name.

    Raises:
        ConfigError: a folder is missing, or holds a file of a shipped one's name, which Hydra would not read.
    """
    groups = _options(conf_dir())
    for folder in _own_folders(overrides):
        if not folder.is_dir():
            raise ConfigError("this folder of settings does not exist", where=str(folder))
        for group, options in _options(folder).items():
            if hidden := set(options) & set(groups.get(group, [])):
                raise ConfigError(
                    f"{group} '{min(hidden)}' is a name that medft itself uses",
                    where=str(folder / group / f"{min(hidden)}.yaml"),
                    remedy="rename the file",
                )
            groups[group] = sorted([*groups.get(group, []), *options])
    return groups


def config_folders(overrides: Sequence[str] = ()) -> list[Path]:
    """conf/, and the user's folders of the same layout that ``overrides`` name.

    Raises:
        ConfigError: as ``group_options``.
    """
    group_options(overrides)
    return [conf_dir(), *_own_folders(overrides)]


def _options(conf: Path) -> dict[str, list[str]]:
    folders = sorted(path for path in conf.iterdir() if path.is_dir() and path.name != "hydra")
    groups = {folder.name: sorted(path.stem for path in folder.glob("*.yaml")) for folder in folders}
    return {group: options for group, options in groups.items() if options}  # a folder of families has none


def _own_folders(overrides: Sequence[str]) -> list[Path]:
    word = next((o for o in reversed(overrides) if o.startswith(SEARCHPATH)), None)
    if word is None:
        return []
    from hydra.core.override_parser.overrides_parser import OverridesParser

    [word] = readable([word])
    places: Any = OverridesParser.create().parse_override(word).value()
    named = places if isinstance(places, list) else [places]
    return [Path(str(place).removeprefix("file://")) for place in named if str(place).startswith("file://")]

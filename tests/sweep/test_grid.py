"""Hydra's notation for several values."""

from __future__ import annotations

import pytest

from medft.compose import group_options
from medft.errors import ConfigError
from medft.sweep.grid import Numbers, read_grid


def test_every_combination_in_order() -> None:
    grid = read_grid(["model=gemma,mistral", "seed=range(1,3)", "merge=false"])
    assert grid.varied == ("model", "seed")
    assert grid.jobs() == [
        ["model=gemma", "seed=1", "merge=false"],
        ["model=gemma", "seed=2", "merge=false"],
        ["model=mistral", "seed=1", "merge=false"],
        ["model=mistral", "seed=2", "merge=false"],
    ]


def test_quoted_values_stay_whole() -> None:
    assert read_grid(["dataset.path='a b.csv','c,d.csv'"]).jobs() == [
        ["dataset.path='a b.csv'"],
        ["dataset.path='c,d.csv'"],
    ]
    assert read_grid(["lora.target_modules=[q_proj,v_proj]"]).varied == ()


def test_a_pattern_names_options_of_its_group() -> None:
    names = [job[0] for job in read_grid(["model=glob(gemma*)"]).jobs()]
    assert names == [f"model={name}" for name in group_options()["model"] if name.startswith("gemma")]
    with pytest.raises(ConfigError, match="has no value"):
        read_grid(["model=glob(x*)"])


def test_an_interval_needs_a_search_which_checks_its_ends() -> None:
    grid = read_grid(["trainer.learning_rate=interval(1e-4,1e-2)", "model=choice(gemma,llama2)"])
    with pytest.raises(ConfigError, match="an interval needs a search"):
        grid.jobs()
    assert grid.corners() == [
        ["trainer.learning_rate=0.0001", "model=gemma"],
        ["trainer.learning_rate=0.01", "model=gemma"],
        ["trainer.learning_rate=0.0001", "model=llama2"],
    ]


def test_numbers_in_order_keep_their_ends_step_and_scale() -> None:
    grid = read_grid(
        [
            "a=int(interval(1,3))",
            "b=interval(1,2.5)",
            "c=range(1,9,3)",
            "d=tag(log,interval(1e-5,1e-3))",
            "e=1,2",
        ]
    )
    assert grid.numbers == {
        "a": Numbers(1, 3, 1),
        "b": Numbers(1, 2.5),
        "c": Numbers(1, 7, 3),
        "d": Numbers(1e-5, 1e-3, log=True),
    }


def test_what_is_no_override_is_an_error() -> None:
    with pytest.raises(ConfigError, match="cannot parse"):
        read_grid(["model=(,"])

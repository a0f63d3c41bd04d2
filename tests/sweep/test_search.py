"""How a search chooses jobs."""

from __future__ import annotations

import pytest

from medft.errors import ConfigError
from medft.sweep.grid import read_grid
from medft.sweep.search import SamplerConfig, SearchConfig, propose, read_search

OPTUNA = "hydra/sweeper=optuna"


def test_its_words_are_those_of_hydra() -> None:
    words = [
        OPTUNA, "hydra.sweeper.n_trials=7", "hydra.sweeper.n_jobs=2", "hydra.sweeper.direction=maximize",
        "hydra/sweeper/sampler=random", "hydra.sweeper.sampler.seed=3",
    ]  # fmt: skip
    assert read_search(words) == SearchConfig(7, 2, "maximize", SamplerConfig("random", 3))
    assert read_search([OPTUNA]) == SearchConfig()
    assert read_search([]) is None
    assert read_search(["hydra/sweeper=basic"]) is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([OPTUNA, "hydra.sweeper.n_trial=7"], "Did you mean 'hydra.sweeper.n_trials'?"),
        ([OPTUNA, "hydra.sweeper.n_trials=many"], "'hydra.sweeper.n_trials' must be a whole number"),
        ([OPTUNA, "hydra.sweeper.n_trials=0"], "must be at least 1"),
        ([OPTUNA, "hydra.sweeper.direction=minimise"], "Did you mean 'minimize'?"),
        ([OPTUNA, "hydra/sweeper/sampler=tp"], "'hydra.sweeper.sampler.name' cannot be 'tp'"),
        (["hydra/sweeper=optun"], "Did you mean 'hydra/sweeper=optuna'?"),
        (["hydra.sweeper.n_trials=7"], "this setting needs a search"),
    ],
)
def test_a_wrong_word_is_an_error(words: list[str], expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_search(words)
    assert expected in str(error.value)


def test_every_kind_of_value_is_chosen_within_its_bounds() -> None:
    grid = read_grid(
        ["lr=tag(log,interval(1e-5,1e-3))", "seed=int(interval(1,3))", "x=interval(0,1.5)", "r=range(8,33,8)",
         "name='a b',c", "fixed=1"]
    )  # fmt: skip
    jobs = propose(grid, SearchConfig(sampler=SamplerConfig("random", 0)), [], 200)
    values = [dict(override.split("=") for override in job) for job in jobs]
    assert {key: {value[key] for value in values} for key in ("seed", "r", "name", "fixed")} == {
        "seed": {"1", "2", "3"}, "r": {"8", "16", "24", "32"}, "name": {"'a b'", "c"}, "fixed": {"1"},
    }  # fmt: skip
    assert all(0 <= float(value["x"]) <= 1.5 for value in values)
    rates = sorted(float(value["lr"]) for value in values)
    assert rates[0] >= 1e-5 and rates[-1] <= 1e-3
    assert 7e-5 < rates[100] < 1.4e-4  # the median of logarithms


def test_it_learns_from_results_and_a_resumed_one_goes_on_alike() -> None:
    grid = read_grid(["x=interval(0.0,1.0)", "name=a,b"])
    search = SearchConfig(sampler=SamplerConfig(seed=1))
    known: list[tuple[list[str], float | None]] = []
    losses: list[float] = []
    for _ in range(40):
        (job,) = propose(grid, search, known, 1)
        x, name = (override.partition("=")[2] for override in job)
        losses.append(abs(float(x) - 0.3) + (name == "a"))
        known.append((job, None if len(known) == 3 else losses[-1]))  # one of them fails
    assert sum(losses[-20:]) / 20 < 0.5  # 0.79 when chosen blindly
    assert propose(grid, search, known, 2) == propose(grid, search, known, 2)

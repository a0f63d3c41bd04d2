from __future__ import annotations

import pytest

from medft.compose import settings
from medft.errors import ConfigError
from medft.study.config import StudyConfig
from medft.study.folder import StudyDir

MINE = ["name=mine", "models=[mistral,gemma]", "datasets=[sample]"]


def test_the_command_that_goes_on_is_the_one_that_began() -> None:
    config: StudyConfig = settings("study", [*MINE, "paths.sample=my file.jsonl"])
    assert (
        config.again
        == "medft study name=mine 'models=[mistral,gemma]' 'datasets=[sample]' 'paths.sample=my file.jsonl'"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no study is named"),
        (["study=two_twin"], "Did you mean 'two_twins'?"),
        ([*MINE, "model=llama2"], "Did you mean 'models'?"),
        ([*MINE, "models=[]"], "'models' is empty"),
        ([*MINE, "seeds=[1,1]"], "'seeds' names one thing twice"),
        ([*MINE, "primary.suite=nli"], "suites=[heldout,nli]"),
        ([*MINE, "safety=[safety]"], "'safety' names the suite 'safety', which the study does not ask"),
        ([*MINE, "compare=base"], "'compare' cannot be 'base'"),
        ([*MINE, "compare=[A and B]"], "pairs are written A vs B"),
        ([*MINE, "hours=0"], "'hours' must be above 0"),
        ([*MINE, "rules.worst_regression=1.5"], "rules.worst_regression"),
    ],
)
def test_wrong_words_are_one_message(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        settings("study", words)
    assert said in str(error.value)


def test_what_changed_since_is_named_and_places_are_not(tmp_path) -> None:
    folder = StudyDir(tmp_path)
    before = settings("study", MINE)
    assert folder.changed(before) == []
    folder.write_settings(before)
    assert folder.config() == before
    after = settings("study", [*MINE, "seeds=[1,2]", "hours=3", "artifacts=elsewhere"])
    assert folder.changed(after) == ["seeds: [1, 2, 3] -> [1, 2]"]

from __future__ import annotations

from pathlib import Path

import pytest

from medft.compose import settings
from medft.errors import ConfigError, RunError
from medft.study.config import StudyConfig
from medft.study.folder import StudyDir

MINE = ["name=mine", "models=[mistral,gemma]", "datasets=[sample]"]


def test_a_study_is_gone_on_with_by_name_in_its_own_words(tmp_path: Path) -> None:
    place = f"artifacts={tmp_path}"
    before: StudyConfig = settings("study", [*MINE, place, "seeds=[4]", "plan_only=true"])
    assert before.again == f"medft study resume={tmp_path}/studies/mine"
    StudyDir(before.place).write_settings(before)
    for word in ("resume=mine", before.again.removeprefix("medft study ")):
        again: StudyConfig = settings("study", [word, place, "hours=2"])
        assert (again.seeds, again.hours, again.plan_only) == ((4,), 2, False)
    with pytest.raises(RunError, match="there is no study 'other'"):
        settings("study", ["resume=other", place])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no study was named"),
        (["study=two_twin"], "Did you mean 'two_twins'?"),
        ([*MINE, "model=llama2"], "Did you mean 'models'?"),
        ([*MINE, "models=[]"], "'models' is empty"),
        ([*MINE, "seeds=[1,1]"], "'seeds' contains a repetition"),
        ([*MINE, "primary.suite=nli"], "suites=[heldout,nli]"),
        ([*MINE, "safety=[safety]"], "'safety' names the suite 'safety', which the study does not use"),
        ([*MINE, "rules.safety=0.1"], "'rules.safety' holds for nothing: the study names no safety suite"),
        ([*MINE, "rules.worst_regression=0.05"], "regression=[...]"),
        ([*MINE, "compare=base"], "'compare' cannot be 'base'"),
        ([*MINE, "compare=[A and B]"], "write pairs as A vs B"),
        ([*MINE, "hours=0"], "'hours' must be above 0"),
        ([*MINE, "settings='run_dir=x'"], "'settings' cannot set 'run_dir', which the study decides"),
        ([*MINE, "where.gemma='seed=3'"], "'where.gemma' cannot set 'seed'"),
        ([*MINE, "launch=hydra.mode"], "'hydra.mode' has no effect on a sweep"),
        ([*MINE, "vary={seed: [1, 2]}"], "'vary' cannot set 'seed'"),
        ([*MINE, 'settings="scale=\'tiny"'], "a quote is opened and never closed"),
        ([*MINE, "rules.worst_regression=1.5"], "rules.worst_regression"),
    ],
)
def test_wrong_words_are_one_message(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        settings("study", words)
    assert said in str(error.value)


def test_what_changed_since_is_named_and_places_are_not(tmp_path: Path) -> None:
    folder = StudyDir(tmp_path)
    before = settings("study", MINE)
    assert folder.changed(before) == []
    folder.write_settings(before)
    assert folder.config() == before
    by_hand = folder.settings.read_text()
    folder.settings.write_text(by_hand.replace("name: mine", "name: 2026-11-20"))  # a date to YAML
    assert folder.changed(before) == ['name: "2026-11-20" -> "mine"']
    folder.settings.write_text(by_hand)
    after = settings("study", [*MINE, "seeds=[1,2]", "hours=3", "artifacts=elsewhere"])
    assert folder.changed(after) == ["seeds: [1, 2, 3] -> [1, 2]"]

"""Every data set of conf/dataset: composed, and read from a fixture in its source's shape."""

from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from medft.config import build
from medft.data.config import DatasetConfig
from medft.data.readers.hub import COMMIT
from medft.errors import ConfigError
from medft.paths import conf_dir
from tests.data.support import FIXTURES, dataset, everything, jsonl, prepared

NAMES = sorted(path.stem for path in (conf_dir() / "dataset").glob("*.yaml"))


def composed(*overrides: str) -> DatasetConfig:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        forced = [override if override[0] == "+" else f"++{override}" for override in overrides]
        values = OmegaConf.to_container(compose(overrides=forced).dataset, resolve=True)
    return build(DatasetConfig, values, "dataset")


@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_is_built_and_says_where_it_comes_from(name):
    config = composed(f"+dataset={name}")
    assert config.name == name
    for member in config.members().values():
        assert member.reader
        assert (member.repo is None) == (member.reader != "hub")
        assert (member.revision is None) == (member.reader != "hub")
        own = name in ("alpaca", "csv", "jsonl", "mcq", "messages", "parquet")
        assert own or member.license != "unknown" or member.license_note


def test_hub_data_sets_are_pinned_to_a_commit_unless_none_could_be_checked():
    files = {name: yaml.safe_load((conf_dir() / "dataset" / f"{name}.yaml").read_text()) for name in NAMES}
    unpinned = {name for name, conf in files.items() if not COMMIT.fullmatch(conf.get("revision", "0" * 40))}
    assert unpinned == {
        "family_plus_text", "medicalquestions", "pubmedqa_ko", "medqa", "medmcqa", "mmlu_medical", "headqa",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "reader", "path", "kept", "dropped"),
    [
        ("wikidoc", "jsonl", "wikidoc.jsonl", 23, {"rephrasing_leftover": 3}),
        ("medquad", "csv", "medquad.csv", 25, {"blank_answer": 2, "boilerplate": 3}),
        ("medquad_hub", "csv", "medquad_hub.csv", 15, {}),
        ("medquad_xml", "medquad_xml", "medquad_xml", 15, {"blank_answer": 5}),
        ("wiki_medical_terms", "jsonl", "wiki_medical_terms.jsonl", 14, {"blank_answer": 1}),
        ("medicalquestions", "csv", "medicalquestions.csv", 12, {"not_selected": 12}),
        ("family_plus_text", "text", "family_plus.txt", 16, {}),
        ("asclepius", "jsonl", "asclepius.jsonl", 24, {}),
        ("mednli", "jsonl", "mednli", 30, {}),
        ("pubmedqa", "pubmedqa_json", "pubmedqa_original", 20, {}),
        ("pubmedqa_hub", "jsonl", "pubmedqa.jsonl", 20, {}),
        ("pubmedqa_artificial", "jsonl", "pubmedqa.jsonl", 20, {}),
        ("pubmedqa_unlabeled", "jsonl", "pubmedqa.jsonl", 20, {}),
        ("pubmedqa_ko", "jsonl", "pubmedqa_ko.jsonl", 14, {}),
        ("shekswess", "jsonl", "shekswess.jsonl", 10, {}),
        ("alpaca", "jsonl", "alpaca.json", 12, {"blank_answer": 1}),
        ("mcq", "jsonl", "medqa.jsonl", 12, {}),
        ("medqa", "jsonl", "medqa.jsonl", 12, {}),
        ("medmcqa", "jsonl", "medmcqa.jsonl", 12, {"not_selected": 1}),
        ("mmlu_medical", "jsonl", "mmlu.jsonl", 12, {"not_selected": 2}),
        ("headqa", "jsonl", "headqa.jsonl", 12, {}),
    ],
)
def test_every_source_shape_goes_through(tmp_path, name, reader, path, kept, dropped):
    overrides = [
        f"dataset.reader={reader}",
        f"dataset.path={FIXTURES / path}",
        "dataset.allow_benchmark_test=true",
    ]
    config = composed(f"+dataset={name}", *overrides)
    done = prepared(config, tmp_path)
    assert done.ledger.kept().total() == kept
    assert done.ledger.dropped() == dropped
    assert all(done.rows(split) for split in ("train", "validation", "test"))
    records = [record for rows in everything(done).values() for record in rows]
    assert {record.task for record in records} == {config.task}
    for record in records:
        assert record.question
        assert record.answer or record.label
        assert not any(mark in record.question + record.answer for mark in ("[INST]", "</s>", "\r", " ?\n"))


@pytest.mark.parametrize("name", ["sample", "out_of_scope", "sounds_non_medical"])
def test_bundled_samples_keep_every_row(tmp_path, name):
    done = prepared(composed(f"+dataset={name}"), tmp_path)
    assert not done.ledger.dropped()


def test_mednli_keeps_its_splits_and_premises_are_contexts(tmp_path):
    splits = everything(
        prepared(composed("+dataset=mednli", f"dataset.path={FIXTURES / 'mednli'}"), tmp_path)
    )
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 18, "validation": 6, "test": 6}
    assert all(
        row.context and row.label in ("entailment", "neutral", "contradiction") for row in splits["test"]
    )


def test_a_label_outside_mednlis_three_is_an_error(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"sentence1": "a", "sentence2": "b", "gold_label": "-"}\n')
    with pytest.raises(Exception, match="entailment, neutral, contradiction") as error:
        prepared(composed("+dataset=mednli", f"dataset.path={path}"), tmp_path)
    assert error.value.where == f"{path}:1"


def test_pubmedqas_own_test_ids_are_its_test_split(tmp_path):
    done = prepared(composed("+dataset=pubmedqa", f"dataset.path={FIXTURES / 'pubmedqa_original'}"), tmp_path)
    ids = {"90000003", "90000006", "90000009", "90000012", "90000015", "90000018"}
    assert {row.id for row in done.records("test")} == {f"pubmedqa:{pmid}" for pmid in ids}


@pytest.mark.parametrize(
    "task",
    [
        "Named Entity Recognition", "Abbreviation Expansion", "Relation Extraction", "Paraphrasing",
        "Temporal Information Extraction", "Coreference Resolution", "Summarization", "Question Answering",
    ],
)  # fmt: skip
def test_each_of_the_eight_tasks_over_notes_can_be_trained_alone(tmp_path, task):
    place = ["dataset.reader=jsonl", f"dataset.path={FIXTURES / 'asclepius.jsonl'}"]
    config = composed("+dataset=asclepius", *place, f"dataset.keep={{task: [{task}]}}")
    done = prepared(config, tmp_path)
    assert (done.ledger.kept().total(), done.ledger.dropped()) == (3, {"not_selected": 21})
    assert all(record.context and record.answer for record in done.records("train"))


def test_notes_stay_whole_across_splits(tmp_path):
    config = composed(
        "+dataset=asclepius", "dataset.reader=jsonl", f"dataset.path={FIXTURES / 'asclepius.jsonl'}"
    )
    notes = [{row.context for row in rows} for rows in everything(prepared(config, tmp_path)).values()]
    assert all(notes)
    assert not (notes[0] & notes[1]) | (notes[0] & notes[2]) | (notes[1] & notes[2])


def test_conversations_of_ones_own_need_no_code(tmp_path):
    talk = [{"from": "human", "value": "What is {}?"}, {"from": "gpt", "value": "An illness, {}."}] * 2
    rows = [{"conversations": [{**t, "value": t["value"].format(n)} for t in talk]} for n in range(20)]
    path = jsonl(tmp_path / "x.jsonl", rows)
    settings = [f"dataset.path={path}", "dataset.columns.turns=conversations", "dataset.learn=last"]
    records = everything(prepared(composed("+dataset=messages", *settings), tmp_path))["train"]
    assert {record.task for record in records} == {"conversation"}
    assert {tuple(turn.learnt for turn in record.turns) for record in records} == {
        (False, False, False, True)
    }


def test_columns_of_ones_own_file_need_no_code(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("q,a\n" + "".join(f"What is {n}?,It is number {n}.\n" for n in range(20)))
    config = composed(
        "+dataset=csv",
        f"dataset.path={path}",
        "dataset.columns.question=q",
        "dataset.columns.answer=a",
        "dataset.limit=12",
    )
    assert prepared(config, tmp_path).ledger.kept().total() == 12


def family_plus(folder: Path) -> DatasetConfig:
    files = {
        "wiki_medical_terms": "wiki_medical_terms.jsonl",
        "wikidoc": "wikidoc.jsonl",
        "medquad": "medquad_hub.csv",
        "medicalquestions": "medicalquestions.csv",
    }
    overrides = []
    for name, file in files.items():
        reader = "csv" if file.endswith("csv") else "jsonl"
        overrides += [
            f"dataset.sources.{name}.reader={reader}",
            f"dataset.sources.{name}.path={FIXTURES / file}",
        ]
    return composed("+dataset=family_plus", *overrides)


def test_the_mixture_of_family_plus_holds_several_tasks(tmp_path):
    done = prepared(family_plus(tmp_path), tmp_path)
    tasks = {record.task for record in done.records("train")}
    assert tasks == {"definition", "qa", "refusal"}
    assert [source.name for source in done.ledger.sources] == [
        "wiki_medical_terms",
        "wikidoc",
        "medquad",
        "medicalquestions",
        "out_of_scope",
        "sounds_non_medical",
    ]


def test_the_short_mixture_is_the_full_one_with_two_thousand_rows():
    full, short = composed("+dataset=wikidoc_medquad"), composed("+dataset=wikidoc_medquad_short")
    assert (full.limit, short.limit) == (None, 2000)
    assert full.sources == short.sources


def test_weights_can_be_given_on_the_command_line():
    assert (
        composed("+dataset=wikidoc_medquad", "dataset.weights={wikidoc:0.3,medquad:0.7}").weights["medquad"]
        == 0.7
    )
    with pytest.raises(ConfigError, match=r"dataset\.weights\.medqad.*medquad"):
        composed("+dataset=wikidoc_medquad", "dataset.weights={wikidoc:0.3,medqad:0.7}")


def test_malformed_xml_is_named_by_file_and_line_and_can_be_skipped(tmp_path):
    good = (FIXTURES / "medquad_xml" / "5_NIDDK_QA" / "0000001.xml").read_bytes()
    for name, content in {"a.xml": good, "b.xml": good[:300], "c.xml": b"<other/>", "d.xml": BOMB}.items():
        (tmp_path / name).write_bytes(content)
    columns = {"question": "question", "answer": "answer"}
    with pytest.raises(Exception, match="not well-formed") as error:
        prepared(dataset("medquad_xml", tmp_path, columns=columns), tmp_path)
    assert error.value.where.startswith(f"{tmp_path / 'b.xml'}:")
    done = prepared(dataset("medquad_xml", tmp_path, columns=columns, on_error="skip"), tmp_path)
    assert done.ledger.dropped()["malformed_xml"] == 3


BOMB = b'<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><Document><QAPairs>&b;</QAPairs></Document>'


@pytest.mark.parametrize("content", [b'{"1": {"QUESTION": "half', b"[1]", b'{"1": "\xe9"}'])
def test_a_truncated_pubmedqa_file_is_named(tmp_path, content):
    (tmp_path / "ori_pqal.json").write_bytes(content)
    with pytest.raises(Exception) as error:
        prepared(composed("+dataset=pubmedqa", f"dataset.path={tmp_path}"), tmp_path)
    assert "ori_pqal.json" in error.value.where


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("medqa", "medqa"),
        ("medmcqa", "medmcqa"),
        ("mmlu_medical", "mmlu"),
        ("headqa", "headqa"),
        ("mcq", "medqa"),
    ],
)
def test_every_shape_of_multiple_choice_comes_to_the_same_lettered_options(tmp_path, name, file):
    place = ["dataset.reader=jsonl", f"dataset.path={FIXTURES / file}.jsonl"]
    done = prepared(composed(f"+dataset={name}", *place), tmp_path)
    found = {row.question: row for rows in everything(done).values() for row in rows}
    assert len(found) == 12
    for number in range(12):
        row = found[f"Which of these did nurse {number} count on ward {number} at dawn?"]
        things = [f"{thing} of room {number}" for thing in ("lamps", "beds", "doors", "clocks")]
        assert row.options == "\n".join(f"{'ABCD'[n]}. {thing}" for n, thing in enumerate(things))
        assert (row.task, row.label) == ("mcq", "ABCD"[number % 4])

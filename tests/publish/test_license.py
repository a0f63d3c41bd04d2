"""What licenses ask, read from their words."""

from __future__ import annotations

import pytest

from medft.publish.license import (
    KNOWN,
    forbids_sharing,
    grants_nothing,
    narrows,
    restrictions,
    terms_of,
    text_of,
)


@pytest.mark.parametrize(
    ("license", "note", "keys"),
    [
        ("CC-BY-NC-SA-4.0", "", ["non-commercial", "share-alike", "attribution"]),
        ("CC BY-SA 3.0", "", ["share-alike", "attribution"]),
        ("gpl-3.0", "", ["share-alike"]),
        ("cc-by-nd-4.0", "", ["no-derivatives", "attribution"]),
        ("CC-BY-4.0", "", ["attribution"]),
        ("ODC-By", "", ["attribution"]),
        ("MIT, by source", "Collected by hand.", []),
        ("MIT", "", []),
        ("apache-2.0", "", []),
        ("unknown", "", ["unknown"]),
        ("", "", ["unknown"]),
        ("PhysioNet Credentialed Health Data License", "", ["never-redistribute"]),
        ("custom", "Never redistribute.", ["never-redistribute"]),
        ("CC-BY-4.0", "the source of some rows is unknown", ["attribution"]),
    ],
)
def test_restrictions(license: str, note: str, keys: list[str]) -> None:
    assert [rule.key for rule in restrictions(license, note)] == keys


def test_forbids_sharing() -> None:
    assert forbids_sharing("x", "never redistribute")
    assert not forbids_sharing("CC-BY-NC-4.0")


def test_what_grants_nothing() -> None:
    for words in ("", "unknown", "internal", "hospital data, confidential", "All rights reserved"):
        assert grants_nothing(words), words
    for words in ("CC-BY-NC-SA-4.0", "MIT", "PhysioNet Credentialed"):
        assert not grants_nothing(words), words


def test_texts_that_ship() -> None:
    apache = text_of(KNOWN["apache-2.0"])
    assert apache.lstrip().startswith("Apache License") and "END OF TERMS AND CONDITIONS" in apache
    assert text_of(KNOWN["mit"]) == ""  # it names its owner
    assert text_of(terms_of("some", "../apache-2.0")) == ""


def test_what_asks_for_more_than_to_be_named() -> None:
    assert not narrows([("CC-BY-4.0", ""), ("MIT", "Name the sources.")])
    assert all(
        narrows([("MIT", ""), (license, "")]) for license in ("CC-BY-SA-4.0", "CC-BY-NC-4.0", "unknown")
    )


def test_terms() -> None:
    assert terms_of("llama3.1").name_must_start_with == "Llama"
    assert "Built with Llama" in terms_of("llama3.1").duties[0]
    assert terms_of("apache-2.0").name_must_start_with == ""
    assert terms_of("gemma").notice.startswith("Gemma is provided under")
    other = terms_of("my-own", "My own terms", "https://example.org", "Mine")
    assert (other.id, other.name, other.url, other.name_must_start_with) == (
        "other",
        "My own terms",
        "https://example.org",
        "Mine",
    )

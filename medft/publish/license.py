"""What licenses require when weights are shared: names, notices, and conditions from the licenses of the
data.

Nothing here is legal advice; the texts themselves decide, and the card links to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Terms:
    """What a base model's license asks of a derived model."""

    id: str
    """The hub's license identifier."""
    name: str
    """The license in words."""
    url: str
    """Where its text stands."""
    name_must_start_with: str = ""
    """How the name of a derived model must begin."""
    notice: str = ""
    """The text that a file called NOTICE must hold."""
    duties: tuple[str, ...] = ()
    """What else it asks, a sentence each."""


_CHANGED = "Changed files must say that they were changed: these weights were fine-tuned."
_LLAMA_POLICY = "Use must follow Meta's acceptable use policy, and a copy of the license must be included."


def _llama3(version: str) -> Terms:
    return Terms(
        f"llama{version}",
        f"Llama {version} Community License",
        f"https://www.llama.com/llama{version.replace('.', '_')}/license/",
        name_must_start_with="Llama",
        notice=f"Llama {version} is licensed under the Llama {version} Community License, Copyright © Meta "
        "Platforms, Inc. All Rights Reserved.",
        duties=(
            "Built with Llama: products that use it must display these words.",
            'The name of a derived model must begin with "Llama".',
            _LLAMA_POLICY,
        ),
    )


KNOWN = {
    terms.id: terms
    for terms in (
        Terms(
            "gemma",
            "Gemma Terms of Use",
            "https://ai.google.dev/gemma/terms",
            notice="Gemma is provided under and subject to the Gemma Terms of Use found at "
            "ai.google.dev/gemma/terms",
            duties=(
                "Everyone who receives these weights is bound by these terms, including the "
                "prohibited use policy.",
                _CHANGED,
            ),
        ),
        Terms(
            "llama2",
            "Llama 2 Community License",
            "https://ai.meta.com/llama/license/",
            notice="Llama 2 is licensed under the LLAMA 2 Community License, Copyright (c) Meta Platforms, "
            "Inc. All Rights Reserved.",
            duties=(_LLAMA_POLICY, "Its outputs must not be used to improve other large language models."),
        ),
        *map(_llama3, ("3.1", "3.2", "3.3")),
        Terms(
            "health-ai-developer-foundations",
            "Health AI Developer Foundations Terms of Use",
            "https://developers.google.com/health-ai-developer-foundations/terms",
            notice="HAI-DEF is provided under and subject to the Health AI Developer Foundations Terms of "
            "Use found at https://developers.google.com/health-ai-developer-foundations/terms",
            duties=("Everyone who receives these weights is bound by these terms.", _CHANGED),
        ),
        Terms(
            "apache-2.0",
            "Apache License 2.0",
            "https://www.apache.org/licenses/LICENSE-2.0",
            duties=("A copy of the license must be included.", _CHANGED),
        ),
        Terms("mit", "MIT License", "https://opensource.org/license/mit"),
    )
}


_TEXTS = Path(__file__).parent / "licenses"

PERMISSIVE = ("apache-2.0", "mit")
"""Licenses that let a model be used for anything."""


def terms_of(license: str, name: str = "", url: str = "", name_must_start_with: str = "") -> Terms:
    """The terms of a base's license: the known ones, else what the model's own settings say of it.

    A naming rule that the settings give holds even where the known terms have none.
    """
    known = KNOWN.get(license.lower())
    if known is None:
        return Terms("other", name or license or "unknown", url, name_must_start_with)
    rule = name_must_start_with or known.name_must_start_with
    return Terms(known.id, known.name, url or known.url, rule, known.notice, known.duties)


def text_of(terms: Terms) -> str:
    """The text of a license that is the same for everybody; empty for one that names its owner."""
    path = _TEXTS / f"{terms.id}.txt"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@dataclass(frozen=True, slots=True)
class Restriction:
    """Something that a data license forbids or demands."""

    key: str
    """non-commercial, share-alike, no-derivatives, never-redistribute, internal, unknown, attribution"""
    pattern: str
    """What in the words of a license shows it (a regular expression without regard to case)."""
    consequence: str
    """What follows for the weights, as a sentence."""


RESTRICTIONS = (
    Restriction(
        "never-redistribute",
        r"never redistribut|credentialed|data use agreement|physionet",
        "was given under a data use agreement that forbids passing it on. Weights can repeat what they were "
        "trained on: do not hand them to anyone who has not signed the same agreement.",
    ),
    Restriction(
        "internal",
        r"\binternal\b|confidential|proprietary|in-?house|all rights reserved|\bprivate\b",
        "may not be shared freely. Weights can reproduce training data: ask the owner of the data.",
    ),
    Restriction(
        "non-commercial",
        r"\bnc\b|non-?commercial",
        "forbids commercial use. Treat this model as non-commercial too.",
    ),
    Restriction(
        "share-alike",
        r"\bsa\b|share-?alike|\bl?gpl\b",
        "is share-alike: what is derived from it must be passed on under the same terms. Whether that covers "
        "trained weights is disputed; assume that it does.",
    ),
    Restriction(
        "no-derivatives",
        r"\bnd\b|no-?deriv",
        "does not allow derived works. Have this checked before sharing.",
    ),
    Restriction(
        "unknown",
        r"^\W*$|unknown|none stated|not stated",
        "states no license, so no right to share anything derived from it is known.",
    ),
    Restriction(
        "attribution",
        r"\b(?:cc|odc)[- ]by\b|\battribution\b",
        "must be credited wherever this model is shared.",
    ),
)


def restrictions(license: str, note: str = "") -> list[Restriction]:
    """What a data license (and the sentence that explains it) forbids or demands, by its words."""
    return [
        rule
        for rule in RESTRICTIONS
        if re.search(rule.pattern, license if rule.key == "unknown" else f"{license} {note}", re.IGNORECASE)
    ]


def narrows(licenses: Iterable[tuple[str, str]]) -> bool:
    """Whether any of the ``(license, note)`` pairs asks for more than to be named, so that a model may not be
    called free to use because its base is."""
    return any(rule.key != "attribution" for pair in licenses for rule in restrictions(*pair))


def forbids_sharing(license: str, note: str = "") -> bool:
    """Whether a data license forbids passing the data on to others."""
    return any(rule.key == "never-redistribute" for rule in restrictions(license, note))


def grants_nothing(license: str, note: str = "") -> bool:
    """Whether a data license names no right to pass anything on: unknown, internal, proprietary."""
    return any(rule.key in ("internal", "unknown") for rule in restrictions(license, note))

"""Verifies candidates for telephone numbers, bank accounts, IP addresses and dates."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

REGIONS = ("DE", "GB", "FR", "KR", "AT", "CH")
"""Countries whose telephone numbers begin with a 0 at home; those of the United States have three parts."""
_CONTEXT = re.compile(
    r"(?:\b(?:tel|fon|fax|phone|telephone|telefon|telefax|mobile?|cell|handy|call|pager|téléphone|portable|"
    r"rufnummer|dial|ring)\b|전화|휴대폰|연락처|팩스)[^\d\n]{0,20}$",
    re.IGNORECASE,
)
_ABOUT_TEXT = re.compile(
    r"\b(?:guidelines?|recommendations?|version|edition|published|updated"
    r"|revised|accessed|retrieved|leitlinien?|"
    r"fassung|stand|veröffentlicht|aktualisiert|recommandations?|publiée?s?"
    r"|mise? à jour|révisée?s?)\b(?:[^.\n]|\d\.){0,40}$"
    r"|(?:지침|가이드라인|개정|발표)(?:[^.\n]|\d\.){0,20}$",
    re.IGNORECASE,
)
_OF_DAYS = re.compile(
    r"\b(?:on|since|from|until|till|by|before|after|dated|seen|dob|born|am"
    r"|vom|seit|bis|ab|zum|geb\.|le|du|au|dès) $",
    re.IGNORECASE,
)
_BOUND_BEFORE = re.compile(
    r"\b(?:up to|over|under|above|below|until|before|after|between|through"
    r"|at least|than|by|über|unter|ab|bis|"
    r"mindestens|plus de|moins de|jusqu'à|après|avant|entre)(?: the)? $",
    re.IGNORECASE,
)
_BOUND_AFTER = re.compile(
    r"\s?(?:\+|[-–]\s?\d|(?:and|or|to|und|oder|bis|et|ou|à) (?:over|older"
    r"|above|more|up|älter|mehr|plus|\d)|이상|이하|미만)",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r"\s?(?:%|°|(?:mg|g|kg|µg|mcg|ml|l|dl|mm|cm|m|mmol|iu|ie|bpm|mmhg|days?"
    r"|weeks?|months?|years?|hours?|h|min|times?|"
    r"tage?n?|wochen?|monate?n?|jahre?n?|stunden?|mal|jours?|semaines?|mois|ans|heures?|fois|of|points?)\b"
    r"|(?:일간|주|개월|년|회|명))",
    re.IGNORECASE,
)


def is_phone(match: re.Match[str]) -> bool:
    """A number that is in use in some country, in the form in which it is written there; behind a word like
    "Tel." any number of seven digits or more."""
    import phonenumbers

    regions: tuple[str, ...]
    text, digits = match[0], re.sub(r"\D", "", match[0])
    if _unit_follows(match):
        return False
    if _CONTEXT.search(match.string, max(0, match.start() - 40), match.start()):
        return 7 <= len(digits) <= 15
    if text.startswith(("+", "00")):
        regions, text = ("ZZ",), re.sub(r"^00", "+", text)
    elif digits.startswith("0"):
        regions = REGIONS
    else:
        regions = ("US",)
    for region in regions:
        try:
            number = phonenumbers.parse(text, None if region == "ZZ" else region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return True
    return text.startswith("+") or (regions == ("US",) and len(digits) in (10, 11))


def is_iban(match: re.Match[str]) -> bool:
    """A bank account whose check digits hold."""
    from stdnum import iban

    return bool(iban.is_valid(match[0]))


def is_ipv6(match: re.Match[str]) -> bool:
    """An address of the sixth version, with three colons at least: a time has fewer."""
    try:
        IPv6Address(match[0])
    except ValueError:
        return False
    return match[0].count(":") >= 3


def is_social_security(match: re.Match[str]) -> bool:
    """A French number of social security whose control key holds."""
    from stdnum.fr import nir

    return bool(nir.is_valid(match[0]))


def is_no_version(match: re.Match[str]) -> bool:
    """No version of a program, as four numbers between dots may be."""
    before = match.string[max(0, match.start() - 12) : match.start()].lower()
    return not re.search(r"(?:\bv|version|release|ver\.?)\s*$", before)


def is_date(match: re.Match[str]) -> bool:
    """A day of somebody's life: not of a guideline, nor part of a range of months or milligrams."""
    if _unit_follows(match):
        return False
    return not _ABOUT_TEXT.search(match.string, max(0, match.start() - 70), match.start())


def is_own_age(match: re.Match[str]) -> bool:
    """The age of somebody, not a bound of many people's."""
    before = match.string[max(0, match.start() - 20) : match.start()]
    return not _BOUND_BEFORE.search(before) and not _BOUND_AFTER.match(match.string, match.end())


def is_day(match: re.Match[str]) -> bool:
    """A month with a day behind it: of May and March, which are words, only where a date is spoken of."""
    return is_date(match) and (not match[0].startswith(("May", "Mar")) or _said_of_days(match))


def is_named_day(match: re.Match[str]) -> bool:
    """A day and a month in numbers, where a date is spoken of; not 24/7."""
    return match[0] != "24/7" and _said_of_days(match) and is_date(match)


def is_named_phone(match: re.Match[str]) -> bool:
    """A number behind a word like "Tel."."""
    return _CONTEXT.search(match.string, max(0, match.start() - 40), match.start()) is not None and is_phone(
        match
    )


def _said_of_days(match: re.Match[str]) -> bool:
    return _OF_DAYS.search(match.string, max(0, match.start() - 12), match.start()) is not None


def _unit_follows(match: re.Match[str]) -> bool:
    return _UNIT.match(match.string, match.end()) is not None

"""The forms of identifiers, of any language and of the four that are known, in the order of the search."""

from __future__ import annotations

from medft.data.cleaning import identifier_checks as checks
from medft.data.cleaning.identifier_addresses import ADDRESSES
from medft.data.cleaning.identifier_dates import AGES, DATES
from medft.data.cleaning.identifier_pattern import any_case, exact

LANGUAGES = ("en", "de", "fr", "ko")
"""Languages whose forms are looked for, all at once: a row may hold another one than its data set."""


_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_NUMBER = (
    r"(?:\s?(?:is|lautet|est|:|#|=|\.|°"
    r"|-)){0,2}\s{0,2}(?=[\w./-]*\d[\w./-]*\d)[\w][\w/-]{2,}(?:[ .](?=[\w-]*\d)[\d][\w-]*){0,4}(?!\w)"
)
_RECORD = (
    r"\b(?:mrn|mr ?#|uhid|pid|(?:medical |health )?record (?:number|no\b|num\b|id\b"
    r"|#)|(?:patient|chart|hospital|case|accession|encounter|"
    r"admission|visit|study|specimen|sample|file|nhs|unit) (?:number|no\b"
    r"|id\b|identifier|#)|pat\.? ?id|nhs(?= ?[:#]?\s?\d{3}))"
    r"|\b(?:fall|patienten|pat|akten|aufnahme|auftrags|proben|befund"
    r"|kranken(?:haus|akten)|vorgangs|einsendungs)[.-]{0,2} ?(?:nr|nummer|id"
    r"|zeichen|kennung)\b"
    r"|\b(?:(?:numéro|n°|no\.?|num\.?) (?:de )?(?:dossier|patient|séjour"
    r"|venue|admission)|dossier (?:patient |médical )?(?:numéro|n°|no\.?)"
    r"|ipp|nip|nda|identifiant (?:du )?patient)"
    r"|(?:환자|병원등록|등록|차트|병록|접수|의무기록) ?번호"
)
_ACCOUNT = (
    r"\b(?:account|acct\.?|policy|member|beneficiary|insurance|health plan"
    r"|licen[cs]e|certificate|serial|passport|medicare|medicaid|claim|group)"
    r" (?:number|no\b|id\b|#)"
    r"|\b(?:versicherten|versicherungs?|kranken(?:versicherten|versicherungs"
    r"|kassen)|mitglieds?|kassen|konto|kv|policen|ausweis"
    r"|rentenversicherungs|sozialversicherungs|steuer)[.-]{0,2} ?(?:nr"
    r"|nummer|id|identifikationsnummer)\b"
    r"|\b(?:numéro|n°|no\.?) (?:de |d')?(?:sécurité sociale|assuré|assurance"
    r"|adhérent|contrat|mutuelle|compte|police)|\b(?:nir|nss)\b"
    r"|(?:보험|건강보험증|의료보험|계좌|증) ?번호"
)
_RECORD_NEEDS = (
    "mrn|mr#|mr #|record|patient|chart|hospital|case|accession|encounter"
    "|admission|visit|study|specimen|sample|file|nhs|unit|reg|hosp|uhid|pid|pat|fall|akten"
    "|aufnahme|auftrag|proben|befund|kranken|vorgang|einsend|dossier|séjour"
    "|venue|ipp|nip|nda|identifiant|번호"
)
_ACCOUNT_NEEDS = (
    "account|acct|policy|member|beneficiary|insurance|plan|licen|certificate"
    "|serial|passport|medicare|medicaid|claim|group|versich|mitglied|kassen"
    "|konto|kv|police|ausweis|steuer|sociale|assur|adhérent|contrat"
    "|mutuelle|compte|nir|nss|번호"
)

_BETWEEN = r"[ ./()–-]{0,3}"
_PHONE_WORDS = (
    "tel|fon|fax|phone|mobil|cell|handy|call|pager|tél|portable|rufnummer|dial|ring|전화|휴대폰|연락처|팩스"
)
WITHOUT_DIGITS = (
    exact("email", r"(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]*\w", "@"),
    any_case("url", r"\b(?:https?://|www\.)[^\s<>\"')\]]+(?<![.,;:!?])", "://|www."),
)
"""Searched for in the whole of a text."""
WITH_DIGITS = (
    exact(
        "ip_address",
        rf"(?<![\d.]){_OCTET}(?:\.{_OCTET}){{3}}(?![\d.]*\d)",
        ".",
        checks.is_no_version,
        digits=4,
    ),
    any_case("ip_address", r"(?<![\w:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){3,7}(?![\w:])", ":", checks.is_ipv6),
    exact(
        "iban",
        r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b",
        holds=checks.is_iban,
        digits=10,
    ),
    exact("ssn", r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\d-])", "-", digits=9),
    any_case(
        "ssn",
        r"\b(?:ssn|social security(?: number| no\.?| #)?)\s?[:#]?\s?\d{3}[ -]?\d\d[ -]?\d{4}\b",
        "ssn|social",
    ),
    exact(
        "ssn",
        r"(?<!\d)[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}(?!\d)",
        holds=checks.is_social_security,
        digits=12,
    ),
    exact("insurance_number", r"(?<!\w)\d{2} ?\d{6} ?[A-Z] ?\d{3}(?!\w)", digits=11),
    exact(
        "resident_number",
        r"(?<![\d-])\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])-[1-8]\d{6}(?![\d-])",
        "-",
        digits=13,
    ),
    any_case("record_number", rf"(?:{_RECORD}){_NUMBER}", _RECORD_NEEDS),
    any_case("account_number", rf"(?:{_ACCOUNT}){_NUMBER}", _ACCOUNT_NEEDS),
    any_case(
        "vehicle_number",
        r"\b(?:vin|licen[cs]e plate|kennzeichen"
        r"|immatriculation)[\s:#=.]{0,3}(?=[\w-]*\d)[\w-]{4,}(?: \d{1,4})?",
        "vin |vin:|vin#| plate|kennzeichen|immatric",
    ),
    *DATES,
    exact(
        "phone",
        rf"(?<![\w.,/-])(?<!\d )(?:\+|00)[1-9]\d{{0,2}}(?:{_BETWEEN}\d){{6,12}}(?![^\W가-힣])",
        holds=checks.is_phone,
        digits=7,
    ),
    exact(
        "phone",
        r"(?<![\w.-])(?:1[ .-])?(?:\(\d{3}\)[ .-]?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![^\W가-힣]|-)",
        holds=checks.is_phone,
        digits=10,
    ),
    exact(
        "phone",
        rf"(?<![\w.,/-])(?<!\d )\(?0\d(?:{_BETWEEN}\d){{6,11}}(?![^\W가-힣])(?![.,]\d)",
        "0",
        checks.is_phone,
        digits=8,
    ),
    exact(
        "phone",
        r"(?<![\w.,/-])\d(?:[ ./-]?\d){6,11}(?![^\W가-힣])",
        _PHONE_WORDS,
        checks.is_named_phone,
        digits=7,
    ),
    *ADDRESSES,
    *AGES,
)
"""Searched for around digits, in this order: a number that has been found is no telephone."""

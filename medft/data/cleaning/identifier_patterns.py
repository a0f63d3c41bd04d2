"""The forms of identifiers, common to all languages and of English, German, French and Korean."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from medft.data.cleaning import identifier_checks as checks

LANGUAGES = ("en", "de", "fr", "ko")
"""Languages whose forms are looked for, all at once: a row may hold another one than its data set."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One form of one kind."""

    kind: str
    """What it is called in brackets."""
    regex: re.Pattern[str]
    """Its form."""
    needs: tuple[str, ...] = ()
    """One of these is in the lower-case text wherever the identifier does; others are not searched."""
    holds: Callable[[re.Match[str]], bool] | None = None
    """Whether what has the form is one."""
    digits: int = 0
    """So many are in it at least; texts with fewer are not searched."""


def _exact(
    kind: str,
    regex: str,
    needs: str = "",
    holds: Callable[[re.Match[str]], bool] | None = None,
    digits: int = 0,
) -> Pattern:
    words = tuple(needs.split("|")) if needs else ()
    return Pattern(kind, re.compile(regex), words, holds, digits)


def _any_case(
    kind: str,
    regex: str,
    needs: str = "",
    holds: Callable[[re.Match[str]], bool] | None = None,
    digits: int = 0,
) -> Pattern:
    words = tuple(needs.split("|")) if needs else ()
    return Pattern(kind, re.compile(regex, re.IGNORECASE), words, holds, digits)


_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_NUMBER = (
    r"(?:\s?(?:is|lautet|est|:|#|=|\.|°"
    r"|-)){0,2}\s{0,2}(?=[\w./-]*\d[\w./-]*\d)[\w][\w/-]{2,}(?:[ .](?=[\w-]*\d)[\d][\w-]*){0,4}(?!\w)"
)
_DAY, _MONTH_NUMBER, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"

_EN = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?"
    r"|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
)
_DE = (
    r"(?:Jan(?:uar|ner)?|Jänner|Feb(?:ruar)?|März|Mrz|Apr(?:il)?|Mai|Juni?"
    r"|Juli?|Aug(?:ust)?|Sept?(?:ember)?|Okt(?:ober)?|Nov(?:ember)?"
    r"|Dez(?:ember)?)"
)
_FR = (
    r"(?:janv(?:ier)?|févr?(?:ier)?|fevrier|mars|avr(?:il)?|mai|juin"
    r"|juil(?:let)?|août|aout|sept(?:embre)?|oct(?:obre)?|nov(?:embre)?"
    r"|déc(?:embre)?|decembre)"
)
_MONTHS = (
    "jan|jän|feb|fev|fév|mar|mär|mrz|apr|avr|may|mai|jun|juin|jul|juil|aug"
    "|aou|aoû|sep|oct|okt|nov|dec|dez|déc"
)
_ORDINAL = r"\d{1,2}(?:st|nd|rd|th)"

_DIVIDED = "|".join(f"{digit}{mark}" for digit in range(10) for mark in "-/.")
"""What stands in a date of numbers."""

_DATES = (
    _exact(
        "date",
        rf"(?<![\d/.-]){_YEAR}([-/.])\s?{_MONTH_NUMBER}\1\s?{_DAY}(?!\d|[-/]\d|\.\d)",
        _DIVIDED,
        checks.is_date,
        digits=6,
    ),
    _exact(
        "date",
        rf"(?<![\d/.-]){_DAY}([-/.])\s?{_MONTH_NUMBER}\1\s?(?:{_YEAR}|\d\d)(?![\d/-]|\.\d)",
        _DIVIDED,
        checks.is_date,
        digits=4,
    ),
    _exact(
        "date",
        rf"(?<![\d/.-]){_MONTH_NUMBER}([-/]){_DAY}\1(?:{_YEAR}|\d\d)(?![\d/-]|\.\d)",
        _DIVIDED,
        checks.is_date,
        digits=4,
    ),
    _any_case(
        "date",
        rf"(?<=\b)(?<!\d)\d{{1,2}}(?:st|nd|rd|th|\.|er)?[ -]?(?:of |de )?(?:{_EN}"
        rf"|{_DE}|{_FR})\.?,?[ -]{_YEAR}\b",
        _MONTHS,
        checks.is_date,
    ),
    _any_case(
        "date", rf"\b(?:{_EN})\.?[ -]\d{{1,2}}(?:st|nd|rd|th)?,?[ -]{_YEAR}\b", _MONTHS, checks.is_date
    ),
    _exact("date", rf"\b{_EN}\.? {_ORDINAL}\b|\b{_ORDINAL} (?:of )?{_EN}\b", _MONTHS, checks.is_date),
    _exact("date", rf"(?<![\d.,])\d{{1,2}}\. ?{_DE}\b\.?(?! \d{{2,}})", _MONTHS, checks.is_date),
    _exact("date", rf"(?<![\d.,])(?:\d{{1,2}}|1er) {_FR}\b", _MONTHS, checks.is_date),
    _exact("date", rf"(?<![\d.,/-])\d{{1,2}}(?:-{_EN}-\d\d|[ -]{_EN}\b\.?)(?!\w)", _MONTHS, checks.is_date),
    _exact("date", rf"\b{_EN}\.? \d{{1,2}}\b(?![,.]?\d)", _MONTHS, checks.is_day),
    _exact("date", rf"\b(?:{_EN}|{_DE}|{_FR})\.? {_YEAR}\b", _MONTHS, checks.is_date),
    _exact(
        "date",
        rf"(?<![\d.,/-]){_DAY}(?:/{_DAY}(?!/)|\.{_MONTH_NUMBER}\.)(?![\d%])(?!\s?of\b)",
        _DIVIDED,
        checks.is_named_day,
    ),
    _exact(
        "date",
        rf"(?<!\d)(?:{_YEAR}|\d\d)년 ?\d{{1,2}}월(?: ?\d{{1,2}}일)?|(?<!\d)\d{{1,2}}월 ?\d{{1,2}}일",
        "월",
        checks.is_date,
    ),
    _exact("date", rf"(?<![\d.]){_YEAR}\. ?\d{{1,2}}\. ?\d{{1,2}}\.?(?!\d)", ".", checks.is_date, digits=6),
)

_OLD = r"(?:9\d|1[01]\d|12\d)"
_AGES = (
    _any_case(
        "age_over_89",
        rf"\b{_OLD}[ -]?(?:years?|yrs?\.?)[ -]?(?:old|of age)\b|\b{_OLD}[ -]?y(?:/|\.)?o\.?(?!\w)",
        "y",
        checks.is_own_age,
    ),
    _any_case(
        "age_over_89",
        rf"\bage[ds]?(?: of| at|:)? ?{_OLD}\b(?!\s?(?:%|days?|weeks?|months?|hours?|-\s?\d))",
        "age",
        checks.is_own_age,
    ),
    _any_case(
        "age_over_89",
        rf"\b{_OLD}[ -]?jährige?[rnms]?\b|\b{_OLD} Jahre[n]? alt\b|\b(?:mit|von"
        rf"|Alter:?) {_OLD} Jahren?\b|\bAlter:? ?{_OLD}\b(?! ?(?:Tage|Wochen"
        rf"|Monate))|\b{_OLD} ?J\.(?!\w)",
        "j|alter",
        checks.is_own_age,
    ),
    _any_case(
        "age_over_89",
        rf"\bâgée?s? de {_OLD} ans\b|\b(?:patiente?|homme|femme|dame|monsieur"
        rf"|madame) de {_OLD} ans\b|\b[aà] l'âge de {_OLD} ans\b"
        rf"|\bâge ?: ?{_OLD}(?: ans)?\b",
        "ans|âge",
        checks.is_own_age,
    ),
    _exact("age_over_89", rf"(?<!\d){_OLD} ?(?:세|살)(?!대)", "세|살", checks.is_own_age),
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

_STREET = (
    r"(?:[A-ZÄÖÜ][\wäöüß]*-)*[A-ZÄÖÜ]?[\wäöüß]*(?:[Ss]traße|[Ss]trasse"
    r"|[Ss]tr\.|[Ww]eg|[Pp]latz|[Aa]llee|[Gg]asse|[Rr]ing|[Uu]fer|[Dd]amm"
    r"|[Cc]haussee)"
)
_CITY = (
    r"[A-ZÀ-Ý][^\W\d_]+(?:[ '-](?:am |an der |im |sur |sous |en |le |la "
    r"|les |lès )?[A-ZÀ-Ý][^\W\d_]+\b(?!\d)){0,2}"
)
_ADDRESSES = (
    _exact(
        "address",
        rf"\b(?:[A-ZÄÖÜ][\wäöüß]+(?:er"
        rf"|s)? )?(?<!\w){_STREET} \d{{1,4}} ?[a-z]?(?!\w)(?:,? (?:D-|A-"
        rf"|CH-)?\d{{4,5}} {_CITY})?",
        "str|weg|platz|allee|gasse|ring|ufer|damm|chaussee",
    ),
    _exact("address", rf"(?:\bPLZ:? ?|\b(?:D|A|CH|F)-)\d{{4,5}}(?: {_CITY})?", "plz|d-|a-|ch-|f-"),
    _exact(
        "address",
        rf"\b\d{{1,5}}[A-Za-z]? (?:[NSEW]\.? )?(?:[A-Z][\w']+ ){{1,3}}(?:Street"
        rf"|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way"
        rf"|Place|Pl|Terrace|Close|Crescent|Square"
        rf"|Gardens)\b\.?(?:,? {_CITY})?(?:,? [A-Z]{{2}},? \d{{5}}(?:-\d{{4}})?)?",
        "st|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|way|place|pl"
        "|terrace|close|crescent|square|gardens",
    ),
    _exact(
        "address",
        rf"\b\d{{1,4}}(?: ?(?:bis|ter))?,? (?:rue|avenue|av\.|boulevard|bd\.?"
        rf"|place|chemin|impasse|allée|quai|cours|route|square) (?:(?:de|du|des"
        rf"|la|le|les|d'|l')[ ]?)*[\wÀ-ÿ'-]+(?:[ -](?:(?:de|du|des|la|le"
        rf"|les) )*[A-ZÀ-Ý][\wÀ-ÿ'-]+){{0,4}}(?:,? \d{{5}} {_CITY})?",
        "rue|av|boulevard|bd|place|chemin|impasse|allée|quai|cours|route|square",
    ),
    _exact(
        "address",
        r"(?:[가-힣]+(?:특별시|광역시|시|도) )?[가-힣]+(?:시|구|군|읍|면|동) [가-힣0-9]+(?:로"
        r"|길) ?\d+(?:-\d+)?(?:번길 ?\d+)?",
        "로|길",
    ),
    _exact(
        "zip_code",
        r"\b(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]"
        r"|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AT]"
        r"|W[AIVY]),? \d{5}(?:-\d{4})?(?![\w-])",
        digits=5,
    ),
    _exact(
        "zip_code", r"\b(?:[A-PR-UWYZ][A-HK-Y]?\d[A-Z\d]?|[A-PR-UWYZ]\d[A-HJKPSTUW]) \d[ABD-HJLNP-UW-Z]{2}\b"
    ),
    _exact("zip_code", r"(?:우편번호|\(우\)):? ?\d{5}(?!\d)", "우"),
)

_BETWEEN = r"[ ./()–-]{0,3}"
_PHONE_WORDS = (
    "tel|fon|fax|phone|mobil|cell|handy|call|pager|tél|portable|rufnummer|dial|ring|전화|휴대폰|연락처|팩스"
)
WITHOUT_DIGITS = (
    _exact("email", r"(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]*\w", "@"),
    _any_case("url", r"\b(?:https?://|www\.)[^\s<>\"')\]]+(?<![.,;:!?])", "://|www."),
)
"""Searched for in the whole of a text."""
WITH_DIGITS = (
    _exact(
        "ip_address",
        rf"(?<![\d.]){_OCTET}(?:\.{_OCTET}){{3}}(?![\d.]*\d)",
        ".",
        checks.is_no_version,
        digits=4,
    ),
    _any_case("ip_address", r"(?<![\w:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){3,7}(?![\w:])", ":", checks.is_ipv6),
    _exact(
        "iban",
        r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b",
        holds=checks.is_iban,
        digits=10,
    ),
    _exact("ssn", r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\d-])", "-", digits=9),
    _any_case(
        "ssn",
        r"\b(?:ssn|social security(?: number| no\.?| #)?)\s?[:#]?\s?\d{3}[ -]?\d\d[ -]?\d{4}\b",
        "ssn|social",
    ),
    _exact(
        "ssn",
        r"(?<!\d)[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}(?!\d)",
        holds=checks.is_social_security,
        digits=12,
    ),
    _exact("insurance_number", r"(?<!\w)\d{2} ?\d{6} ?[A-Z] ?\d{3}(?!\w)", digits=11),
    _exact(
        "resident_number",
        r"(?<![\d-])\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])-[1-8]\d{6}(?![\d-])",
        "-",
        digits=13,
    ),
    _any_case("record_number", rf"(?:{_RECORD}){_NUMBER}", _RECORD_NEEDS),
    _any_case("account_number", rf"(?:{_ACCOUNT}){_NUMBER}", _ACCOUNT_NEEDS),
    _any_case(
        "vehicle_number",
        r"\b(?:vin|licen[cs]e plate|kennzeichen"
        r"|immatriculation)[\s:#=.]{0,3}(?=[\w-]*\d)[\w-]{4,}(?: \d{1,4})?",
        "vin |vin:|vin#| plate|kennzeichen|immatric",
    ),
    *_DATES,
    _exact(
        "phone",
        rf"(?<![\w.,/-])(?<!\d )(?:\+|00)[1-9]\d{{0,2}}(?:{_BETWEEN}\d){{6,12}}(?![^\W가-힣])",
        holds=checks.is_phone,
        digits=7,
    ),
    _exact(
        "phone",
        r"(?<![\w.-])(?:1[ .-])?(?:\(\d{3}\)[ .-]?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![^\W가-힣]|-)",
        holds=checks.is_phone,
        digits=10,
    ),
    _exact(
        "phone",
        rf"(?<![\w.,/-])(?<!\d )\(?0\d(?:{_BETWEEN}\d){{6,11}}(?![^\W가-힣])(?![.,]\d)",
        "0",
        checks.is_phone,
        digits=8,
    ),
    _exact(
        "phone",
        r"(?<![\w.,/-])\d(?:[ ./-]?\d){6,11}(?![^\W가-힣])",
        _PHONE_WORDS,
        checks.is_named_phone,
        digits=7,
    ),
    *_ADDRESSES,
    *_AGES,
)
"""Searched for around digits, in this order: a number that has been found is no telephone."""

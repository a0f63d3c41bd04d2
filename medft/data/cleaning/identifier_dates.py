"""The forms of dates and of ages over 89, in English, German, French and Korean."""

from __future__ import annotations

from medft.data.cleaning import identifier_checks as checks
from medft.data.cleaning.identifier_pattern import any_case, exact

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

DATES = (
    exact(
        "date",
        rf"(?<![\d/.-]){_YEAR}([-/.])\s?{_MONTH_NUMBER}\1\s?{_DAY}(?!\d|[-/]\d|\.\d)",
        _DIVIDED,
        checks.is_date,
        digits=6,
    ),
    exact(
        "date",
        rf"(?<![\d/.-]){_DAY}([-/.])\s?{_MONTH_NUMBER}\1\s?(?:{_YEAR}|\d\d)(?![\d/-]|\.\d)",
        _DIVIDED,
        checks.is_date,
        digits=4,
    ),
    exact(
        "date",
        rf"(?<![\d/.-]){_MONTH_NUMBER}([-/]){_DAY}\1(?:{_YEAR}|\d\d)(?![\d/-]|\.\d)",
        _DIVIDED,
        checks.is_date,
        digits=4,
    ),
    any_case(
        "date",
        rf"(?<=\b)(?<!\d)\d{{1,2}}(?:st|nd|rd|th|\.|er)?[ -]?(?:of |de )?(?:{_EN}"
        rf"|{_DE}|{_FR})\.?,?[ -]{_YEAR}\b",
        _MONTHS,
        checks.is_date,
    ),
    any_case("date", rf"\b(?:{_EN})\.?[ -]\d{{1,2}}(?:st|nd|rd|th)?,?[ -]{_YEAR}\b", _MONTHS, checks.is_date),
    exact("date", rf"\b{_EN}\.? {_ORDINAL}\b|\b{_ORDINAL} (?:of )?{_EN}\b", _MONTHS, checks.is_date),
    exact("date", rf"(?<![\d.,])\d{{1,2}}\. ?{_DE}\b\.?(?! \d{{2,}})", _MONTHS, checks.is_date),
    exact("date", rf"(?<![\d.,])(?:\d{{1,2}}|1er) {_FR}\b", _MONTHS, checks.is_date),
    exact("date", rf"(?<![\d.,/-])\d{{1,2}}(?:-{_EN}-\d\d|[ -]{_EN}\b\.?)(?!\w)", _MONTHS, checks.is_date),
    exact("date", rf"\b{_EN}\.? \d{{1,2}}\b(?![,.]?\d)", _MONTHS, checks.is_day),
    exact("date", rf"\b(?:{_EN}|{_DE}|{_FR})\.? {_YEAR}\b", _MONTHS, checks.is_date),
    exact(
        "date",
        rf"(?<![\d.,/-]){_DAY}(?:/{_DAY}(?!/)|\.{_MONTH_NUMBER}\.)(?![\d%])(?!\s?of\b)",
        _DIVIDED,
        checks.is_named_day,
    ),
    exact(
        "date",
        rf"(?<!\d)(?:{_YEAR}|\d\d)년 ?\d{{1,2}}월(?: ?\d{{1,2}}일)?|(?<!\d)\d{{1,2}}월 ?\d{{1,2}}일",
        "월",
        checks.is_date,
    ),
    exact("date", rf"(?<![\d.]){_YEAR}\. ?\d{{1,2}}\. ?\d{{1,2}}\.?(?!\d)", ".", checks.is_date, digits=6),
)

_OLD = r"(?:9\d|1[01]\d|12\d)"
AGES = (
    any_case(
        "age_over_89",
        rf"\b{_OLD}[ -]?(?:years?|yrs?\.?)[ -]?(?:old|of age)\b|\b{_OLD}[ -]?y(?:/|\.)?o\.?(?!\w)",
        "y",
        checks.is_own_age,
    ),
    any_case(
        "age_over_89",
        rf"\bage[ds]?(?: of| at|:)? ?{_OLD}\b(?!\s?(?:%|days?|weeks?|months?|hours?|-\s?\d))",
        "age",
        checks.is_own_age,
    ),
    any_case(
        "age_over_89",
        rf"\b{_OLD}[ -]?jährige?[rnms]?\b|\b{_OLD} Jahre[n]? alt\b|\b(?:mit|von"
        rf"|Alter:?) {_OLD} Jahren?\b|\bAlter:? ?{_OLD}\b(?! ?(?:Tage|Wochen"
        rf"|Monate))|\b{_OLD} ?J\.(?!\w)",
        "j|alter",
        checks.is_own_age,
    ),
    any_case(
        "age_over_89",
        rf"\bâgée?s? de {_OLD} ans\b|\b(?:patiente?|homme|femme|dame|monsieur"
        rf"|madame) de {_OLD} ans\b|\b[aà] l'âge de {_OLD} ans\b"
        rf"|\bâge ?: ?{_OLD}(?: ans)?\b",
        "ans|âge",
        checks.is_own_age,
    ),
    exact("age_over_89", rf"(?<!\d){_OLD} ?(?:세|살)(?!대)", "세|살", checks.is_own_age),
)

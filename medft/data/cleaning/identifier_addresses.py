"""The forms of streets with their places, and of postcodes, in English, German, French and Korean."""

from __future__ import annotations

from medft.data.cleaning.identifier_pattern import exact

_STREET = (
    r"(?:[A-ZÄÖÜ][\wäöüß]*-)*[A-ZÄÖÜ]?[\wäöüß]*(?:[Ss]traße|[Ss]trasse"
    r"|[Ss]tr\.|[Ww]eg|[Pp]latz|[Aa]llee|[Gg]asse|[Rr]ing|[Uu]fer|[Dd]amm"
    r"|[Cc]haussee)"
)
_CITY = (
    r"[A-ZÀ-Ý][^\W\d_]+(?:[ '-](?:am |an der |im |sur |sous |en |le |la "
    r"|les |lès )?[A-ZÀ-Ý][^\W\d_]+\b(?!\d)){0,2}"
)
ADDRESSES = (
    exact(
        "address",
        rf"\b(?:[A-ZÄÖÜ][\wäöüß]+(?:er"
        rf"|s)? )?(?<!\w){_STREET} \d{{1,4}} ?[a-z]?(?!\w)(?:,? (?:D-|A-"
        rf"|CH-)?\d{{4,5}} {_CITY})?",
        "str|weg|platz|allee|gasse|ring|ufer|damm|chaussee",
    ),
    exact("address", rf"(?:\bPLZ:? ?|\b(?:D|A|CH|F)-)\d{{4,5}}(?: {_CITY})?", "plz|d-|a-|ch-|f-"),
    exact(
        "address",
        rf"\b\d{{1,5}}[A-Za-z]? (?:[NSEW]\.? )?(?:[A-Z][\w']+ ){{1,3}}(?:Street"
        rf"|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way"
        rf"|Place|Pl|Terrace|Close|Crescent|Square"
        rf"|Gardens)\b\.?(?:,? {_CITY})?(?:,? [A-Z]{{2}},? \d{{5}}(?:-\d{{4}})?)?",
        "st|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|way|place|pl"
        "|terrace|close|crescent|square|gardens",
    ),
    exact(
        "address",
        rf"\b\d{{1,4}}(?: ?(?:bis|ter))?,? (?:rue|avenue|av\.|boulevard|bd\.?"
        rf"|place|chemin|impasse|allée|quai|cours|route|square) (?:(?:de|du|des"
        rf"|la|le|les|d'|l')[ ]?)*[\wÀ-ÿ'-]+(?:[ -](?:(?:de|du|des|la|le"
        rf"|les) )*[A-ZÀ-Ý][\wÀ-ÿ'-]+){{0,4}}(?:,? \d{{5}} {_CITY})?",
        "rue|av|boulevard|bd|place|chemin|impasse|allée|quai|cours|route|square",
    ),
    exact(
        "address",
        r"(?:[가-힣]+(?:특별시|광역시|시|도) )?[가-힣]+(?:시|구|군|읍|면|동) [가-힣0-9]+(?:로"
        r"|길) ?\d+(?:-\d+)?(?:번길 ?\d+)?",
        "로|길",
    ),
    exact(
        "zip_code",
        r"\b(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]"
        r"|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AT]"
        r"|W[AIVY]),? \d{5}(?:-\d{4})?(?![\w-])",
        digits=5,
    ),
    exact(
        "zip_code", r"\b(?:[A-PR-UWYZ][A-HK-Y]?\d[A-Z\d]?|[A-PR-UWYZ]\d[A-HJKPSTUW]) \d[ABD-HJLNP-UW-Z]{2}\b"
    ),
    exact("zip_code", r"(?:우편번호|\(우\)):? ?\d{5}(?!\d)", "우"),
)

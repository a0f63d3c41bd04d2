"""Planted identifiers of every kind are found and replaced; medical numbers stay."""

import pytest

from medft.data.cleaning.identifiers import PATTERNS, redact

PLANTED = {
    "email": ["jane.doe+x@ward-7.example.org"],
    "url": ["https://example.org/p?id=7", "www.example.org/x"],
    "ip_address": ["192.168.10.254"],
    "ssn": ["123-45-6789"],
    "phone": [
        "(555) 123-4567",
        "555-123-4567",
        "+1 555 123 4567",
        "1-800-123-4567",
        "010-1234-5678",
        "+49 30 1234567",
    ],
    "record_number": ["MRN: 00123456", "mrn 7788991", "medical record number 12-3456", "Patient ID: AB12345"],
    "account_number": ["account number 99887766", "Policy no. X-1234567", "health plan ID: H1234567"],
    "vehicle_number": ["VIN: 1HGCM82633A004352", "license plate: ABC-1234"],
    "date": [
        "03/14/2019",
        "3/4/19",
        "2019-03-14",
        "14.03.2019",
        "March 14, 2019",
        "14 March 2019",
        "Sept 3rd, 2001",
        "2019년 3월 14일",
    ],
    "resident_number": ["850314-1234567"],
    "zip_code": ["MA 02139", "NY 10021-7471"],
    "age_over_89": ["93-year-old", "101 years old"],
}


def test_every_kind_is_planted():
    assert set(PLANTED) == {pattern.kind for pattern in PATTERNS}


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in PLANTED.items() for text in texts]
)
def test_a_planted_identifier_is_found_once_and_replaced(kind, text):
    redacted, found = redact(f"Seen again, {text}, with a cough of 3 days.")
    assert found == {kind: 1}
    assert redacted == f"Seen again, [{kind.upper()}], with a cough of 3 days."


@pytest.mark.parametrize(
    "text",
    [
        "BP 120/80, pulse 72, SpO2 97%, temperature 36.5",
        "Take 500 mg twice daily for 7-10 days, at most 4,000 mg in 24 hours.",
        "Type 1/2 diabetes in 1 in 3,500 to 5,000 births since 2010.",
        "An 89-year-old woman with a score of 3.2.1 and IL-6 of 12.",
        "Mutations in chromosome 22q11.2, codon 12-15 (p.Gly12Asp).",
        "Patients may march 3 miles. The hospital number of beds is small.",
        "Lot 851399-1234567 and 2019년에 3월 동안",
        "NCT01234567, ICD-10 E11.9, PMID 21645374, ISBN 0-306-40615-2",
    ],
)
def test_medical_numbers_are_no_identifiers(text):
    assert redact(text) == (text, {})


def test_several_kinds_in_one_text():
    redacted, found = redact("Call 555-123-4567 or 555-765-4321 before 2020-01-31.")
    assert redacted == "Call [PHONE] or [PHONE] before [DATE]."
    assert found == {"phone": 2, "date": 1}

"""PubMedQA's original JSON -> rows.

``ori_pqal.json`` is one object, PMID -> example, with a list of test ids beside it (Jin et al. 2019,
"PubMedQA: a dataset for biomedical research question answering").
"""

from __future__ import annotations

import json
from pathlib import Path

from medft.data.readers.rows import RowError, SourceRow, SourceRows
from medft.errors import DataError

TEST_IDS = "test_ground_truth.json"


def read(path: Path) -> SourceRows:
    """The examples of one file, with their PMID in the column ``PMID``; the test split is the ids in the file
    ``test_ground_truth.json`` beside it, when there is one.

    Raises:
        DataError: a file is not one whole JSON object.
    """
    beside = path.with_name(TEST_IDS)
    test = _object(beside) if beside.is_file() else {}
    for number, (pmid, example) in enumerate(_object(path).items(), 1):
        place = f"{path} row {number}"
        if isinstance(example, dict):
            yield SourceRow(place, {"PMID": pmid, **example}, "test" if pmid in test else "")
        else:
            yield RowError("malformed_json", "the example is not a JSON object", where=place)


def _object(path: Path) -> dict[str, object]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise DataError("the file is not UTF-8 text", where=str(path), remedy="download it again") from None
    except ValueError as error:
        where = f"{path}:{getattr(error, 'lineno', 1)}"
        raise DataError("the JSON file is incomplete", where=where, remedy="download it again") from None
    if not isinstance(values, dict):
        raise DataError("the file must hold one object, PMID -> example", where=f"{path}:1")
    return values

"""PubMedQA's original JSON -> rows.

Owns the shape of ``ori_pqal.json``: one object, PMID -> example (Jin et al. 2019, "PubMedQA: a dataset for
biomedical research question answering"). Knows nothing of what becomes of the rows.
"""

from __future__ import annotations

import json
from pathlib import Path

from medft.data.sources import Row, RowError, Rows
from medft.errors import DataError


def read(path: Path) -> Rows:
    """The examples of one file, with their PMID in the column ``PMID``.

    Raises:
        DataError: the file is not one whole JSON object.
    """
    try:
        examples = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise DataError("the file is not UTF-8 text", where=str(path), remedy="download it again") from None
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise DataError(
            "the file is not whole JSON", where=f"{path}:{line}", remedy="download it again"
        ) from None
    if not isinstance(examples, dict):
        raise DataError("the file must hold one object, PMID -> example", where=f"{path}:1")
    for number, (pmid, example) in enumerate(examples.items(), 1):
        place = f"{path} row {number}"
        if isinstance(example, dict):
            yield Row(place, {"PMID": pmid, **example})
        else:
            yield RowError("malformed_json", "the example is no object", where=place)

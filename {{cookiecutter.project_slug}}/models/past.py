"""The same as sample.py, for tables and columns of the chain's past.

The tests fill each table when it comes into being, and carry the rows through every revision
since; `python -m migrate sample` fills what a database has at whatever revision. So what a later
revision renames or drops stands here, in the form of sample.py, from which this file starts.
"""

from typing import Any

from models import sample
from models.sample import FIRST, HASH, LAST, MOMENTS, NAMES, one_of, row_id


def with_past(table: str, columns: dict[str, str], *awkward: dict[str, Any]) -> dict[str, Any]:
    """Return what sample.py says of a table, and more columns of it and of its awkward rows, in order."""
    now = sample.TABLES[table]
    rows = [{**row, **more} for row, more in zip(now["awkward"], awkward, strict=True)]
    return {**now, "columns": {**now["columns"], **columns}, "awkward": rows}


documents = sample.TABLES["documents"]

TABLES: dict[str, dict[str, Any]] = {
    "users": with_past(
        "users",
        {
            "new_email": sample.EMAIL,
            "full_name": f"{FIRST} || ' ' || {LAST}",
            "password": HASH,
        },
        *(
            {"new_email": email, "full_name": name, "password": "$argon2id$" + "p" * number}
            for number, (name, email) in enumerate(zip(NAMES, sample.EMAILS, strict=True))
        ),
    ),
    "documents": with_past(
        "documents",
        {
            "name": documents["columns"]["title"],
            # Before there was a foreign key.
            "category_id": "CASE WHEN n % 3 <> 0 THEN 1 + n % (SELECT count(*) FROM categories) END",
            "legacy_status": one_of("new", "done", "error"),
        },
        *({"name": row["title"]} for row in documents["awkward"]),
    ),
    "doc_pages": sample.TABLES["document_pages"],
    "legacy_exports": {
        "share": 0.01,
        "columns": {"document_id": "md5('document ' || n)::uuid", "exported_at": sample.MOMENT},
        "awkward": [
            {"document_id": None, "exported_at": None},
            {"document_id": row_id("document", 0), "exported_at": MOMENTS[0]},
            {"document_id": row_id("nothing", 0), "exported_at": MOMENTS[3]},
        ],
    },
}

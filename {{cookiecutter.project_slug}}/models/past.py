"""Sample rows for tables and columns of earlier revisions, in the form of sample.py.

The tests fill each table when it is created, and take the rows through every later revision.
`python -m migrate sample` fills a database at any revision. So tables and columns that a later revision
renames or drops are described here. This file starts from sample.py.
"""

from typing import Any

from models import sample
from models.sample import FIRST, HASH, LAST, MOMENTS, NAMES, one_of, row_id


def with_past(table: str, columns: dict[str, str | None], *awkward: dict[str, Any]) -> dict[str, Any]:
    """Return the description in sample.py, with more columns of the table and of its awkward rows."""
    now = sample.TABLES[table]
    rows = [{**row, **more} for row, more in zip(now["awkward"], awkward, strict=True)]
    return {**now, "columns": {**now["columns"], **columns}, "awkward": rows}


categories, documents = (sample.TABLES[table] for table in ("categories", "documents"))

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
            # From the time before the foreign key.
            "category_id": "CASE WHEN n % 3 <> 0 THEN 1 + n % (SELECT count(*) FROM categories) END",
            "legacy_status": one_of("new", "done", "error"),
            "new_category_id": None,  # a trigger writes it
        },
        *({"name": row["title"]} for row in documents["awkward"]),
    ),
    "categories": with_past(
        "categories",
        {"new_id": None, "new_parent_id": None},  # a trigger writes them
        *({"new_id": row["id"]} for row in categories["awkward"]),
    ),
    "doc_pages": sample.TABLES["document_pages"],
    "page_notes": {
        "share": 0.2,
        "columns": {"note": one_of("Signed?", "Look at the date", "Done")},
        "awkward": [{"document_id": None, "page_number": None, "note": ""}],
    },
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

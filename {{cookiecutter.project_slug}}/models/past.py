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

HOUR = "timestamptz '2025-01-06 00:00+00'"
# Texts that are JSON, and others.
OPTIONS = [
    None, "", "null", "not json", "{", '"text"', "[1, 2]", '{"a": 1, "a": 2}', '{"nul": "\\u0000"}',
]  # fmt: skip
# Names and weights that are too long for a later limit, and others: 60, 61 and 100 characters, blanks at the
# end, a letter of two code points.
TOPICS = [
    ("", None), ("Straße", 0), ("  Two  blanks ", "0.12"), ("n" * 60, "-0.0001"), ("m" * 61, "0.1250"),
    ("o" * 100, "9999.9999"), ("p" * 60 + " " * 40, "-9999.9999"), ("é" * 61, "NaN"), ("e\u0301" * 50, 1),
    ("🦊" * 61, "0.0050"), ("مرحبا", "9999.99"),
]  # fmt: skip
# None of them meets another one.
PERIODS = [
    (MOMENTS[0], "1970-01-01 00:00:01+00"),
    (MOMENTS[1], MOMENTS[2]),
    (MOMENTS[3], "infinity"),
    *((f"2023-01-{day:02} 09:00+00", f"2023-01-{day:02} 12:00+00") for day in range(1, len(OPTIONS) - 2)),
]
# Lists in an order, with the same twice, with NULL, and none.
KEYWORDS: list[list[str | None] | None] = [
    None, [], ["tax"], ["work", "tax", "work"], ["", None, " tax"], [None], ["ünï", "🦊", 'a,"b"'],
    ["ملف", "k" * 200],
]  # fmt: skip
REMARKS = [
    None, "[]", '[{"page": 1, "text": "Signed?"}, {"page": 1, "text": "Signed?"}]', '{"page": 1}',
    '["plain", null, 5, ["deep"]]', '[{"page": "iii", "text": 5, "by": "sam"}]', "null",
    '[{"page": 2147483648}, {"text": null}, {}]',
]  # fmt: skip
# Labels, and texts that are none.
URGENCIES = [None, "", "high", "High", " LOW ", "asap", "normal", "n" * 200]

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
        "columns": dict.fromkeys(("note", "body"), one_of("Signed?", "Look at the date", "Done")),
        "awkward": [{"document_id": None, "page_number": None, "note": "", "body": ""}],
    },
    "review_shifts": {
        "share": 0.2,
        "columns": {
            "desk": "CASE WHEN n % 5 <> 0 THEN 'A' || n % 3 + 1 END",
            "starts_at": f"{HOUR} + n * interval '1 hour'",
            "ends_at": f"{HOUR} + (n + 1) * interval '1 hour'",
            "options": "json_build_object('language', 'de', 'pages', n)::text",
            "note": "'Shift ' || n",
            "starts_on": None,  # the server computes it, or a trigger does
        },
        "awkward": [
            {
                "id": row_id("review shift", number),
                "desk": [None, "A1", "B12"][number % 3],
                "starts_at": start,
                "ends_at": end,
                "options": options,
                "note": [None, "", "n" * 100][number % 3],
            }
            for number, ((start, end), options) in enumerate(zip(PERIODS, OPTIONS, strict=True))
        ],
    },
    "review_requests": {
        "share": 0.2,
        "columns": {
            "title": "'Request ' || n",
            "keywords": f"ARRAY[{one_of('tax', 'private', 'work')}, 'year ' || n % 7]",
            "remarks": "jsonb_build_array(jsonb_build_object('page', n % 9, 'text', 'Signed?'))",
            "urgency": one_of("low", "normal", "high"),
        },
        "awkward": [
            {
                "id": row_id("review request", number),
                "title": "",
                "keywords": keywords,
                "remarks": remarks,
                "urgency": urgency,
            }
            for number, (keywords, remarks, urgency) in enumerate(
                zip(KEYWORDS, REMARKS, URGENCIES, strict=True)
            )
        ],
    },
    # Triggers write them.
    "topics": {"share": 0},
    "review_request_topics": {"share": 0},
    "review_request_remarks": {"share": 0},
    # None has a phone: nothing but an application can encrypt it, and a later revision asks for that.
    "shift_contacts": {
        "share": 0.2,
        "columns": {"name": f"{FIRST} || ' ' || {LAST}", "phone": None},
        "awkward": [
            {"id": row_id("shift contact", number), "name": name or "", "phone": None}
            for number, name in enumerate(NAMES)
        ],
    },
    "review_topics": {
        "share": 0.2,
        "columns": {
            "name": "'Topic ' || n",
            "weight": "n % 100 / 4.0 + CASE WHEN n % 3 = 0 THEN 0.1234 ELSE 0 END",
        },
        "awkward": [
            {"id": row_id("review topic", number), "name": name, "weight": weight}
            for number, (name, weight) in enumerate(TOPICS)
        ],
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

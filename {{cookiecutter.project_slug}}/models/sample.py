"""Realistic rows for these tables, and awkward ones.

`python -m migrate sample`, the tests and the ledger fill every table without this file: parents first,
each column by its type and its constraints. This file makes the rows more realistic:

    TABLES = {
        "users": {                       # or "schema.table"
            "share": 0.1,                # rows for each of `--rows`; 1 if it is not given, 0 for none
            "columns": {                 # SQL over a row's number n, from 1; None: its default
                "email": "'user' || n || '@example.com'",
            },
            "awkward": [                 # rows that real tables have and recipes forget
                {"email": "TWIN@example.com"},
            ],
        },
    }

Values of other columns are made up; in an awkward row, only for columns that must have a value. If the
database, at its present revision, does not have a column, the column is left out. An awkward row that
the schema refuses is left out too.
"""

import json
from typing import Any
from uuid import UUID, uuid5

NAMESPACE = UUID("6f1c5a52-6a0e-4f0c-9a53-3c1f6d0e2b7d")


def row_id(kind: str, number: int) -> UUID:
    """Return the id of an awkward row; it is the same every time."""
    return uuid5(NAMESPACE, f"{kind} {number}")


def one_of(*values: str, salt: int = 0) -> str:
    """Return an SQL expression that picks one of `values` by the row's number."""
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"(ARRAY[{quoted}])[(1 + (n / {salt + 1} + {salt}) % {len(values)})::integer]"


FIRST = one_of("Ada", "Alan", "Barbara", "Edgar", "Grace", "Jim", "Margaret", "Michael", "Radia", "Tim")
LAST = one_of("Codd", "Gray", "Hamilton", "Hopper", "Liskov", "Lovelace", "Perlman", "Stonebraker", salt=10)
EMAIL = f"lower({FIRST} || '.' || {LAST}) || n || '@example.com'"
HASH = "'$argon2id$v=19$m=65536,t=3,p=4$' || md5('salt ' || n) || '$' || md5('hash ' || n)"
TITLE = one_of("Invoice", "Contract", "Letter", "Receipt") + " || ' ' || n || '.pdf'"
LANGUAGE = one_of("de", "en", "es", "fr", "pl")
MOMENT = "timestamp '2024-01-01 08:00' + n % 525600 * interval '1 minute'"

NAMES = [
    None,
    "",
    "Cher",
    "Gabriel García Márquez",
    "  Ada   Lovelace ",
    "Zoë Đặng-Müller",
    "Fox 🦊",
    "محمد علي",
    "x" * 200,
    "\u00a0Non Breaking\t",
]
EMAILS = [
    "Twin@Example.com",
    "twin@example.com",
    "TWIN@EXAMPLE.COM",
    "sam@example.com",
    "sam@example.org",
    "@example.com",
    "no-at-sign",
    "",
    "müller@exämple.com",
    "l" * 243 + "@example.com",
]
MOMENTS = [
    "1970-01-01 00:00:00+00",
    "2024-03-31 02:30:00+00",  # does not exist on a clock in Berlin
    "2024-10-27 02:30:00+00",  # exists twice
    "9999-12-31 23:59:59.999999+00",
]
METADATA: list[Any] = [
    {},
    {"pages": 3},
    {"language": "de"},
    {"language": None},
    {"language": 42},
    {"language": {"code": "en", "region": {"name": "GB"}}},
    {"language": "l" * 300},
    None,  # JSON's null, which is not SQL's
    [],
]
DOCUMENTS: list[dict[str, Any]] = [
    *({"metadata": json.dumps(value)} for value in METADATA),
    {"metadata": None},
    {"category_id": 999_999},  # an orphan
    {"category_id": 0},
    {"category_id": 900},
    {"category_id": 901},
    {"file_size": 0},
    {"file_size": 2_147_483_647},
    {"title": "t" * 255},
    {"title": ""},
    {},
    {"tags": []},
    {"tags": ["", "ünï", "a,b", '"'], "priority": -1},
    {"priority": 100, "status": "error"},
]


def at(number: int) -> dict[str, str]:
    """Return one of the awkward moments, for the two time columns."""
    moment = MOMENTS[number % len(MOMENTS)]
    return {"created_at": moment, "updated_at": moment}


TABLES: dict[str, dict[str, Any]] = {
    "users": {
        "share": 0.1,
        "columns": {
            "email": EMAIL,
            "username": f"lower({FIRST} || '.' || {LAST}) || n",
            "first_name": FIRST,
            "last_name": LAST,
            "phone": "'+4930' || lpad(n::text, 8, '0')",
            "role_id": None,
            "is_active": "n % 20 <> 0",
            "created_at": MOMENT,
            "updated_at": MOMENT,
        },
        "awkward": [
            {
                "id": row_id("user", number),
                "email": email,
                "first_name": name,
                "last_name": None,
                "username": f"awkward{number}",
                "phone": [None, "", "+49 30 1234567"][number % 3],
                "is_active": number % 2 == 0,
                **at(number),
            }
            for number, (name, email) in enumerate(zip(NAMES, EMAILS, strict=True))
        ],
    },
    "auth_providers": {
        "share": 0.1,
        "columns": {"provider": "'local'", "credentials": HASH, "created_at": MOMENT},
        "awkward": [
            {
                "id": row_id("auth provider", number),
                "user_id": row_id("user", 3 + number),
                "provider": provider,
                "credentials": credentials,
                "created_at": MOMENTS[number],
            }
            for number, (provider, credentials) in enumerate(
                [("google", None), ("github", ""), ("g" * 50, "🔑")],
            )
        ],
    },
    "categories": {
        "share": 0.001,
        "columns": {
            "name": one_of("Contracts", "Invoices", "Letters", "Payslips", "Receipts") + " || ' ' || n",
        },
        "awkward": [
            {"id": 900 + number, "name": name, "parent_id": parent}
            for number, (name, parent) in enumerate(
                [("Invoices", None), ("Invoices", None), (" invoices", None), ("", None), ("Invoices", 900)]
            )
        ],
    },
    "documents": {
        "columns": {
            "id": "md5('document ' || n)::uuid",
            "title": TITLE,
            "file_size": "1024 + n * 7919 % 10485760",
            "metadata": f"jsonb_build_object('language', {LANGUAGE}"
            ", 'scanner', jsonb_build_object('dpi', 150 + n % 3 * 150))",
            "language": LANGUAGE,
            "tags": f"ARRAY[{one_of('tax', 'private', 'work')}, {one_of('2023', '2024', '2025', salt=2)}]",
            "priority": "n % 10",
            "status": one_of("pending", "processing", "completed"),
            "deleted_at": None,
            "search": None,  # a trigger writes it
            "created_at": MOMENT,
            "updated_at": MOMENT,
        },
        "awkward": [
            {
                "id": row_id("document", number),
                # Each user whose email has a duplicate owns some.
                "user_id": row_id("user", number % 5),
                "title": f"awkward {number}",
                "file_size": 1,
                **at(number),
                **document,
            }
            for number, document in enumerate(DOCUMENTS)
        ],
    },
    "document_pages": {
        "columns": {
            "document_id": "md5('document ' || n)::uuid",
            "page_number": "1",
            "text": one_of("Dear Sir or Madam", "Terms and conditions", "Amount due") + " || ' ' || n",
        },
        "awkward": [
            {
                "id": row_id("page", number),
                "document_id": row_id("document", number // 3),
                "page_number": 1 if number < 4 else -number,  # three times page 1
                "text": [None, "", "twice", "\u202eright to left"][number % 4],
            }
            for number in range(6)
        ],
    },
    "webhooks": {
        "share": 0.02,
        "columns": {
            "name": "'Webhook ' || n",
            "url": "'https://example.com/hooks/' || n",
            "events": "ARRAY['document.created', 'document.processed']",
            "secret": "md5('secret ' || n)",
            "is_active": "n % 10 <> 0",
            "created_at": MOMENT,
            "updated_at": MOMENT,
        },
        "awkward": [
            {
                "id": row_id("webhook", number),
                # One user has the same url three times; the oldest row is the last one.
                "user_id": row_id("user", min(number, 2)),
                "name": "",
                "url": "https://example.com/same",
                "events": events,
                "secret": None,
                **at(number),
            }
            for number, events in enumerate([[], [""], ["document.created", "document.created"], [], []])
        ],
    },
    "webhook_deliveries": {
        "share": 0.2,
        "columns": {
            "event": one_of("document.created", "document.processed"),
            "status_code": "CASE WHEN n % 10 = 0 THEN NULL ELSE 200 + n % 5 * 100 END",
            "payload": "jsonb_build_object('document', md5('document ' || n))",
            # From December to March, in the partitions that exist.
            "delivered_at": "timestamptz '2024-12-15 00:00+00' + n * 7919 % 129600 * interval '1 minute'",
        },
        "awkward": [
            {
                "id": row_id("webhook delivery", number),
                "webhook_id": row_id("webhook", number % 3),
                "event": "",
                "status_code": None,
                "payload": [None, "null", "[]"][number % 3],
                "delivered_at": moment,
            }
            for number, moment in enumerate(
                [
                    *MOMENTS,
                    "2024-12-31 23:59:59.999999+00",
                    "2025-01-01 00:00:00+00",
                    "2025-01-31 23:59:59.999999+00",
                    "2025-02-01 00:00:00+00",
                    "2025-03-01 00:00:00+00",
                ]
            )
        ],
    },
    "audit_logs": {
        "share": 0.5,
        "columns": {
            "action": one_of("document.create", "document.read", "user.login"),
            "timestamp": MOMENT,
            "details": "jsonb_build_object('request', n)",
            "ip_address": "'10.0.0.0'::inet + n % 65536",
        },
        "awkward": [
            {
                "id": row_id("audit log", number),
                "user_id": row_id("user", number),
                "action": "",
                "timestamp": MOMENTS[number],
                "details": details,
                "ip_address": address,
            }
            for number, (details, address) in enumerate(
                [(None, None), ("null", "2001:db8::1"), ('{"a": [1, {"b": null}]}', "10.0.0.0/8")]
            )
        ],
    },
}

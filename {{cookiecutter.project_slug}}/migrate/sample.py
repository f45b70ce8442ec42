"""Rows to develop and to test with, for the tables of whatever revision the database is at.

Two kinds. The many are made by the server from their number alone, so they are the same
every time, and a million take seconds. The awkward few are what real tables hold and
recipes forget: names without a blank, emails that differ only in case, zero sizes,
orphans. A column that is not there (yet, or any more) is left out; so is an awkward row
that the schema already refuses.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from alembic.util import CommandError
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DataError, IntegrityError

Row = Mapping[str, Any]

NAMESPACE = UUID("6f1c5a52-6a0e-4f0c-9a53-3c1f6d0e2b7d")


class SampleError(CommandError):
    """The tables cannot be filled. The message is one line and says what to do."""


def row_id(kind: str, number: int) -> UUID:
    """Return the id of an awkward row: the same one every time."""
    return uuid5(NAMESPACE, f"{kind} {number}")


def one_of(*values: str, salt: int = 0) -> str:
    """Return an SQL expression that picks one of `values` by the row's number."""
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"(ARRAY[{quoted}])[(1 + (n / {salt + 1} + {salt}) % {len(values)})::integer]"


FIRST = one_of("Ada", "Alan", "Barbara", "Edgar", "Grace", "Jim", "Margaret", "Michael", "Radia", "Tim")
LAST = one_of("Codd", "Gray", "Hamilton", "Hopper", "Liskov", "Lovelace", "Perlman", "Stonebraker", salt=10)
EMAIL = f"lower({FIRST} || '.' || {LAST}) || n || '@example.com'"
# The first users own hundreds of documents, the last own none: {users} is their number.
OWNER = "1 + floor({users} * power((n * 2654435761 % 4294967296) / 4294967296.0::float8, 3))::integer"
HASH = "'$argon2id$v=19$m=65536,t=3,p=4$' || md5('salt ' || n) || '$' || md5('hash ' || n)"
TITLE = one_of("Invoice", "Contract", "Letter", "Receipt") + " || ' ' || n || '.pdf'"
LANGUAGE = one_of("de", "en", "es", "fr", "pl")
MOMENT = "timestamp '2024-01-01 08:00' + n % 525600 * interval '1 minute'"


@dataclass(frozen=True)
class Table:
    """How to fill one table.

    Attributes:
        share: rows for each document.
        columns: SQL expressions over the row's number `n`, by column.
    """

    share: float
    columns: Mapping[str, str]


PAGES = Table(
    1,
    {
        "id": "md5('page ' || n)::uuid",
        "document_id": "md5('document ' || n)::uuid",
        "page_number": "1",
        "text": one_of("Dear Sir or Madam", "Terms and conditions", "Amount due") + " || ' ' || n",
    },
)
# In the order of the foreign keys.
# Of a renamed table or column both names stand here: the one that is not at head, and the new one.
TABLES: Mapping[str, Table] = {
    "users": Table(
        0.1,
        {
            "id": "md5('user ' || n)::uuid",
            "email": EMAIL,
            "new_email": EMAIL,  # not at head
            "full_name": f"{FIRST} || ' ' || {LAST}",  # not at head
            "username": f"lower({FIRST} || '.' || {LAST}) || n",
            "first_name": FIRST,
            "last_name": LAST,
            "password": HASH,  # not at head
            "phone": "'+4930' || lpad(n::text, 8, '0')",
            "is_active": "n % 20 <> 0",
            "created_at": MOMENT,
            "updated_at": MOMENT,
        },
    ),
    "auth_providers": Table(
        # The first users' passwords, as in users.password, which is not at head.
        0.1,
        {
            "id": "md5('auth provider ' || n)::uuid",
            "user_id": "md5('user ' || n)::uuid",
            "provider": "'local'",
            "credentials": HASH,
            "created_at": MOMENT,
        },
    ),
    "categories": Table(
        0.001,
        {
            "name": one_of("Contracts", "Invoices", "Letters", "Payslips", "Receipts") + " || ' ' || n",
            "parent_id": "CASE WHEN n % 3 = 0 THEN n / 3 END",
        },
    ),
    "documents": Table(
        1,
        {
            "id": "md5('document ' || n)::uuid",
            "user_id": f"md5('user ' || {OWNER})::uuid",
            "name": TITLE,  # not at head
            "title": TITLE,
            "file_size": "1024 + n * 7919 % 10485760",
            "category_id": "CASE WHEN n % 3 = 0 THEN NULL ELSE 1 + n % {categories} END",
            "metadata": f"jsonb_build_object('language', {LANGUAGE}"
            ", 'scanner', jsonb_build_object('dpi', 150 + n % 3 * 150))",
            "language": LANGUAGE,
            "legacy_status": one_of("new", "done", "error"),  # not at head
            "tags": f"ARRAY[{one_of('tax', 'private', 'work')}, {one_of('2023', '2024', '2025', salt=2)}]",
            "priority": "n % 10",
            # "failed" became "error" and is not at head: these are there wherever the type is.
            "status": one_of("pending", "processing", "completed") + "::document_status_enum",
            "created_at": MOMENT,
            "updated_at": MOMENT,
        },
    ),
    "doc_pages": PAGES,  # not at head
    "document_pages": PAGES,
    "legacy_exports": Table(  # not at head
        0.01,  # not at head
        {"document_id": "md5('document ' || n)::uuid", "exported_at": MOMENT},  # not at head
    ),  # not at head
    "webhooks": Table(
        0.02,
        {
            "id": "md5('webhook ' || n)::uuid",
            "user_id": f"md5('user ' || {OWNER})::uuid",
            "name": "'Webhook ' || n",
            "url": "'https://example.com/hooks/' || n",
            "events": "ARRAY['document.created', 'document.processed']",
            "secret": "md5('secret ' || n)",
            "is_active": "n % 10 <> 0",
            "created_at": MOMENT,
            "updated_at": MOMENT,
        },
    ),
    "webhook_deliveries": Table(
        0.2,
        {
            "id": "md5('webhook delivery ' || n)::uuid",
            "webhook_id": "md5('webhook ' || (1 + n % {webhooks}))::uuid",
            "event": one_of("document.created", "document.processed"),
            "status_code": "CASE WHEN n % 10 = 0 THEN NULL ELSE 200 + n % 5 * 100 END",
            "payload": "jsonb_build_object('document', md5('document ' || n))",
            # From December to March, in whatever partitions there are.
            "delivered_at": "timestamptz '2024-12-15 00:00+00' + n * 7919 % 129600 * interval '1 minute'",
        },
    ),
    "audit_logs": Table(
        0.5,
        {
            "id": "md5('audit log ' || n)::uuid",
            "user_id": f"md5('user ' || {OWNER})::uuid",
            "action": one_of("document.create", "document.read", "user.login"),
            "timestamp": MOMENT,
            "details": "jsonb_build_object('request', n)",
            "ip_address": "'10.0.0.0'::inet + n % 65536",
        },
    ),
}

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
    "1970-01-01 00:00:00",
    "2024-03-31 02:30:00",  # does not exist on a clock in Berlin
    "2024-10-27 02:30:00",  # exists twice
    "9999-12-31 23:59:59.999999",
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


def awkward_rows() -> dict[str, list[Row]]:
    """Return the awkward rows by table, parents first."""

    def at(number: int) -> dict[str, str]:
        moment = MOMENTS[number % len(MOMENTS)] + "+00"
        return {"created_at": moment, "updated_at": moment}

    documents: list[Row] = [
        *({"metadata": json.dumps(value)} for value in METADATA),
        {"metadata": None},
        {"category_id": 999_999},  # an orphan
        {"category_id": 0},
        {"category_id": 900},
        {"category_id": 901},
        {"file_size": 0},
        {"file_size": 2_147_483_647},
        {
            "name": "t" * 255,  # not at head
            "title": "t" * 255,
        },
        {
            "name": "",  # not at head
            "title": "",
        },
        {"legacy_status": None},  # not at head
        {"tags": []},
        {"tags": ["", "ünï", "a,b", '"'], "priority": -1},
        {"priority": 100, "status": "error"},
    ]
    pages: list[Row] = [
        {
            "id": row_id("page", number),
            "document_id": row_id("document", number // 3),
            "page_number": 1 if number < 4 else -number,  # three times page 1
            "text": [None, "", "twice", "\u202eright to left"][number % 4],
        }
        for number in range(6)
    ]
    return {
        "users": [
            {
                "id": row_id("user", number),
                "email": email,
                "new_email": email,  # not at head
                "full_name": name,  # not at head
                "first_name": name,
                "last_name": None,
                "username": f"awkward{number}",
                "password": "$argon2id$" + "p" * number,  # not at head
                "phone": [None, "", "+49 30 1234567"][number % 3],
                "is_active": number % 2 == 0,
                **at(number),
            }
            for number, (name, email) in enumerate(zip(NAMES, EMAILS, strict=True))
        ],
        "auth_providers": [
            {
                "id": row_id("auth provider", number),
                "user_id": row_id("user", 3 + number),
                "provider": provider,
                "credentials": credentials,
                "created_at": at(number)["created_at"],
            }
            for number, (provider, credentials) in enumerate(
                [("google", None), ("github", ""), ("g" * 50, "🔑")],
            )
        ],
        "categories": [
            {"id": 900 + number, "name": name, "parent_id": parent}
            for number, (name, parent) in enumerate(
                [("Invoices", None), ("Invoices", None), (" invoices", None), ("", None), ("Invoices", 900)]
            )
        ],
        "documents": [
            {
                "id": row_id("document", number),
                # Every user whose email has a twin owns some.
                "user_id": row_id("user", number % 5),
                "name": f"awkward {number}",  # not at head
                "title": f"awkward {number}",
                "file_size": 1,
                **at(number),
                **document,
            }
            for number, document in enumerate(documents)
        ],
        "doc_pages": pages,  # not at head
        "document_pages": pages,
        "legacy_exports": [  # not at head
            {"document_id": None, "exported_at": None},  # not at head
            {"document_id": row_id("document", 0), "exported_at": MOMENTS[0]},  # not at head
            {"document_id": row_id("nothing", 0), "exported_at": MOMENTS[3]},  # not at head
        ],  # not at head
        "webhooks": [
            {
                "id": row_id("webhook", number),
                # One user has the same url three times, the oldest last.
                "user_id": row_id("user", min(number, 2)),
                "name": "",
                "url": "https://example.com/same",
                "events": events,
                "secret": None,
                **at(number),
            }
            for number, events in enumerate([[], [""], ["document.created", "document.created"], [], []])
        ],
        "webhook_deliveries": [
            {
                "id": row_id("webhook delivery", number),
                "webhook_id": row_id("webhook", number % 3),
                "event": "",
                "status_code": None,
                "payload": [None, "null", "[]"][number % 3],
                "delivered_at": moment + "+00",
            }
            for number, moment in enumerate(
                [
                    *MOMENTS,
                    "2024-12-31 23:59:59.999999",
                    "2025-01-01 00:00:00",
                    "2025-01-31 23:59:59.999999",
                    "2025-02-01 00:00:00",
                    "2025-03-01 00:00:00",
                ]
            )
        ],
        "audit_logs": [
            {
                "id": row_id("audit log", number),
                "user_id": row_id("user", number),
                "action": "",
                "timestamp": at(number)["created_at"],
                "details": details,
                "ip_address": address,
            }
            for number, (details, address) in enumerate(
                [(None, None), ("null", "2001:db8::1"), ('{"a": [1, {"b": null}]}', "10.0.0.0/8")]
            )
        ],
    }


def fill(connection: Connection, rows: int) -> dict[str, int]:
    """Fill every empty table that this module knows; the others keep what they have.

    Args:
        connection: its transaction is left open, for the caller to commit.
        rows: how many documents; other tables in proportion.

    Returns:
        The number of rows inserted, by table.

    Raises:
        SampleError: a table has a NOT NULL column that this module does not know.
    """
    present = inspect(connection)
    counts = {name: max(1, round(rows * table.share)) for name, table in TABLES.items()}
    tables = present.get_table_names()  # has_table() would take a view of an old name for a table
    empty = [
        name
        for name in TABLES
        if name in tables and not connection.scalar(text(f"SELECT EXISTS (SELECT FROM {name})"))
    ]
    columns = {name: {column["name"]: column for column in present.get_columns(name)} for name in empty}
    inserted = dict.fromkeys(empty, 0)
    for name in empty:
        for column in columns[name].values():
            needed = not column["nullable"] and column["default"] is None and "identity" not in column
            if needed and column["name"] not in TABLES[name].columns:
                raise SampleError(
                    f"{name}.{column['name']} is NOT NULL without a default, and the sample rows do not "
                    "know it: add an expression for it to TABLES in migrate/sample.py"
                )
        known = {c: sql for c, sql in TABLES[name].columns.items() if c in columns[name]}
        expressions = ", ".join(known.values()).format(**counts)
        result = connection.execute(
            text(
                f"INSERT INTO {name} ({', '.join(known)}) "
                f"SELECT {expressions} FROM generate_series(1, {counts[name]}::bigint) AS n "
                "ON CONFLICT DO NOTHING"  # with what a trigger wrote for the row of another table
            )
        )
        inserted[name] += result.rowcount
    for name, awkward in awkward_rows().items():
        for row in awkward if name in inserted else ():
            known_values = {c: value for c, value in row.items() if c in columns[name]}
            inserted[name] += _insert(connection, name, known_values)
    for name in inserted:
        connection.execute(text(f"ANALYZE {name}"))
    return inserted


def _insert(connection: Connection, table: str, row: Row) -> int:
    values = ", ".join(f":{column}" for column in row)
    try:
        with connection.begin_nested():
            return connection.execute(
                text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})"), dict(row)
            ).rowcount
    except (IntegrityError, DataError):  # the schema of this revision refuses such a row
        return 0

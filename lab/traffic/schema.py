"""Which statements an application can send at a revision: asked of the database, not written down.

Code that runs during a revision knows what is there before it and after it. That is what `Deploy:`
asks for: old code during an expand step, new code during a contract step. Where a column has two
forms, which a trigger keeps in step, two versions of the code run side by side, each with its own.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg

COLUMNS = """
    SELECT relname, attname, attnotnull AND NOT atthasdef AND attidentity = ''
    FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v')
    AND attnum > 0 AND NOT attisdropped
"""
NULLABLE = """
    SELECT relname, attname FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    AND attnum > 0 AND NOT attisdropped AND NOT attnotnull
"""
TRIGGERS = """
    SELECT prosrc FROM pg_trigger JOIN pg_class AS c ON c.oid = tgrelid JOIN pg_proc AS p ON p.oid = tgfoid
    WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace
"""
LABELS = """
    SELECT enumlabel FROM pg_enum JOIN pg_attribute ON atttypid = enumtypid
    WHERE attrelid = to_regclass('documents') AND attname = 'status' ORDER BY enumsortorder
"""


@dataclass(frozen=True)
class Schema:
    """What a database has, as far as code has to know."""

    columns: dict[tuple[str, str], bool]  # whether an INSERT has to name it
    nullable: set[tuple[str, str]]
    triggers: set[str]  # the sources of their functions
    labels: list[str]  # of documents.status

    @classmethod
    def of(cls, connection: psycopg.Connection[Any]) -> "Schema":
        """Return what the database has now."""
        return cls(
            {(table, column): bool(needed) for table, column, needed in connection.execute(COLUMNS)},
            {(table, column) for table, column in connection.execute(NULLABLE)},
            {source for (source,) in connection.execute(TRIGGERS)},
            [label for (label,) in connection.execute(LABELS)],
        )

    def common(self, other: "Schema") -> "Schema":
        """Return what both have, as this one has it."""
        return Schema(
            {column: needed for column, needed in self.columns.items() if column in other.columns},
            self.nullable & other.nullable,
            self.triggers & other.triggers,
            [label for label in self.labels if label in other.labels],
        )


class Form(NamedTuple):
    """One way to store a value, as one version of the code knows it."""

    columns: dict[str, str]  # what a statement writes into each, over the value's name
    read: str  # how the value is read again
    aside: str = ""  # a statement of its own, where the value stands in another table

    def needs(self, table: str) -> set[tuple[str, str]]:
        """Return the columns that this form writes."""
        if self.aside:
            found = re.match(r"\s*INSERT INTO (\w+) \(([^)]*)\)", self.aside)
            assert found
            return {(found[1], column.strip()) for column in found[2].split(",")}
        return {(table, column) for column in self.columns}


def plain(name: str, column: str = "") -> Form:
    """Return the form of a value that is stored as it is."""
    column = column or name
    return Form({column: f"%({name})s"}, f'"{column}"')


# The tables by their names and the values by their forms, the newest first.
RELATIONS = {"pages": ["document_pages", "doc_pages"]}
VALUES: dict[str, dict[str, list[Form]]] = {
    "users": {
        "email": [plain("email", "new_email"), plain("email")],
        "name": [
            Form(
                {
                    "first_name": "split_part(%(name)s, ' ', 1)",
                    "last_name": "split_part(%(name)s, ' ', 2)",
                },
                "concat_ws(' ', first_name, last_name)",
            ),
            plain("name", "full_name"),
        ],
        "password": [
            Form(
                {},
                "(SELECT credentials FROM auth_providers WHERE user_id = users.id AND provider = 'local')",
                "INSERT INTO auth_providers (user_id, provider, credentials) "
                "VALUES (%(id)s, 'local', %(password)s) "
                "ON CONFLICT (user_id, provider) DO UPDATE SET credentials = excluded.credentials",
            ),
            plain("password"),
        ],
        "username": [plain("username")],
        "phone": [plain("phone")],
    },
    "categories": {"name": [plain("name")]},
    "documents": {
        "title": [plain("title"), plain("title", "name")],
        "file_size": [plain("file_size")],
        "language": [
            plain("language"),
            Form(
                {"metadata": "jsonb_build_object('language', %(language)s::text)"},
                # Metadata that is no object has no place for the key, as backfill_document_language says.
                "CASE WHEN jsonb_typeof(metadata) = 'object' THEN metadata ELSE to_jsonb(documents) END "
                "->> 'language'",
            ),
        ],
        "priority": [plain("priority")],
        "status": [Form({"status": "%(status)s"}, "status::text")],
        "tags": [plain("tags")],
    },
    "pages": {"page_number": [plain("page_number")], "text": [plain("text")]},
    "webhooks": {
        "url": [plain("url")],
        "name": [plain("name")],
        "events": [Form({"events": "ARRAY['document.created', %(events)s]"}, "events[2]")],
    },
    "audit_logs": {"action": [plain("action")]},
    "page_notes": {"note": [plain("note", "body"), plain("note")]},
    "webhook_deliveries": {"event": [plain("event")]},
    "legacy_exports": {},
}


@dataclass
class Code:
    """What code knows that runs while the database goes from one schema to another."""

    before: Schema
    after: Schema
    names: dict[str, str] = field(init=False)  # what each table is called
    forms: dict[str, dict[str, list[Form]]] = field(init=False)

    def __post_init__(self) -> None:
        self.names, self.forms = {}, {}
        for table, values in VALUES.items():
            there = [name for name in RELATIONS.get(table, [table]) if self.has(name, "id")]
            if there:
                self.names[table] = there[0]
                known = {name: list(self._known(there[0], forms)) for name, forms in values.items()}
                self.forms[table] = {name: forms for name, forms in known.items() if forms}

    def has(self, table: str, column: str) -> bool:
        """Whether a column is there from the beginning to the end."""
        return (table, column) in self.before.columns and (table, column) in self.after.columns

    def may_be_null(self, table: str, column: str) -> bool:
        """Whether a column takes NULL from the beginning to the end."""
        return (table, column) in self.before.nullable and (table, column) in self.after.nullable

    @property
    def labels(self) -> list[str]:
        """The labels of documents.status that are there from the beginning to the end."""
        return [label for label in self.before.labels if label in self.after.labels]

    def _known(self, table: str, forms: list[Form]) -> Iterator[Form]:
        there = [form for form in forms if all(self.has(*column) for column in form.needs(table))]
        if not there:
            # It has to be named, and goes: the code that runs has to name what will be missing.
            yield from (
                form for form in forms if any(self.before.columns.get(column) for column in form.needs(table))
            )
        elif len(there) == 1 or not self._in_step(table, there):
            yield there[0]
        else:
            yield from there

    def _in_step(self, table: str, forms: list[Form]) -> bool:
        """Whether a trigger carries a value from each form to the others."""

        def knows(source: str, form: Form) -> bool:
            return all(re.search(rf"\b{column}\b", source) for _, column in form.needs(table))

        return any(
            all(knows(source, form) for form in forms)
            for source in self.before.triggers & self.after.triggers
        )

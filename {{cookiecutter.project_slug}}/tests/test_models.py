"""The models say what the revisions build. What the models do not speak of is free."""

from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import Constraint, PrimaryKeyConstraint, Table
from sqlalchemy.dialects import postgresql, registry

import models  # noqa: F401
from database import ROOT, Base
from migrate.autogenerate import Scope
from migrate.autogenerate.enums import named_types
from migrate.chain import project_config
from migrate.ledger.policy import ALLOW, Policy, allow_lines
from tests.support import REVISIONS, Database

DIALECT = registry.load("postgresql")()

# What is NOT ENFORCED is not meant to be valid.
UNFINISHED = {
    "invalid": "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid "
    "WHERE NOT (indisvalid AND indisready AND indislive)",
    "unvalidated": "SELECT conname FROM pg_constraint AS c "
    "WHERE NOT convalidated AND coalesce(to_jsonb(c) ->> 'conenforced', 'true') = 'true'",
}
NAMES = """
    SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(:table)
    UNION SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = to_regclass(:table)
"""
LABELS = "SELECT enumlabel::text FROM pg_enum WHERE enumtypid = to_regtype(:type) ORDER BY enumsortorder"


def compared(database: Database) -> Iterator[Table]:
    """Yield the models' tables that the revisions build."""
    scope = Scope(project_config().get_main_option("exclude_tables", ""))
    with database.engine.connect() as connection:
        scope.look(connection, Base.metadata.sorted_tables)
    for table in Base.metadata.sorted_tables:
        if not scope.left_alone(table.schema, table.name):
            yield table


def test_autogenerate_finds_nothing_to_do(head: Database) -> None:
    command.check(head.alembic())


def test_enums_have_the_same_labels_in_the_same_order(head: Database) -> None:
    for table in compared(head):
        for column in table.columns:
            for type_ in named_types(column.type, DIALECT):
                if isinstance(type_, postgresql.ENUM):
                    name = type_.compile(DIALECT)
                    assert head.column(LABELS, type=name) == type_.enums, f"{table}.{column.name}: {name}"


def test_what_the_models_name_has_that_name(head: Database) -> None:
    quote, missing = DIALECT.identifier_preparer, []
    for table in compared(head):
        present = {quote.quote(name) for name in head.column(NAMES, table=quote.format_table(table))}
        missing += [f"{table}: {name}" for name in names(table) if name not in present]
    assert missing == []


def names(table: Table) -> Iterator[str]:
    """Yield the names of a table's constraints and indexes, as SQL, by the convention where it has a rule."""
    for index in table.indexes:
        yield DIALECT.identifier_preparer.format_index(index)
    for item in table.constraints:
        if isinstance(item, PrimaryKeyConstraint) and not item.columns:
            continue
        name = None if of_type(item) else DIALECT.identifier_preparer.format_constraint(item)
        if name:
            yield name


def of_type(item: Constraint) -> bool:
    """Whether it is the CHECK of an enum or a boolean, which PostgreSQL has types for."""
    return getattr(item, "_type_bound", False)


@pytest.mark.parametrize("kind", UNFINISHED)
def test_nothing_is_left_unfinished_without_leave(kind: str, head: Database) -> None:
    if kind not in Policy.load(ROOT / "pyproject.toml").forbid:
        pytest.skip(f"[tool.migrate.ledger] in pyproject.toml does not forbid {kind}")
    lines = [ALLOW.fullmatch(line) for revision in REVISIONS for line in allow_lines(revision)]
    allowed = {match[2] for match in lines if match and match[1] == kind}
    wanted = {
        str(item.name)
        for table in Base.metadata.tables.values()
        for item in table.constraints
        if item.dialect_kwargs.get("postgresql_not_valid")
    }
    assert set(head.column(UNFINISHED[kind])) - allowed - wanted == set()

"""A role gets its privileges by a revision, where it is, and nothing fails where it is not."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from tests.support import Database, Make

ROLE = "reporting"


@contextmanager
def role(database: Database) -> Iterator[None]:
    """Have the role, for as long as the block lasts, and no other test with it."""
    with database.engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(hashtext('role reporting'))"))
        connection.execute(text(f"CREATE ROLE {ROLE}"))
        connection.commit()
        try:
            yield
        finally:
            connection.execute(text(f"DROP OWNED BY {ROLE}"))
            connection.execute(text(f"DROP ROLE {ROLE}"))
            connection.commit()


def may(database: Database, table: str, privilege: str = "SELECT") -> bool:
    return bool(
        database.value("SELECT has_table_privilege(:role, :table, :p)", role=ROLE, table=table, p=privilege)
    )


def test_it_reads_what_is_named_and_what_comes_after_and_nothing_else(before: Make) -> None:
    database = before("grant_reporting_reads")
    with role(database):
        database.execute("CREATE TABLE earlier ()")
        database.upgrade("grant_reporting_reads")
        database.execute("CREATE TABLE later ()")
        assert [may(database, table) for table in ("documents", "categories", "later")] == [True] * 3
        assert not may(database, "earlier")
        assert not may(database, "users")
        assert not may(database, "documents", "UPDATE")
        database.downgrade("grant_reporting_reads")
        database.execute("CREATE TABLE latest ()")
        assert not any(may(database, table) for table in ("documents", "categories", "latest"))


def test_where_the_role_is_missing_nothing_fails_and_a_warning_says_so(before: Make) -> None:
    database = before("grant_reporting_reads")
    schema = database.schema()
    database.upgrade("grant_reporting_reads")
    assert database.schema() == schema
    database.downgrade("grant_reporting_reads")
    database.execute("DROP SCHEMA IF EXISTS nothing")
    with pytest.raises(ProgrammingError, match='role "reporting" does not exist'):  # the naive way
        database.execute("GRANT SELECT ON documents TO reporting")

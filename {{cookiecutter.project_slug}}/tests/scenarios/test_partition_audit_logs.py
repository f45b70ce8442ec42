"""A big table becomes the first partition of a partitioned one, and is not copied."""

from collections.abc import Iterator

import pytest
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from postgres.errors import PostgresError
from tests.support import Database, Make

STEPS = ["rekey_audit_logs", "bound_audit_logs", "partition_audit_logs"]
FILE = "SELECT pg_relation_filenode(CAST(:table AS regclass))"
FILES_OF_INDEXES = (
    "SELECT pg_relation_filenode(indexrelid) FROM pg_index "
    "WHERE indrelid = CAST(:table AS regclass) ORDER BY 1"
)
WHERE = "SELECT tableoid::regclass::text FROM audit_logs WHERE id = :id"


def code_works(database: Database) -> None:
    """Do what code does that knows a row by its id."""
    id_ = database.insert("audit_logs", action="new", timestamp="2025-01-15 12:00+00")
    assert database.value("SELECT action FROM audit_logs WHERE id = :id", id=id_) == "new"
    assert database.execute("UPDATE audit_logs SET action = 'changed' WHERE id = :id", id=id_) == 1
    assert database.execute("DELETE FROM audit_logs WHERE id = :id AND action = 'changed'", id=id_) == 1


def test_code_goes_on_at_each_step_and_no_row_changes_either_way(before: Make) -> None:
    database = before(STEPS[0])
    rows = database.rows()["audit_logs"]
    code_works(database)
    for move, steps in ((database.upgrade, STEPS), (database.downgrade, STEPS[::-1])):
        for step in steps:
            move(step)
            assert database.rows()["audit_logs"] == rows
            code_works(database)


def test_neither_the_table_nor_an_index_is_written_anew(before: Make) -> None:
    database = before("partition_audit_logs")
    table = database.value(FILE, table="audit_logs")
    indexes = database.column(FILES_OF_INDEXES, table="audit_logs")
    database.upgrade("partition_audit_logs")
    assert database.value(FILE, table="audit_logs_before_2030") == table
    assert database.column(FILES_OF_INDEXES, table="audit_logs_before_2030") == indexes
    database.downgrade("partition_audit_logs")
    assert database.value(FILE, table="audit_logs") == table


def test_a_row_goes_where_its_time_belongs_and_a_query_reads_that_alone(after: Make) -> None:
    database = after("partition_audit_logs")
    for moment, partition in (
        ("-infinity", "audit_logs_before_2030"),
        ("2029-12-31 23:59:59.999999+00", "audit_logs_before_2030"),
        ("2030-01-01 00:00:00+00", "audit_logs_default"),
    ):
        assert database.value(WHERE, id=database.insert("audit_logs", timestamp=moment)) == partition
    plan = database.plan("SELECT FROM audit_logs WHERE timestamp < '2024-05-01'")
    assert "audit_logs_before_2030" in plan
    assert "audit_logs_default" not in plan


def test_the_log_still_outlives_its_user(after: Make) -> None:
    database = after("partition_audit_logs")
    user = database.insert("users", email="gone@example.com")
    logs = [
        database.insert("audit_logs", user_id=user, timestamp=moment)
        for moment in ("2025-01-15 12:00+00", "2031-01-15 12:00+00")
    ]
    database.execute("DELETE FROM users WHERE id = :id", id=user)
    assert database.column("SELECT user_id FROM audit_logs WHERE id = ANY (:ids)", ids=logs) == [None, None]
    with pytest.raises(IntegrityError, match="fk_audit_logs_before_2030_user_id"):  # the partition's
        database.insert("audit_logs", user_id=user)


@pytest.fixture
def reader(before: Make) -> Iterator[tuple[Database, str]]:
    """A database whose audit_logs a role may read and add to that owns nothing, and the role."""
    database = before("partition_audit_logs")
    role = f"Reader {database.url.database}"
    database.execute(f'CREATE ROLE "{role}"')
    database.execute(f'GRANT SELECT, INSERT ON audit_logs TO "{role}"')
    yield database, role
    database.execute(f'DROP OWNED BY "{role}"')
    database.execute(f'DROP ROLE "{role}"')


def test_a_role_that_owns_nothing_keeps_its_rights_and_gets_no_more(reader: tuple[Database, str]) -> None:
    database, role = reader
    for move in (database.upgrade, database.downgrade):
        move("partition_audit_logs")
        with database.engine.connect() as connection:
            connection.execute(text(f'SET ROLE "{role}"'))
            assert connection.scalar(text("SELECT count(*) FROM audit_logs"))
            connection.execute(text("INSERT INTO audit_logs (action) VALUES ('mine')"))
            with pytest.raises(ProgrammingError, match="permission denied"):
                connection.execute(text("UPDATE audit_logs SET action = ''"))


def test_a_row_beyond_the_bound_is_found_before_it_is_too_late(before: Make) -> None:
    database = before("bound_audit_logs")
    late = "2030-01-01 00:00+00"
    row = database.insert("audit_logs", timestamp=late)
    with pytest.raises(IntegrityError, match=r'"ck_audit_logs_bound" .* is violated by some row'):
        database.upgrade("bound_audit_logs")
    with pytest.raises(IntegrityError, match="ck_audit_logs_bound"):  # no other one comes in
        database.insert("audit_logs", timestamp=late)
    database.execute("DELETE FROM audit_logs WHERE id = :id", id=row)
    database.upgrade("partition_audit_logs")
    database.insert("audit_logs", timestamp=late)


@pytest.mark.parametrize("offline", [False, True], ids=["online", "offline"])
def test_the_way_back_refuses_while_a_row_lies_beyond_the_bound(after: Make, *, offline: bool) -> None:
    database = after("partition_audit_logs")
    late = database.insert("audit_logs", timestamp="2030-01-01 00:00+00")
    snapshot = database.snapshot()
    with pytest.raises((CommandError, DBAPIError, PostgresError), match="ck_audit_logs_before_2030_bound"):
        (database.offline_downgrade if offline else database.downgrade)("partition_audit_logs")
    assert database.snapshot() == snapshot
    database.execute("DELETE FROM audit_logs WHERE id = :id", id=late)
    database.downgrade("partition_audit_logs")


def test_an_id_alone_is_no_longer_kept_unique(before: Make) -> None:
    database = before("rekey_audit_logs")
    id_ = database.insert("audit_logs")
    with pytest.raises(IntegrityError, match="pk_audit_logs"):
        database.insert("audit_logs", id=id_)
    database.upgrade("rekey_audit_logs")
    database.insert("audit_logs", id=id_, timestamp="2025-01-15 12:00+00")
    with pytest.raises(IntegrityError, match="pk_audit_logs"):
        database.insert("audit_logs", id=id_, timestamp="2025-01-15 12:00+00")
    with pytest.raises(IntegrityError, match="could not create unique index"):
        database.downgrade("rekey_audit_logs")

"""An integer becomes a bigint on a big live table: expand, backfill, contract."""

from typing import Any

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DataError, DBAPIError

from migrate.run.settings import Settings
from postgres.errors import PostgresError
from tests.support import BY_SLUG, Database, Make, Server

STEPS = ["expand_document_file_size", "backfill_document_file_size", "contract_document_file_size"]
BEYOND = 2**31  # one more than an integer can hold

SIZES = "SELECT id, file_size FROM documents"
TYPE = (
    "SELECT format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
    "WHERE attrelid = 'documents'::regclass AND attname = 'file_size'"
)


def write_as_the_application_does(database: Database, expected: dict[Any, int], size: int) -> None:
    """Insert a row, change the size of another, and change a third elsewhere: all by the old names."""
    expected[database.insert("documents", file_size=size)] = size
    resized, touched = database.column(
        "SELECT id FROM documents ORDER BY md5(id::text || :salt) LIMIT 2", salt=str(size)
    )
    database.execute("UPDATE documents SET file_size = :size WHERE id = :id", size=size, id=resized)
    database.execute("UPDATE documents SET title = 'touched' WHERE id = :id", id=touched)
    expected[resized] = size


def test_no_write_is_lost_on_the_way_up_and_down(before: Make) -> None:
    database = before(STEPS[0])
    expected: dict[Any, int] = dict(database.query(SIZES))
    write_as_the_application_does(database, expected, 11)
    for number, step in enumerate(STEPS):
        database.upgrade(step)
        assert dict(database.query(SIZES)) == expected
        write_as_the_application_does(database, expected, 20 + number)
        assert dict(database.query(SIZES)) == expected
    for number, step in enumerate(reversed(STEPS)):
        database.downgrade(step)
        assert dict(database.query(SIZES)) == expected
        write_as_the_application_does(database, expected, 30 + number)
        assert dict(database.query(SIZES)) == expected


def test_new_code_stores_what_an_integer_cannot_hold(after: Make) -> None:
    with pytest.raises(DataError, match="out of range"):
        after("backfill_document_file_size").insert("documents", file_size=BEYOND)
    database = after("contract_document_file_size")
    big = database.insert("documents", file_size=BEYOND)
    database.execute("UPDATE documents SET file_size = file_size * 1000 WHERE id = :id", id=big)
    assert database.value("SELECT file_size FROM documents WHERE id = :id", id=big) == BEYOND * 1000


def test_the_backfill_leaves_what_somebody_wrote_meanwhile(before: Make) -> None:
    database = before("backfill_document_file_size")
    database.insert_many("documents", 12345, file_size="n")
    database.execute("UPDATE documents SET file_size = 77 WHERE file_size = 12345")
    database.upgrade("backfill_document_file_size")
    assert (
        database.value("SELECT count(*) FROM documents WHERE new_file_size IS DISTINCT FROM file_size") == 0
    )


def test_the_backfill_waits_for_a_write_and_takes_its_value(before: Make) -> None:
    database = before("backfill_document_file_size")
    [row] = database.column("SELECT id FROM documents ORDER BY id LIMIT 1")
    with database.engine.connect() as writer:
        writer.execute(text("UPDATE documents SET file_size = 99 WHERE id = :id"), {"id": row})
        with pytest.raises(DBAPIError, match="lock timeout"):
            database.upgrade("backfill_document_file_size", Settings(lock_timeout=0.1, attempts=1))
        writer.commit()
    database.upgrade("backfill_document_file_size")
    assert database.value("SELECT new_file_size FROM documents WHERE id = :id", id=row) == 99


def test_nothing_is_left_but_a_bigint(before: Make) -> None:
    database = before(STEPS[0])
    schema = database.schema()
    database.upgrade(STEPS[-1])
    assert database.query(TYPE) == [("bigint", True)]
    assert database.schema() == schema.replace("file_size integer", "file_size bigint")


def test_the_table_is_not_rewritten_by_the_swap(before: Make) -> None:
    database = before("contract_document_file_size")
    file = database.value("SELECT pg_relation_filenode('documents')")
    database.upgrade("contract_document_file_size")
    assert database.value("SELECT pg_relation_filenode('documents')") == file


def test_documents_are_written_while_the_proof_is_made(before: Make) -> None:
    database = before("contract_document_file_size")
    with database.engine.connect() as validating:
        validating.execute(
            text("ALTER TABLE documents VALIDATE CONSTRAINT ck_documents_new_file_size_not_null")
        )
        with database.engine.begin() as writer:
            writer.execute(text("SET LOCAL lock_timeout = '1s'"))
            writer.execute(text("UPDATE documents SET file_size = file_size"))
        validating.rollback()


def test_the_swap_refuses_and_changes_nothing_where_the_backfill_was_left_out(before: Make) -> None:
    database = before("backfill_document_file_size")
    command.stamp(database.alembic(), BY_SLUG["backfill_document_file_size"].id)
    schema, rows = database.schema(), database.rows()
    with pytest.raises(DBAPIError, match="ck_documents_new_file_size_not_null"):
        database.upgrade("contract_document_file_size")
    assert (database.schema(), database.rows()) == (schema, rows)


@pytest.mark.parametrize("offline", [False, True], ids=["online", "offline"])
def test_the_way_back_refuses_while_a_size_is_beyond_an_integer(server: Server, *, offline: bool) -> None:
    database = server.after("contract_document_file_size")
    big = database.insert("documents", file_size=BEYOND)
    schema, rows = database.schema(), database.rows()
    with pytest.raises((CommandError, DBAPIError, PostgresError), match="beyond integer"):
        (database.offline_downgrade if offline else database.downgrade)("contract_document_file_size")
    assert (database.schema(), database.rows()) == (schema, rows)
    database.execute("UPDATE documents SET file_size = file_size - 1 WHERE id = :id", id=big)
    database.downgrade("contract_document_file_size")
    assert database.value("SELECT file_size FROM documents WHERE id = :id", id=big) == BEYOND - 1


def test_the_guides_one_line_rewrites_the_table(before: Make) -> None:
    database = before("expand_document_file_size")
    file = database.value("SELECT pg_relation_filenode('documents')")
    database.execute("ALTER TABLE documents ALTER COLUMN file_size TYPE bigint USING file_size::bigint")
    assert database.value("SELECT pg_relation_filenode('documents')") != file

"""A table under another name, with a view under the old one for as long as old code runs."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from tests.support import Database, Make

WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
def reader(before: Make) -> Iterator[tuple[Database, str]]:
    """A database whose doc_pages a role may read and write that owns nothing, and the role."""
    database = before("rename_doc_pages")
    role = f"Reader {database.url.database}"
    database.execute(f'CREATE ROLE "{role}"')
    database.execute(f'GRANT SELECT, INSERT ON doc_pages TO "{role}"')
    yield database, role
    database.execute(f'DROP OWNED BY "{role}"')
    database.execute(f'DROP ROLE "{role}"')


def page(database: Database, table: str, **values: Any) -> Any:
    """Insert a page by this table's name as code would, and return its id."""
    document = database.value("SELECT id FROM documents ORDER BY id LIMIT 1")
    return database.value(
        f"INSERT INTO {table} (document_id, page_number, text) VALUES (:document, :page_number, :text) "
        "RETURNING id",
        **{"document": document, "page_number": 7, "text": "new"} | values,
    )


def test_the_naive_way_breaks_old_code(before: Make) -> None:
    database = before("rename_doc_pages")
    database.execute("ALTER TABLE doc_pages RENAME TO document_pages")
    with pytest.raises(ProgrammingError, match='relation "doc_pages" does not exist'):
        page(database, "doc_pages")


def test_both_names_read_and_write_the_same_pages_and_nothing_is_lost_either_way(before: Make) -> None:
    database = before("rename_doc_pages")
    pages = database.value("SELECT count(*) FROM doc_pages")
    database.upgrade("rename_doc_pages")
    for mine, other in (("doc_pages", "document_pages"), ("document_pages", "doc_pages")):
        id_ = page(database, mine, text="written")
        assert database.value(f"SELECT text FROM {other} WHERE id = :id", id=id_) == "written"
        assert database.execute(f"UPDATE {mine} SET text = 'changed' WHERE id = :id", id=id_) == 1
        assert database.value(f"SELECT text FROM {other} WHERE id = :id FOR UPDATE", id=id_) == "changed"
        gone = page(database, mine)
        assert database.value(f"DELETE FROM {mine} WHERE id = :id RETURNING text", id=gone) == "new"
        assert database.query(f"SELECT FROM {other} WHERE id = :id", id=gone) == []
    database.downgrade("rename_doc_pages")
    assert database.value("SELECT count(*) FROM doc_pages") == pages + 2
    assert database.value("SELECT count(*) FROM doc_pages WHERE text = 'changed'") == 2


def test_old_code_may_go_on_using_on_conflict_with_columns(after: Make) -> None:
    database = after("rename_doc_pages")
    id_ = page(database, "doc_pages")
    upsert = (
        "INSERT INTO doc_pages (id, document_id, page_number, text) "
        "SELECT id, document_id, page_number, 'again' FROM doc_pages WHERE id = :id ON CONFLICT (id) "
    )
    assert database.execute(upsert + "DO NOTHING", id=id_) == 0
    assert database.execute(upsert + "DO UPDATE SET text = excluded.text", id=id_) == 1
    assert database.value("SELECT text FROM document_pages WHERE id = :id", id=id_) == "again"


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("TRUNCATE doc_pages", "is not a table"),
        ("COPY doc_pages FROM PROGRAM 'true'", "cannot copy to view"),
        ("SELECT id, page_number FROM doc_pages GROUP BY id", "must appear in the GROUP BY clause"),
        (
            "INSERT INTO doc_pages SELECT * FROM doc_pages ON CONFLICT ON CONSTRAINT pk_doc_pages DO NOTHING",
            'constraint "pk_doc_pages" .* does not exist',
        ),
    ],
)
def test_a_view_is_not_quite_a_table(before: Make, statement: str, error: str) -> None:
    database = before("rename_doc_pages")
    database.upgrade("rename_doc_pages")
    with pytest.raises(DBAPIError, match=error):
        database.execute(statement)


def reads_and_inserts_but_does_not_delete(database: Database, role: str, table: str) -> bool:
    document = database.value("SELECT id FROM documents LIMIT 1")
    with database.engine.connect() as connection:
        connection.execute(text(f'SET ROLE "{role}"'))
        assert connection.scalar(text(f"SELECT count(*) FROM {table}"))
        insert = text(f"INSERT INTO {table} (document_id, page_number) VALUES (:document, 8)")
        assert connection.execute(insert, {"document": document}).rowcount == 1
        with pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text(f"DELETE FROM {table}"))
    return True


def test_a_role_that_owns_nothing_keeps_its_rights_under_both_names(reader: tuple[Database, str]) -> None:
    database, role = reader
    database.upgrade("rename_doc_pages")
    assert reads_and_inserts_but_does_not_delete(database, role, "document_pages")
    assert reads_and_inserts_but_does_not_delete(database, role, "doc_pages")
    database.upgrade("drop_doc_pages_view")
    assert reads_and_inserts_but_does_not_delete(database, role, "document_pages")
    database.downgrade("drop_doc_pages_view")
    assert reads_and_inserts_but_does_not_delete(database, role, "doc_pages")
    database.downgrade("rename_doc_pages")
    assert reads_and_inserts_but_does_not_delete(database, role, "doc_pages")


def test_code_that_waits_for_the_table_while_it_is_renamed_finds_the_view(before: Make) -> None:
    database = before("rename_doc_pages")
    pages = database.value("SELECT count(*) FROM doc_pages")
    found: list[int] = []
    select = threading.Thread(target=lambda: found.append(database.value("SELECT count(*) FROM doc_pages")))
    with database.engine.connect() as rename:
        rename.begin()
        config = database.alembic()
        config.attributes["connection"] = rename
        command.upgrade(config, "+1")
        select.start()
        while not database.value(WAITING):
            assert select.is_alive()
        rename.commit()
    select.join()
    assert found == [pages]


def test_nothing_keeps_the_old_name(after: Make) -> None:
    database = after("drop_doc_pages_view")
    assert (
        database.column(
            "SELECT relname::text FROM pg_class WHERE relname ~ 'doc_pages' "
            "UNION SELECT conname::text FROM pg_constraint WHERE conname ~ 'doc_pages'"
        )
        == []
    )


def test_the_view_is_not_dropped_while_something_is_built_upon_it(before: Make) -> None:
    database = before("drop_doc_pages_view")
    database.execute("CREATE VIEW first_pages AS SELECT * FROM doc_pages WHERE page_number = 1")
    with pytest.raises(DBAPIError, match="view first_pages depends on view doc_pages"):
        database.upgrade("drop_doc_pages_view")
    assert database.value("SELECT count(*) FROM first_pages")

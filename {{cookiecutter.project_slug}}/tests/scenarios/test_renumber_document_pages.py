"""Two columns become unique together on a live table, and no text is lost on the way."""

import pytest
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.support import Database, Make

PAGES = "SELECT page_number, text FROM document_pages WHERE document_id = :id ORDER BY 1"
TWICE = (
    "SELECT count(*) FROM "
    "(SELECT FROM document_pages GROUP BY document_id, page_number HAVING count(*) > 1) AS twice"
)
VALID = (
    "SELECT indisvalid FROM pg_index WHERE indexrelid = 'uq_document_pages_document_id_page_number'::regclass"
)


def page(database: Database, document: object, last_digit: int, number: int, words: str | None) -> None:
    database.insert(
        "document_pages",
        id=f"00000000-0000-0000-0000-00000000000{last_digit}",
        document_id=document,
        page_number=number,
        text=words,
    )


def test_copies_go_behind_the_last_page_in_their_old_order(before: Make) -> None:
    database = before("renumber_document_pages")
    document = database.insert("documents")
    for last_digit, (number, words) in enumerate(
        [(2, "two"), (1, "one"), (2, "two again"), (1, "one again"), (1, None), (7, "seven"), (-3, "minus")]
    ):
        page(database, document, last_digit, number, words)
    database.upgrade("renumber_document_pages")
    assert database.query(PAGES, id=document) == [
        (-3, "minus"),
        (1, "one"),
        (2, "two"),
        (7, "seven"),
        (8, "one again"),
        (9, None),
        (10, "two again"),
    ]


def test_no_text_is_lost_and_no_other_page_changes(before: Make) -> None:
    database = before("renumber_document_pages")
    assert database.value(TWICE) > 0
    texts = database.query("SELECT id, document_id, text FROM document_pages ORDER BY id")
    alone = (
        "SELECT id, page_number FROM document_pages p WHERE NOT EXISTS (SELECT FROM document_pages o "
        "WHERE o.document_id = p.document_id AND o.page_number = p.page_number AND o.id <> p.id)"
    )
    unaffected = set(database.query(alone))
    database.upgrade("unique_document_page_number")
    assert database.query("SELECT id, document_id, text FROM document_pages ORDER BY id") == texts
    assert unaffected <= set(database.query("SELECT id, page_number FROM document_pages"))
    assert database.value(TWICE) == 0


def test_documents_of_many_batches_are_reached(before: Make) -> None:
    database = before("renumber_document_pages")
    database.insert_many("documents", 12345)
    database.execute(
        "INSERT INTO document_pages (id, document_id, page_number, text) "
        "SELECT gen_random_uuid(), id, 1, 'more' FROM documents, generate_series(1, 2)"
    )
    pages = database.value("SELECT count(*) FROM document_pages")
    database.upgrade("unique_document_page_number")
    assert database.value("SELECT count(*) FROM document_pages") == pages
    assert database.value(TWICE) == 0


@pytest.mark.parametrize(
    "meanwhile",
    [
        "UPDATE document_pages SET page_number = 9 WHERE text = 'one again'",
        "UPDATE document_pages SET page_number = 8 WHERE text = 'one'",
        "INSERT INTO document_pages (document_id, page_number) SELECT id, 3 FROM documents WHERE title = 't'",
    ],
    ids=["copy moved", "original moved", "page added"],
)
def test_what_changes_meanwhile_is_neither_undone_nor_given_a_number_twice(
    before: Make, meanwhile: str
) -> None:
    database = before("renumber_document_pages")
    document = database.insert("documents", title="t")
    for last_digit, (number, words) in enumerate([(1, "one"), (1, "one again"), (2, "two")]):
        page(database, document, last_digit, number, words)
    with database.engine.connect() as code:
        code.execute(text(meanwhile))
        now = code.execute(text("SELECT id, page_number FROM document_pages")).all()
        with database.while_it_waits("renumber_document_pages"):
            code.commit()
    assert database.value(TWICE) == 0
    # With the first page or its copy elsewhere, there is nothing left to move.
    pages = "SELECT id, page_number FROM document_pages WHERE document_id = :id"
    moved = set(database.query(pages, id=document))
    assert len(moved - {tuple(row) for row in now}) == meanwhile.startswith("INSERT")


def test_a_second_page_of_one_number_is_refused(after: Make) -> None:
    database = after("unique_document_page_number")
    document = database.insert("documents")
    page(database, document, 1, 1, "one")
    with pytest.raises(IntegrityError, match="uq_document_pages_document_id_page_number"):
        page(database, document, 2, 1, "one again")


def test_a_duplicate_that_came_late_stops_it_and_it_can_be_run_again(before: Make) -> None:
    database = before("unique_document_page_number")
    document = database.insert("documents")
    page(database, document, 1, 1, "one")
    page(database, document, 2, 1, "one again")
    with pytest.raises((CommandError, DBAPIError), match="could not create unique index"):
        database.upgrade("unique_document_page_number")
    assert database.value(VALID) is False
    database.downgrade("renumber_document_pages")
    database.upgrade("unique_document_page_number")
    assert database.value(VALID) is True
    assert database.query(PAGES, id=document) == [(1, "one"), (2, "one again")]


def test_the_pages_of_a_document_are_read_in_order_by_its_index(after: Make) -> None:
    database = after("unique_document_page_number")
    database.execute(
        "INSERT INTO document_pages (id, document_id, page_number) SELECT gen_random_uuid(), id, n "
        "FROM documents, generate_series(100, 150) n"
    )
    database.execute("ANALYZE document_pages")
    plan = database.plan(
        "SELECT text FROM document_pages WHERE document_id = md5('document 1')::uuid "
        "ORDER BY page_number LIMIT 3"
    )
    assert "Sort" not in plan


def test_the_guides_recipe_cannot_find_the_first_of_the_duplicates(before: Make) -> None:
    database = before("renumber_document_pages")
    if database.value("SELECT current_setting('server_version_num')::integer") < 190000:
        with pytest.raises(DBAPIError, match=r"min\(uuid\) does not exist"):
            database.execute(
                "DELETE FROM document_pages WHERE id NOT IN "
                "(SELECT MIN(id) FROM document_pages GROUP BY document_id, page_number)"
            )

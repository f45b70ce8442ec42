"""An extension, and the index that finds a part of a text."""

import pytest
from sqlalchemy.exc import DBAPIError

from tests.support import Make

PART = "SELECT title FROM documents WHERE title ILIKE '%QUARTER%'"
EXTENSION = "SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'"


def test_the_extension_comes_with_the_revision_and_goes_with_it(before: Make) -> None:
    database = before("enable_pg_trgm")
    assert database.value(EXTENSION) == 0
    database.upgrade("enable_pg_trgm")
    assert database.value("SELECT similarity('invoice', 'invioce')") > 0
    database.downgrade("enable_pg_trgm")
    assert database.value(EXTENSION) == 0


def test_one_that_an_administrator_has_enabled_is_no_obstacle(before: Make) -> None:
    database = before("enable_pg_trgm")
    database.execute("CREATE EXTENSION pg_trgm")
    database.upgrade("enable_pg_trgm")
    assert database.value(EXTENSION) == 1


def test_it_cannot_go_while_an_index_uses_it(after: Make) -> None:
    database = after("index_documents_title_trigram")
    with pytest.raises(DBAPIError, match="other objects depend on it"):
        database.execute("DROP EXTENSION pg_trgm")


def test_the_index_finds_a_part_in_the_middle_in_any_case(before: Make) -> None:
    database = before("index_documents_title_trigram")
    title = "CASE WHEN n % 1000 = 0 THEN 'Third quarterly report ' ELSE 'Letter ' END || n"
    database.insert_many("documents", 20000, title=title)
    database.execute("CREATE INDEX naive ON documents (title text_pattern_ops)")
    database.execute("ANALYZE documents")
    plan = database.plan(PART)
    assert "Seq Scan" in plan  # a B-tree knows beginnings only
    found = set(database.column(PART))
    database.upgrade("index_documents_title_trigram")
    assert "idx_documents_title_trigram" in database.plan(PART)
    assert set(database.column(PART)) == found
    assert len(found) == 20
    # Two letters make no group of three.
    two = "SELECT title FROM documents WHERE title ILIKE '%qu%'"
    assert "idx_documents_title_trigram" not in database.plan(two)

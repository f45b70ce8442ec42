"""An index on what is in a JSONB column."""

import pytest

from tests.support import Database, Make

CONTAINS = """SELECT title FROM documents WHERE metadata @> '{"scanner": {"model": "rare"}}'"""


@pytest.fixture
def database(before: Make) -> Database:
    """Twenty thousand documents, few of which come from the rare scanner."""
    database = before("index_documents_metadata")
    model = "CASE WHEN n % 1000 = 0 THEN 'rare' ELSE 'common' END"
    metadata = f"jsonb_build_object('batch', n, 'scanner', jsonb_build_object('model', {model}))"
    database.insert_many("documents", 20000, title="'number ' || n", metadata=metadata)
    database.execute("ANALYZE documents")
    return database


def test_the_index_finds_what_is_contained_at_any_depth(database: Database) -> None:
    assert "idx_documents_metadata" not in database.plan(CONTAINS)
    found = set(database.column(CONTAINS))
    database.upgrade("index_documents_metadata")
    assert "idx_documents_metadata" in database.plan(CONTAINS)
    assert set(database.column(CONTAINS)) == found == {f"number {n}000" for n in range(1, 21)}
    path = "SELECT title FROM documents WHERE metadata @? '$.scanner ? (@.model == \"rare\")'"
    assert "idx_documents_metadata" in database.plan(path)
    assert set(database.column(path)) == found


def test_a_comparison_of_the_text_does_not_use_it(database: Database) -> None:
    database.upgrade("index_documents_metadata")
    plan = database.plan("SELECT title FROM documents WHERE metadata #>> '{scanner,model}' = 'rare'")
    assert "idx_documents_metadata" not in plan


def test_it_gives_up_the_search_for_keys_and_is_smaller_for_it(database: Database) -> None:
    database.upgrade("index_documents_metadata")
    has_key = "SELECT title FROM documents WHERE metadata ? 'colour'"
    assert "idx_documents_metadata" not in database.plan(has_key)
    database.execute("CREATE INDEX naive ON documents USING gin (metadata)")
    assert "naive" in database.plan(has_key)
    size = "SELECT pg_relation_size(CAST(:index AS regclass))"
    assert database.value(size, index="idx_documents_metadata") < database.value(size, index="naive")

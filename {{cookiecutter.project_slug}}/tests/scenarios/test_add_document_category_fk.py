"""A foreign key on a column that holds orphans: no new ones, then none, then proven."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.support import Make

ORPHANS = (
    "SELECT count(*) FROM documents WHERE category_id IS NOT NULL "
    "AND category_id NOT IN (SELECT id FROM categories)"
)


def test_the_naive_way_fails_on_the_first_orphan(before: Make) -> None:
    database = before("add_document_category_fk")
    with pytest.raises(IntegrityError, match="is not present in table"):
        database.execute("ALTER TABLE documents ADD FOREIGN KEY (category_id) REFERENCES categories")


def test_new_orphans_are_refused_and_old_ones_stay_usable(after: Make) -> None:
    database = after("add_document_category_fk")
    orphans = database.value(ORPHANS)
    assert orphans
    with pytest.raises(IntegrityError, match="fk_documents_category_id"):
        database.insert("documents", category_id=999_999)
    assert database.execute("UPDATE documents SET priority = 1 WHERE category_id = 999999") == 1
    assert database.value(ORPHANS) == orphans


def test_only_orphans_lose_their_category_and_no_document_goes(before: Make) -> None:
    database = before("clean_document_categories")
    kept = (
        "SELECT to_jsonb(d) - 'category_id' || jsonb_build_object('category_id', "
        "(SELECT id FROM categories WHERE id = d.category_id)) FROM documents d ORDER BY id"
    )
    expected = database.column(kept)
    database.upgrade("clean_document_categories")
    assert database.column("SELECT to_jsonb(d) FROM documents d ORDER BY id") == expected
    assert database.value(ORPHANS) == 0


def test_orphans_of_many_batches_are_cleaned(before: Make) -> None:
    database = before("add_document_category_fk")
    database.insert_many("documents", 12345, category_id="1000000 + n")
    database.upgrade("clean_document_categories")
    assert database.value(ORPHANS) == 0


def test_no_orphan_comes_between_the_cleaning_and_the_end(before: Make) -> None:
    database = before("add_document_category_fk")
    category = database.insert("categories", name="short-lived")
    database.insert("documents", category_id=category)
    for step in ("add_document_category_fk", "clean_document_categories", "validate_document_category_fk"):
        database.upgrade(step)
        with pytest.raises(IntegrityError, match="fk_documents_category_id"):
            database.insert("documents", category_id=0)
        database.insert("documents", category_id=category)
    assert database.value(ORPHANS) == 0


@pytest.mark.parametrize("step", ["add_document_category_fk", "validate_document_category_fk"])
def test_deleting_a_category_keeps_its_documents(after: Make, step: str) -> None:
    database = after(step)
    category = database.insert("categories", name="short-lived")
    document = database.insert("documents", category_id=category)
    database.execute("DELETE FROM categories WHERE id = :id", id=category)
    assert database.query("SELECT category_id FROM documents WHERE id = :id", id=document) == [(None,)]


def test_a_categorys_documents_are_found_by_the_index(after: Make) -> None:
    database = after("add_document_category_fk")
    category = database.insert("categories", name="rare")
    database.insert_many("documents", 20000, category_id=f"CASE WHEN n % 1000 = 0 THEN {category} END")
    database.execute("ANALYZE documents")
    assert "idx_documents_category_id" in database.plan(
        f"SELECT FROM documents WHERE category_id = {category}"
    )
    assert "idx_documents_category_id" not in database.plan("SELECT FROM documents WHERE priority = 5")


def test_documents_are_written_while_the_key_is_validated(before: Make) -> None:
    database = before("validate_document_category_fk")
    with database.engine.connect() as validating:
        validating.execute(text("ALTER TABLE documents VALIDATE CONSTRAINT fk_documents_category_id"))
        with database.engine.begin() as writer:
            writer.execute(text("SET LOCAL lock_timeout = '1s'"))
            writer.execute(text("UPDATE documents SET priority = 1"))
            writer.execute(text("INSERT INTO categories (name) VALUES ('meanwhile')"))
        validating.rollback()


def test_the_way_back_allows_orphans_again(after: Make) -> None:
    database = after("validate_document_category_fk")
    rows = database.rows()
    database.downgrade("add_document_category_fk")
    assert database.rows() == rows
    database.insert("documents", category_id=999_999)

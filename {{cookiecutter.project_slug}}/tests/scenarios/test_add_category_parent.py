"""Categories become a tree, in which a name is unique among siblings."""

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.support import Database, Make

NAMES = "SELECT d.title, c.name FROM documents d LEFT JOIN categories c ON c.id = d.category_id ORDER BY d.id"


def test_the_categories_that_exist_are_at_the_top(after: Make) -> None:
    database = after("add_category_parent")
    assert database.column("SELECT DISTINCT parent_id FROM categories") == [None]
    child = database.insert("categories", name="child", parent_id=900)
    assert database.value("SELECT parent_id FROM categories WHERE id = :id", id=child) == 900


def test_a_parent_must_exist_and_cannot_go_before_its_children(after: Make) -> None:
    database = after("add_category_parent")
    with pytest.raises(IntegrityError, match="fk_categories_parent_id"):
        database.insert("categories", name="child", parent_id=-1)
    parent = database.insert("categories", name="parent")
    database.insert("categories", name="child", parent_id=parent)
    with pytest.raises(IntegrityError, match="fk_categories_parent_id"):
        database.execute("DELETE FROM categories WHERE id = :id", id=parent)


def test_twins_become_one_and_every_document_keeps_the_name_of_its_category(before: Make) -> None:
    database = before("merge_duplicate_categories")
    for category in (900, 901, 901):
        database.insert("documents", category_id=category)
    names, categories = database.query(NAMES), database.column("SELECT name FROM categories")
    documents = database.value("SELECT count(*) FROM documents WHERE category_id IN (900, 901)")
    assert categories.count("Invoices") > 1
    database.upgrade("unique_category_name")
    assert database.query(NAMES) == names
    assert sorted(database.column("SELECT name FROM categories")) == sorted(set(categories))
    assert database.value("SELECT count(*) FROM documents WHERE category_id = 900") == documents


def test_a_twin_that_is_renamed_meanwhile_keeps_its_documents(before: Make) -> None:
    database = before("merge_duplicate_categories")
    kept, twin = (database.insert("categories", name="Taxes") for _ in range(2))
    database.insert("documents", category_id=twin)
    with database.engine.connect() as code:
        code.execute(text("UPDATE categories SET name = 'Customs' WHERE id = :id"), {"id": twin})
        with database.while_it_waits("merge_duplicate_categories"):
            code.commit()
    assert database.value("SELECT count(*) FROM documents WHERE category_id = :id", id=twin) == 1
    assert database.column("SELECT id FROM categories WHERE name IN ('Taxes', 'Customs')") == [kept, twin]


def test_the_children_of_twins_become_siblings_and_their_twins_one_too(before: Make) -> None:
    database = before("merge_duplicate_categories")
    first, second = (database.insert("categories", name="Taxes") for _ in range(2))
    children = [
        database.insert("categories", name=name, parent_id=parent)
        for name, parent in [("2024", first), ("2024", second), ("2025", second)]
    ]
    documents = [database.insert("documents", category_id=child) for child in children]
    database.upgrade("unique_category_name")
    assert database.query(
        "SELECT id, name FROM categories WHERE parent_id = :first ORDER BY id", first=first
    ) == [(children[0], "2024"), (children[2], "2025")]
    assert not database.query("SELECT FROM categories WHERE id = :second", second=second)
    assert [
        database.value("SELECT category_id FROM documents WHERE id = :id", id=document)
        for document in documents
    ] == [children[0], children[0], children[2]]


def test_more_documents_than_one_batch_move_over(before: Make) -> None:
    database = before("merge_duplicate_categories")
    database.insert_many("documents", 12345, category_id="901")
    database.upgrade("merge_duplicate_categories")
    assert database.value("SELECT count(*) FROM documents WHERE category_id = 900") >= 12345


def refer_to_categories(database: Database) -> None:
    """Have the foreign key that add_document_category_fk makes, with old rows as they are."""
    database.execute("ALTER TABLE documents DROP CONSTRAINT IF EXISTS fk_documents_category_id")
    database.execute(
        "ALTER TABLE documents ADD CONSTRAINT fk_documents_category_id FOREIGN KEY (category_id) "
        "REFERENCES categories (id) ON DELETE SET NULL NOT VALID"
    )


def test_a_document_that_comes_to_a_twin_meanwhile_moves_over_too(before: Make) -> None:
    database = before("merge_duplicate_categories")
    refer_to_categories(database)
    document = database.insert("documents", category_id=900)
    with database.engine.connect() as writer:
        writer.execute(text("UPDATE documents SET category_id = 901 WHERE id = :id"), {"id": document})
        merging = threading.Thread(target=database.upgrade, args=["merge_duplicate_categories"])
        merging.start()
        while not database.query(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            assert merging.is_alive()
        writer.commit()
    merging.join()
    assert database.value("SELECT category_id FROM documents WHERE id = :id", id=document) == 900


def test_deleting_the_twins_would_make_documents_forget_their_category(before: Make) -> None:
    database = before("merge_duplicate_categories")
    refer_to_categories(database)
    document = database.insert("documents", category_id=901)
    database.execute("DELETE FROM categories WHERE id NOT IN (SELECT min(id) FROM categories GROUP BY name)")
    assert database.value("SELECT category_id FROM documents WHERE id = :id", id=document) is None


def test_siblings_differ_in_name_at_the_top_too(after: Make) -> None:
    database = after("unique_category_name")
    top = database.insert("categories", name="Taxes")
    database.insert("categories", name="Taxes", parent_id=top)
    for parent in (None, top):
        with pytest.raises(IntegrityError, match="uq_categories_parent_id_name"):
            database.insert("categories", name="Taxes", parent_id=parent)


def test_a_plain_unique_lets_twins_in_at_the_top(before: Make) -> None:
    database = before("unique_category_name")
    database.execute("ALTER TABLE categories ADD CONSTRAINT naive UNIQUE (parent_id, name)")
    database.insert("categories", name="Taxes")
    database.insert("categories", name="Taxes")

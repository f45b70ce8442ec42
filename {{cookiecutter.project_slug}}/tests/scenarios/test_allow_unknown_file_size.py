"""A NOT NULL goes, and a CHECK comes that existing rows break: NULL now says "unknown", not 0."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.support import Make

STEPS = [
    "allow_unknown_file_size",
    "check_document_file_size_positive",
    "clear_unknown_file_sizes",
    "validate_document_file_size_positive",
]
SIZE = "SELECT file_size FROM documents WHERE id = :id"


def test_every_zero_becomes_unknown_and_nothing_else_changes(before: Make) -> None:
    database = before(STEPS[0])
    database.insert("documents", file_size=-1)
    earlier = dict(database.query("SELECT id, file_size FROM documents"))
    assert 0 in earlier.values()
    database.upgrade(STEPS[-1])
    assert dict(database.query("SELECT id, file_size FROM documents")) == {
        id_: size if size > 0 else None for id_, size in earlier.items()
    }


def test_the_repair_reaches_every_row_of_many_batches(before: Make) -> None:
    database = before(STEPS[0])
    database.insert_many("documents", 12345, file_size="n % 2")
    database.upgrade(STEPS[-1])
    assert database.value("SELECT count(*) FROM documents WHERE file_size <= 0") == 0
    assert database.value("SELECT count(*) FROM documents WHERE file_size IS NULL") >= 6172


def test_old_code_writes_zero_and_new_code_null_between_all_steps(before: Make) -> None:
    database = before(STEPS[0])
    zero = database.value("SELECT id FROM documents WHERE file_size = 0 LIMIT 1")
    for step in STEPS[:-1]:
        database.upgrade(step)
        old, new = database.insert("documents", file_size=0), database.insert("documents", file_size=None)
        database.execute("UPDATE documents SET title = :title WHERE id = :id", title=step, id=zero)
        assert database.value(SIZE, id=old) in (0, None)
        assert database.value(SIZE, id=new) is None
        assert database.value("SELECT title FROM documents WHERE id = :id", id=zero) == step
    database.upgrade(STEPS[-1])
    with pytest.raises(IntegrityError, match="ck_documents_file_size_positive"):
        database.insert("documents", file_size=0)


def test_new_rows_obey_before_the_old_ones_are_repaired(after: Make) -> None:
    database = after("check_document_file_size_positive")
    assert database.value("SELECT count(*) FROM documents WHERE file_size = 0")
    for size in (0, -5):
        assert database.value(SIZE, id=database.insert("documents", file_size=size)) is None
    document = database.insert("documents", file_size=1)
    database.execute("UPDATE documents SET file_size = 0 WHERE id = :id", id=document)
    assert database.value(SIZE, id=document) is None


def test_without_the_trigger_an_old_row_could_not_be_changed_anywhere(after: Make) -> None:
    database = after("check_document_file_size_positive")
    database.execute("ALTER TABLE documents DISABLE TRIGGER documents_unknown_file_size")
    with pytest.raises(IntegrityError, match="ck_documents_file_size_positive"):
        database.execute("UPDATE documents SET title = 'only the title' WHERE file_size = 0")


def test_the_guides_recipe_fails_on_the_first_row_that_breaks_the_rule(before: Make) -> None:
    database = before("check_document_file_size_positive")
    with pytest.raises(IntegrityError, match="is violated by some row"):
        database.execute("ALTER TABLE documents ADD CONSTRAINT naive CHECK (file_size > 0)")


def test_documents_are_written_while_the_rule_is_validated(before: Make) -> None:
    database = before("validate_document_file_size_positive")
    with database.engine.connect() as validating:
        validating.execute(text("ALTER TABLE documents VALIDATE CONSTRAINT ck_documents_file_size_positive"))
        with database.engine.begin() as writer:
            writer.execute(text("SET LOCAL lock_timeout = '1s'"))
            writer.execute(text("UPDATE documents SET file_size = 5"))
        validating.rollback()


def test_the_whole_way_back_says_zero_again(before: Make) -> None:
    database = before(STEPS[0])
    schema, rows = database.schema(), database.rows()
    database.upgrade(STEPS[-1])
    unknown = database.insert("documents", file_size=None)
    database.downgrade(STEPS[0])
    assert database.schema() == schema
    assert database.value(SIZE, id=unknown) == 0
    database.execute("DELETE FROM documents WHERE id = :id", id=unknown)
    assert database.rows() == rows

"""Another default, for the rows to come."""

from tests.support import Make

PRIORITIES = "SELECT id, priority FROM documents ORDER BY id"
PRIORITY = "SELECT priority FROM documents WHERE id = :id"


def test_old_rows_keep_their_value_and_new_ones_get_the_new_default(before: Make) -> None:
    database = before("change_document_priority_default")
    database.execute("UPDATE documents SET priority = 9 WHERE file_size = 0")
    earlier = database.query(PRIORITIES)
    database.upgrade("change_document_priority_default")
    assert database.query(PRIORITIES) == earlier
    assert database.value(PRIORITY, id=database.insert("documents")) == 5


def test_the_way_back_brings_the_old_default_and_leaves_the_rows(after: Make) -> None:
    database = after("change_document_priority_default")
    earlier = database.insert("documents")
    database.downgrade("change_document_priority_default")
    assert database.value(PRIORITY, id=earlier) == 5
    assert database.value(PRIORITY, id=database.insert("documents")) == 0

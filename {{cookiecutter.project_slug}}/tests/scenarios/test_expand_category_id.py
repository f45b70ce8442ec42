"""An integer primary key becomes a bigint, with the columns that refer to it, while code reads and writes."""

from typing import Any

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from postgres.errors import PostgresError
from tests.support import BY_SLUG, Database, Make, Server

STEPS = [
    "expand_category_id", "backfill_category_id", "index_category_id", "switch_category_id",
    "validate_category_id", "contract_category_id",
]  # fmt: skip
BEYOND = 2**31  # one more than an integer can hold

TREE = "SELECT id, name, parent_id FROM categories"
SHELVES = "SELECT id, category_id FROM documents"
EQUAL = """
    SELECT FROM categories WHERE new_id IS DISTINCT FROM id OR new_parent_id IS DISTINCT FROM parent_id
    UNION ALL SELECT FROM documents WHERE new_category_id IS DISTINCT FROM category_id
"""
FILES = "SELECT pg_relation_filenode('categories'), pg_relation_filenode('documents')"


class Code:
    """The application, which knows the old names alone, and what the tables should hold by now."""

    def __init__(self, database: Database) -> None:
        self.database, self.writes = database, 0
        self.tree: dict[Any, tuple[str, Any]] = {id_: (name, of) for id_, name, of in database.query(TREE)}
        self.shelves: dict[Any, Any] = dict(database.query(SHELVES))

    def write(self) -> None:
        """Make a tree of two, move a child and documents, delete a category."""
        self.writes += 1
        parent, child, doomed = (self.add(f"{kind} {self.writes}") for kind in ("parent", "child", "doomed"))
        self.database.execute("UPDATE categories SET parent_id = :of WHERE id = :id", of=parent, id=child)
        self.tree[child] = f"child {self.writes}", parent
        self.shelves[self.database.insert("documents", category_id=child)] = child
        orphan = self.database.insert("documents", category_id=doomed)
        moved, touched = self.database.column(
            "SELECT id FROM documents WHERE id <> :but ORDER BY md5(id::text || :salt) LIMIT 2",
            but=orphan, salt=str(self.writes),
        )  # fmt: skip
        self.database.execute("UPDATE documents SET category_id = :to WHERE id = :id", to=parent, id=moved)
        self.database.execute("UPDATE documents SET title = 'touched' WHERE id = :id", id=touched)
        self.database.execute("DELETE FROM categories WHERE id = :id", id=doomed)
        del self.tree[doomed]
        self.shelves |= {moved: parent, orphan: None}

    def add(self, name: str) -> Any:
        """Insert a category, whose id the database gives: one more than the last."""
        id_ = self.database.insert("categories", name=name)
        self.tree[id_] = name, None
        return id_

    def check(self) -> None:
        """Compare what there is."""
        assert {id_: (name, of) for id_, name, of in self.database.query(TREE)} == self.tree
        assert dict(self.database.query(SHELVES)) == self.shelves


def test_no_write_is_lost_on_the_way_up_and_down(before: Make) -> None:
    database = before(STEPS[0])
    code = Code(database)
    code.write()
    for step in STEPS:
        database.upgrade(step)
        code.check()
        code.write()
        code.check()
    for step in reversed(STEPS):
        database.downgrade(step)
        code.check()
        code.write()
        code.check()


def test_old_and_new_columns_are_equal_from_the_backfill_to_the_contract(before: Make) -> None:
    database = before(STEPS[0])
    code = Code(database)
    for step in STEPS[1:-1]:
        database.upgrade(step)
        code.write()
        assert database.query(EQUAL) == []
    database.upgrade(STEPS[-1])
    database.downgrade(STEPS[-1])
    code.write()
    assert database.query(EQUAL) == []


def test_sessions_that_stay_open_write_before_and_after_every_step(before: Make) -> None:
    database = before(STEPS[0])
    with database.engine.connect() as session:
        session.execution_options(isolation_level="AUTOCOMMIT")

        def write() -> None:
            [(new,)] = session.execute(
                text("INSERT INTO categories (name) VALUES (gen_random_uuid()) RETURNING id")
            )
            session.execute(text("UPDATE documents SET category_id = :id"), {"id": new})
            session.execute(text("UPDATE categories SET name = name"))

        write()
        for step in STEPS:
            database.upgrade(step)
            write()
        for step in reversed(STEPS):
            database.downgrade(step)
            write()


def test_the_database_counts_on_with_every_step(before: Make) -> None:
    database = before(STEPS[0])
    last = database.insert("categories", name="first")
    for step in STEPS:
        database.upgrade(step)
        last += 1
        assert database.insert("categories", name=step) == last


@pytest.mark.parametrize("direction", ["upgrade", "downgrade"])
def test_a_counter_that_was_set_and_never_asked_begins_where_it_was_set(
    server: Server, direction: str
) -> None:
    database = server.ready_for("switch_category_id", direction)
    database.execute("ALTER TABLE categories ALTER COLUMN id RESTART WITH 7000")
    getattr(database, direction)("switch_category_id")
    assert [database.insert("categories", name=name) for name in ("one", "two")] == [7000, 7001]


def test_every_rule_holds_at_every_step(before: Make) -> None:
    database = before(STEPS[0])
    for step in STEPS:
        database.upgrade(step)
        parent = database.insert("categories", name=f"parent {step}")
        database.insert("categories", name=f"child {step}", parent_id=parent)
        document = database.insert("documents")
        for statement in (
            "UPDATE documents SET category_id = -1 WHERE id = :document",
            "UPDATE categories SET parent_id = -1 WHERE id = :parent",
            "DELETE FROM categories WHERE id = :parent",  # it has a child
            "INSERT INTO categories (id, name) VALUES (:parent, 'again')",
            "INSERT INTO categories (name) VALUES ('parent {}')",
        ):
            with pytest.raises(
                IntegrityError, match=r"fk_\w+|pk_categories|uq_categories_(new_)?parent_id_name"
            ):
                database.execute(statement.format(step), document=document, parent=parent)


def test_a_query_may_group_by_the_key_alone_at_every_step(before: Make) -> None:
    database = before(STEPS[0])
    grouped = "SELECT c.name FROM categories c JOIN documents d ON category_id = c.id GROUP BY c.id"
    for step in STEPS:
        database.upgrade(step)
        assert database.query(grouped)


def test_new_code_has_ids_that_an_integer_cannot_hold(after: Make) -> None:
    database = after("contract_category_id")
    database.execute(f"ALTER TABLE categories ALTER COLUMN id RESTART WITH {BEYOND}")
    big = database.insert("categories", name="big")
    assert big == BEYOND
    child = database.insert("categories", name="child", parent_id=big)
    document = database.insert("documents", category_id=child)
    assert database.value("SELECT category_id FROM documents WHERE id = :id", id=document) == BEYOND + 1


@pytest.mark.parametrize("step", ["switch_category_id", "validate_category_id"])
def test_until_the_contract_such_an_id_is_refused(after: Make, step: str) -> None:
    with pytest.raises(DataError, match="out of range"):
        after(step).insert("categories", id=BEYOND, name="big")


@pytest.mark.parametrize("offline", [False, True], ids=["online", "offline"])
def test_the_way_back_refuses_while_an_id_is_beyond_an_integer(after: Make, *, offline: bool) -> None:
    database = after("contract_category_id")
    big = database.insert("categories", id=BEYOND, name="big")
    was = database.snapshot()
    with pytest.raises((CommandError, DBAPIError, PostgresError), match="beyond integer"):
        (database.offline_downgrade if offline else database.downgrade)("contract_category_id")
    assert database.snapshot() == was
    database.execute("DELETE FROM categories WHERE id = :id", id=big)
    database.downgrade("contract_category_id")
    assert database.query(EQUAL) == []


def test_nothing_is_left_but_bigints(before: Make) -> None:
    database = before(STEPS[0])
    schema = database.schema()
    database.upgrade(STEPS[-1])
    categories = schema[schema.index("CREATE TABLE public.categories") :].partition(";")[0]
    expected = schema.replace(categories, categories.replace("id integer", "id bigint"))
    assert database.schema() == expected.replace("category_id integer", "category_id bigint")


@pytest.mark.parametrize("direction", ["upgrade", "downgrade"])
def test_the_switch_writes_no_row_anew(server: Server, direction: str) -> None:
    database = server.ready_for("switch_category_id", direction)
    files = database.query(FILES)
    getattr(database, direction)("switch_category_id")
    assert database.query(FILES) == files


def test_the_way_back_of_the_switch_builds_while_code_writes(after: Make) -> None:
    database = after("switch_category_id")
    with database.engine.connect() as code:
        code.execute(text("INSERT INTO categories (name) VALUES ('open')"))
        with database.while_it_waits("switch_category_id", "downgrade"):
            database.insert("categories", name="written meanwhile")
            code.commit()
    assert database.query("SELECT FROM categories WHERE name IN ('open', 'written meanwhile')") == [(), ()]


def test_a_backfill_that_was_left_out_is_found_before_the_switch(before: Make) -> None:
    database = before("backfill_category_id")
    command.stamp(database.alembic(), BY_SLUG["backfill_category_id"].id)
    rows = database.rows()
    with pytest.raises(DBAPIError, match="ck_documents_new_category_id_equal"):
        database.upgrade("switch_category_id")
    assert database.rows() == rows


def test_the_backfill_reaches_every_row_of_many_batches_and_looks_like_no_edit(before: Make) -> None:
    database = before("backfill_category_id")
    database.execute("ALTER TABLE documents DISABLE TRIGGER documents_copy_category_id")
    database.execute("ALTER TABLE documents DROP CONSTRAINT ck_documents_new_category_id_equal")
    database.insert_many("documents", 12345, category_id="900", updated_at="timestamp '2001-01-01'")
    database.execute("ALTER TABLE documents ENABLE TRIGGER documents_copy_category_id")
    others = "SELECT to_jsonb(d) - 'new_category_id' FROM documents d ORDER BY id"
    was = database.query(others)
    database.upgrade("backfill_category_id")
    assert database.query(EQUAL) == []
    assert database.query(others) == was


def test_without_the_counters_place_the_first_insert_would_fail(before: Make) -> None:
    database = before("switch_category_id")
    database.execute(
        "ALTER TABLE categories ALTER COLUMN id DROP IDENTITY; "
        "ALTER TABLE categories ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY"
    )
    with pytest.raises(IntegrityError, match="pk_categories"):
        database.insert("categories", name="first")


def test_with_the_key_on_the_old_column_grouping_by_id_would_fail(before: Make) -> None:
    database = before("switch_category_id")
    database.execute(
        "ALTER TABLE categories RENAME COLUMN id TO old_id; ALTER TABLE categories RENAME COLUMN new_id TO id"
    )
    with pytest.raises(DBAPIError, match="must appear in the GROUP BY"):
        database.query("SELECT name FROM categories GROUP BY id")

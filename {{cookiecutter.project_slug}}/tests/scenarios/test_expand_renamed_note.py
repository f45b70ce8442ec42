"""A column gets another name for good, while old code uses the old name and new code the new one."""

import itertools
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.support import Database, Make

# The steps after which both run: old code, which knows note, and new code, which knows body.
STEPS = ("expand_renamed_note", "backfill_renamed_note", "require_renamed_note")
CODES = ("note", "body")
UNEQUAL = "SELECT FROM page_notes WHERE body IS DISTINCT FROM note"


def insert(database: Database, code: str, value: str | None) -> Any:
    """Insert a note as the code does that knows this column only."""
    return database.value(f"INSERT INTO page_notes ({code}) VALUES (:value) RETURNING id", value=value)


def values(database: Database, code: str) -> dict[Any, str]:
    """Return what the code finds that knows this column only."""
    return dict(database.query(f"SELECT id, {code} FROM page_notes"))


def write_and_read(database: Database, step: str, expected: dict[Any, str]) -> None:
    """Let both codes insert and update, and each find what either has written."""
    for writer, reader in itertools.product(CODES, CODES):
        inserted = f"{writer} {reader} {step}"
        note = insert(database, writer, inserted)
        assert values(database, reader)[note] == inserted
        changed = f"changed {inserted}"
        database.execute(
            f"UPDATE page_notes SET {reader} = :changed WHERE id = :id", changed=changed, id=note
        )
        assert values(database, writer)[note] == changed
        expected[note] = changed
    # What neither of them writes, neither of them loses.
    database.execute("UPDATE page_notes SET document_id = document_id")


def test_neither_code_loses_a_write_up_and_down(before: Make) -> None:
    database = before("expand_renamed_note")
    file = database.value("SELECT pg_relation_filenode('page_notes')")
    expected = values(database, "note")
    for step in STEPS:
        database.upgrade(step)
        write_and_read(database, step, expected)
        assert values(database, "note") == expected
        assert step == "expand_renamed_note" or not database.query(UNEQUAL)
    database.upgrade("contract_renamed_note")
    expected[insert(database, "body", "new code alone")] = "new code alone"
    assert values(database, "body") == expected
    assert database.value("SELECT pg_relation_filenode('page_notes')") == file  # never rewritten
    database.downgrade("contract_renamed_note")
    for step in reversed(STEPS):
        assert values(database, "note") == values(database, "body") == expected
        write_and_read(database, f"below {step}", expected)
        database.downgrade(step)
        if step != "expand_renamed_note":
            assert not database.query(UNEQUAL)
    assert values(database, "note") == expected


def test_in_the_end_only_the_new_name_is_left(after: Make) -> None:
    database = after("contract_renamed_note")
    columns = (
        "SELECT attname::text, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
        "WHERE attrelid = 'page_notes'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    assert database.query(columns)[3:] == [("body", "text", True)]
    assert not database.query("SELECT FROM pg_proc WHERE proname LIKE 'page_notes%'")
    assert not database.query(
        "SELECT FROM pg_trigger WHERE tgrelid = 'page_notes'::regclass AND NOT tgisinternal"
    )
    with pytest.raises(IntegrityError, match="null value"):
        insert(database, "body", None)


@pytest.mark.parametrize("step", STEPS)
def test_statements_of_old_code_that_name_no_column_go_on(before: Make, step: str) -> None:
    database = before("expand_renamed_note")
    rows = database.query("SELECT * FROM page_notes ORDER BY id")
    database.upgrade(step)
    assert [row[:4] for row in database.query("SELECT * FROM page_notes ORDER BY id")] == rows
    note = database.value("INSERT INTO page_notes VALUES (DEFAULT, NULL, NULL, 'by place') RETURNING id")
    assert values(database, "body")[note] == "by place"


def test_sessions_that_stay_open_write_before_and_after_every_step(before: Make) -> None:
    database = before("expand_renamed_note")
    note = insert(database, "note", "open")
    with database.engine.connect() as old, database.engine.connect() as new:
        for session in (old, new):
            session.execution_options(isolation_level="AUTOCOMMIT")

        def write(session: Connection, code: str, value: str) -> None:
            statement = text(f"UPDATE page_notes SET {code} = :value WHERE id = :id")
            session.execute(statement, {"value": value, "id": note})

        for step in STEPS:
            write(old, "note", f"before {step}")
            database.upgrade(step)
            for session, code, other in [(old, "note", "body"), (new, "body", "note")]:
                write(session, code, f"{code} after {step}")
                assert values(database, other)[note] == f"{code} after {step}"
        for run, other in [(database.upgrade, "body"), (database.downgrade, "note")]:
            run("contract_renamed_note")
            write(new, "body", f"new code after {run.__name__}")
            assert values(database, other)[note] == f"new code after {run.__name__}"


def test_the_backfill_reaches_every_row_and_keeps_what_is_written_meanwhile(before: Make) -> None:
    database = before("expand_renamed_note")
    database.insert_many("page_notes", 12345, note="'note ' || n")
    database.upgrade("expand_renamed_note")
    others = "SELECT to_jsonb(n) - 'body' FROM page_notes n WHERE id <> :id ORDER BY id"
    note = database.value("SELECT max(id) FROM page_notes")
    rows = database.query(others, id=note)
    with database.engine.connect() as code:
        code.execute(text("UPDATE page_notes SET note = 'meanwhile' WHERE id = :id"), {"id": note})
        with database.while_it_waits("backfill_renamed_note"):
            code.commit()
    assert not database.query(UNEQUAL)
    assert values(database, "body")[note] == "meanwhile"
    assert database.query(others, id=note) == rows


def test_null_is_a_value_like_others_where_the_column_takes_it(after: Make) -> None:
    database = after("expand_renamed_note")
    database.execute("ALTER TABLE page_notes ALTER note DROP NOT NULL")
    note = insert(database, "note", None)
    database.upgrade("backfill_renamed_note")
    for writer, value in itertools.product(CODES, ["some", None, "other", None]):
        database.execute(f"UPDATE page_notes SET {writer} = :value WHERE id = :id", value=value, id=note)
        assert database.query("SELECT note, body FROM page_notes WHERE id = :id", id=note) == [(value, value)]


@pytest.mark.parametrize("step", STEPS)
def test_a_default_of_the_old_column_serves_both_codes(before: Make, step: str) -> None:
    database = before("expand_renamed_note")
    database.execute("ALTER TABLE page_notes ALTER note SET DEFAULT 'nothing yet'")
    database.upgrade(step)
    note = database.value("INSERT INTO page_notes DEFAULT VALUES RETURNING id")
    assert values(database, "note")[note] == values(database, "body")[note] == "nothing yet"
    write_and_read(database, step, {})


def test_a_default_of_both_columns_would_win_over_what_old_code_inserts(after: Make) -> None:
    database = after("require_renamed_note")
    database.execute("ALTER TABLE page_notes ALTER body SET DEFAULT 'nothing yet'")
    note = insert(database, "note", "mine")
    assert values(database, "note")[note] == "nothing yet"


# What a column may have, and DROP COLUMN drops with it.
RULES = {
    "index": "CREATE INDEX {column}_index ON page_notes ({column})",
    "index of an expression": "CREATE INDEX {column}_index ON page_notes (lower({column}))",
    "unique": "ALTER TABLE page_notes ADD UNIQUE ({column})",
    "check": "ALTER TABLE page_notes ADD CHECK ({column} <> 'no')",
    "foreign key": (
        "ALTER TABLE page_notes ADD FOREIGN KEY ({column}) REFERENCES words "
        "ON UPDATE CASCADE ON DELETE CASCADE"
    ),
    "default": "ALTER TABLE page_notes ALTER {column} SET DEFAULT 'nothing yet'",
}


@pytest.fixture
def ready(before: Make) -> Database:
    """A database before the contract step, each note a word of its own, and a note in another table."""
    database = before("contract_renamed_note")
    database.execute("UPDATE page_notes SET note = 'word ' || id")
    database.execute("CREATE TABLE words AS SELECT note AS word FROM page_notes")
    database.execute("INSERT INTO words VALUES ('new'); ALTER TABLE words ADD PRIMARY KEY (word)")
    database.execute("CREATE TABLE others (note text PRIMARY KEY)")
    return database


@pytest.mark.parametrize("rule", RULES)
def test_the_contract_refuses_to_drop_what_the_new_column_lacks(ready: Database, rule: str) -> None:
    ready.execute(RULES[rule].format(column="note"))
    ready.execute(RULES["check" if rule == "default" else "default"].format(column="body"))  # of another kind
    was = ready.snapshot()
    with pytest.raises(DBAPIError, match=r"page_notes\.body lacks"):
        ready.upgrade("contract_renamed_note")
    assert ready.snapshot() == was
    ready.execute(RULES[rule].format(column="body"))
    ready.upgrade("contract_renamed_note")


def test_a_unique_constraint_holds_for_both_codes(ready: Database) -> None:
    for column in CODES:
        ready.execute(RULES["unique"].format(column=column))
    for writer, other in itertools.product(CODES, CODES):
        note = insert(ready, writer, f"once {writer} {other}")
        with pytest.raises(IntegrityError, match=r"page_notes_(note|body)_key"):
            insert(ready, other, f"once {writer} {other}")
        ready.execute(
            f"INSERT INTO page_notes ({other}) VALUES (:value) "
            f"ON CONFLICT ({other}) DO UPDATE SET {other} = 'again ' || excluded.{other}",
            value=f"once {writer} {other}",
        )
        assert values(ready, writer)[note] == f"again once {writer} {other}"
    assert not ready.query(UNEQUAL)


def test_a_foreign_key_holds_for_both_codes_and_cascades_once(ready: Database) -> None:
    for column in CODES:
        ready.execute(RULES["foreign key"].format(column=column))
    for code in CODES:
        with pytest.raises(IntegrityError, match=r"page_notes_(note|body)_fkey"):
            insert(ready, code, "no word")
        note = insert(ready, code, "new")
        ready.execute("UPDATE words SET word = 'newer' WHERE word = 'new'")
        assert values(ready, "note")[note] == values(ready, "body")[note] == "newer"
        ready.execute("DELETE FROM words WHERE word = 'newer'")
        assert note not in values(ready, code)
        ready.execute("INSERT INTO words VALUES ('new')")
    assert not ready.query(UNEQUAL)

"""One column becomes two, while code that knows the one and code that knows the two both write."""

import pytest
from sqlalchemy.exc import DataError, IntegrityError

from tests.support import Database, Make

STEPS = ("add_user_name_parts", "backfill_user_name_parts")

NAMES = {
    None: (None, None),
    "": ("", None),
    " \t ": ("", None),
    "Cher": ("Cher", None),
    "  Cher\n": ("Cher", None),
    "Ada Lovelace": ("Ada", "Lovelace"),
    "  Ada   Lovelace ": ("Ada", "Lovelace"),
    "Gabriel García Márquez": ("Gabriel", "García Márquez"),
    "Ludwig van  Beethoven": ("Ludwig", "van  Beethoven"),
    "\u00a0Non\u00a0Breaking\t": ("Non", "Breaking"),
    "山田\u3000太郎": ("山田", "太郎"),
    "Fox 🦊": ("Fox", "🦊"),
    "محمد علي": ("محمد", "علي"),
    "D'Arcy O'Neil-Đặng": ("D'Arcy", "O'Neil-Đặng"),
    "x" * 200: ("x" * 200, None),
    "x " + "y" * 198: ("x", "y" * 198),
}


def name_of(database: Database, email: str) -> tuple[str | None, ...]:
    columns = "full_name, first_name, last_name"
    [name] = database.query(f"SELECT {columns} FROM users WHERE email = :email", email=email)
    return name


def test_every_name_is_split_and_stays_as_it_was_typed(before: Make) -> None:
    database = before("add_user_name_parts")
    ids = {name: database.insert("users", full_name=name) for name in NAMES}
    database.upgrade("backfill_user_name_parts")
    for name, parts in NAMES.items():
        [row] = database.query(
            "SELECT full_name, first_name, last_name FROM users WHERE id = :id", id=ids[name]
        )
        assert row == (name, *parts)


def test_the_naive_way_finds_no_first_name_behind_a_blank_and_no_room_for_null(before: Make) -> None:
    database = before("add_user_name_parts")
    assert database.value("SELECT split_part('  Ada   Lovelace ', ' ', 1)") == ""
    database.execute("ALTER TABLE users ADD COLUMN first_name varchar(100)")
    with pytest.raises(DataError, match="too long"):
        database.execute("UPDATE users SET first_name = split_part(full_name, ' ', 1)")
    with pytest.raises(IntegrityError, match="null value"):
        database.execute("ALTER TABLE users ALTER COLUMN first_name SET NOT NULL")
    # And back: one part that is NULL, and nothing is left of the name.
    assert database.value("SELECT 'Cher' || ' ' || NULL") is None


def test_old_and_new_code_lose_no_write_at_any_step(before: Make) -> None:
    database = before("add_user_name_parts")
    database.insert("users", email="early", full_name="Grace Hopper")
    database.insert("users", email="nameless", full_name=None)
    for step in STEPS:
        database.upgrade(step)
        # What one inserts, the other reads.
        database.insert("users", email=f"old {step}", full_name="Ada King Lovelace")
        assert name_of(database, f"old {step}") == ("Ada King Lovelace", "Ada", "King Lovelace")
        database.insert("users", email=f"new {step}", first_name="Mary Ann", last_name="Smith")
        assert name_of(database, f"new {step}") == ("Mary Ann Smith", "Mary Ann", "Smith")
        # What one changes, the other reads, whichever code inserted it.
        database.execute("UPDATE users SET last_name = 'Byron' WHERE email = :e", e=f"old {step}")
        assert name_of(database, f"old {step}") == ("Ada Byron", "Ada", "Byron")
        database.execute("UPDATE users SET full_name = 'Mary Jones' WHERE email = :e", e=f"new {step}")
        assert name_of(database, f"new {step}") == ("Mary Jones", "Mary", "Jones")
        # NULL is a write like any other.
        database.execute("UPDATE users SET full_name = NULL WHERE email = :e", e=f"new {step}")
        assert name_of(database, f"new {step}") == (None, None, None)
        database.execute(
            "UPDATE users SET first_name = NULL, last_name = NULL WHERE email = :e", e=f"old {step}"
        )
        assert name_of(database, f"old {step}") == (None, None, None)
        database.execute("UPDATE users SET full_name = 'Back Again' WHERE email = :e", e=f"old {step}")
        # Code that writes both is believed.
        both = {"full_name": "Dr. Mary Ann Smith", "first_name": "Mary Ann", "last_name": "Smith"}
        database.insert("users", email=f"both {step}", **both)
        assert name_of(database, f"both {step}") == tuple(both.values())
    database.upgrade("drop_user_full_name")
    database.insert("users", email="latest", first_name="Cher")
    names = database.query("SELECT email, first_name, last_name FROM users WHERE email !~ '@'")
    assert {
        ("early", "Grace", "Hopper"),
        ("nameless", None, None),
        ("latest", "Cher", None),
        *((f"old {step}", "Back", "Again") for step in STEPS),
        *((f"new {step}", None, None) for step in STEPS),
        *((f"both {step}", "Mary Ann", "Smith") for step in STEPS),
    } <= set(names)


def test_a_save_that_changes_no_name_changes_no_part(after: Make) -> None:
    database = after("add_user_name_parts")
    database.insert("users", email="new", first_name="Mary Ann", last_name="Smith")
    # As an ORM does that writes every column: split again, it would be "Mary" and "Ann Smith".
    database.execute("UPDATE users SET full_name = 'Mary Ann Smith', phone = '1' WHERE email = 'new'")
    assert name_of(database, "new") == ("Mary Ann Smith", "Mary Ann", "Smith")


def test_new_code_may_change_one_part_of_a_name_that_is_not_split_yet(before: Make) -> None:
    database = before("add_user_name_parts")
    database.insert("users", email="early", full_name="Ada Lovelace")
    database.upgrade("add_user_name_parts")
    database.execute("UPDATE users SET first_name = 'Augusta' WHERE email = 'early'")
    assert name_of(database, "early") == ("Augusta Lovelace", "Augusta", "Lovelace")
    database.upgrade("backfill_user_name_parts")
    assert name_of(database, "early") == ("Augusta Lovelace", "Augusta", "Lovelace")


def test_old_code_sees_the_beginning_of_a_name_that_is_too_long_for_it(after: Make) -> None:
    database = after("add_user_name_parts")
    database.insert("users", email="long", first_name="x" * 200, last_name="y" * 200)
    assert name_of(database, "long") == ("x" * 200, "x" * 200, "y" * 200)
    database.execute("UPDATE users SET full_name = repeat('x', 200), phone = '1' WHERE email = 'long'")
    assert name_of(database, "long") == ("x" * 200, "x" * 200, "y" * 200)


def test_the_backfill_reaches_every_row_of_many_batches(before: Make) -> None:
    database = before("backfill_user_name_parts")
    database.execute("ALTER TABLE users DISABLE TRIGGER users_sync_name")
    database.insert_many("users", 12345, full_name="'Ada ' || n")
    database.execute("ALTER TABLE users ENABLE TRIGGER users_sync_name")
    database.upgrade("backfill_user_name_parts")
    assert database.value("SELECT count(*) FROM users WHERE first_name = 'Ada' AND last_name ~ '^[0-9]+$'")
    assert not database.query("SELECT FROM users WHERE full_name IS NOT NULL AND first_name IS NULL")


def test_the_way_back_loses_the_blanks_and_nothing_else(before: Make) -> None:
    database = before("add_user_name_parts")
    ids = {name: database.insert("users", full_name=name) for name in NAMES}
    database.upgrade("drop_user_full_name")
    late = database.insert("users", first_name="Mary Ann", last_name="Smith")
    database.downgrade("drop_user_full_name")
    for name, parts in NAMES.items():
        [row] = database.query(
            "SELECT full_name, first_name, last_name FROM users WHERE id = :id", id=ids[name]
        )
        joined = None if name is None else " ".join(filter(None, parts))
        assert row == (joined, *parts)
        assert (joined or "").split() == (name or "").split()
    # A name that new code has written is joined, not split another way.
    assert database.query("SELECT full_name, first_name, last_name FROM users WHERE id = :id", id=late) == [
        ("Mary Ann Smith", "Mary Ann", "Smith")
    ]
    # The trigger is back too.
    database.insert("users", email="old", full_name="Ada Lovelace")
    assert name_of(database, "old") == ("Ada Lovelace", "Ada", "Lovelace")


def test_going_back_further_keeps_what_new_code_wrote(after: Make) -> None:
    database = after("backfill_user_name_parts")
    user = database.insert("users", first_name="Mary Ann", last_name="Smith")
    database.downgrade("add_user_name_parts")
    assert database.value("SELECT full_name FROM users WHERE id = :id", id=user) == "Mary Ann Smith"

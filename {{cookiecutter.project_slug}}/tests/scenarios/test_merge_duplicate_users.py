"""Users with one email become one user, lower case becomes the rule, and emails become unique."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from migrate.run.settings import Settings
from tests.support import Make

ARE_TWINS = "FROM users WHERE lower(email) = 'twin@example.com'"
TWINS = f"SELECT id, email, username, password {ARE_TWINS} ORDER BY created_at, id"
CHILDREN = ["documents", "webhooks", "audit_logs"]


def test_the_oldest_keeps_everything_that_the_twins_owned(before: Make) -> None:
    database = before("merge_duplicate_users")
    oldest, *others = database.query(TWINS)
    assert len(others) == 2
    owned = {
        child: database.column(f"SELECT id FROM {child} WHERE user_id IN (SELECT id {ARE_TWINS}) ORDER BY id")
        for child in CHILDREN
    }
    assert all(owned.values())
    totals = {
        child: database.value(f"SELECT count(*) FROM {child}") for child in (*CHILDREN, "document_pages")
    }

    database.upgrade("merge_duplicate_users")

    assert database.query(TWINS) == [oldest]
    for child in CHILDREN:
        mine = database.column(f"SELECT id FROM {child} WHERE user_id = :id ORDER BY id", id=oldest[0])
        assert mine == owned[child]
    for child, total in totals.items():
        assert database.value(f"SELECT count(*) FROM {child}") == total


def test_the_naive_way_deletes_their_documents(before: Make) -> None:
    database = before("merge_duplicate_users")
    documents = database.value("SELECT count(*) FROM documents")
    database.execute(
        "DELETE FROM users WHERE id NOT IN "
        "(SELECT DISTINCT ON (lower(email)) id FROM users ORDER BY lower(email), id)"
    )
    assert database.value("SELECT count(*) FROM documents") < documents


def test_the_lowest_id_decides_between_users_of_the_same_moment(before: Make) -> None:
    database = before("merge_duplicate_users")
    moment = "2020-01-01"
    ids = [f"{n}0000000-0000-0000-0000-000000000000" for n in (2, 1, 3)]
    for id_, email in zip(ids, ("A@b.c", "a@B.c", "a@b.C"), strict=True):
        database.insert("users", id=id_, email=email, created_at=moment)
    database.upgrade("merge_duplicate_users")
    assert database.column("SELECT email FROM users WHERE lower(email) = 'a@b.c'") == ["a@B.c"]


def test_other_users_are_left_as_they_are(before: Make) -> None:
    database = before("merge_duplicate_users")
    others = "SELECT * FROM users WHERE lower(email) <> 'twin@example.com' ORDER BY id"
    earlier = database.query(others)
    database.upgrade("merge_duplicate_users")
    assert database.query(others) == earlier


def test_a_name_is_taken_over_as_a_whole_or_not_at_all(before: Make) -> None:
    database = before("merge_duplicate_users")
    cher = database.insert("users", email="cher@example.com", created_at="2020-01-01", first_name="Cher")
    nameless = database.insert("users", email="ada@example.com", created_at="2020-01-01")
    for email in ("Cher@example.com", "Ada@example.com"):
        database.insert("users", email=email, created_at="2020-01-02", first_name="Ada", last_name="Lovelace")
    database.upgrade("merge_duplicate_users")
    names = "SELECT first_name, last_name FROM users WHERE id = :id"
    assert database.query(names, id=cher) == [("Cher", None)]
    assert database.query(names, id=nameless) == [("Ada", "Lovelace")]


def test_a_phone_that_the_oldest_lacks_is_taken_over(before: Make) -> None:
    database = before("merge_duplicate_users")
    database.insert("users", email="one@example.com", created_at="2020-01-01", phone=None)
    database.insert("users", email="One@example.com", created_at="2020-01-02", phone="1")
    database.insert("users", email="ONE@example.com", created_at="2020-01-03", phone="2")
    database.upgrade("merge_duplicate_users")
    assert database.column("SELECT phone FROM users WHERE email = 'one@example.com'") in (["1"], ["2"])


def test_an_address_is_called_once_and_no_webhook_is_deleted(before: Make) -> None:
    database = before("merge_duplicate_users")
    same = "FROM webhooks WHERE url = 'https://example.com/same'"
    webhooks = database.value(f"SELECT count(*) {same}")
    assert database.value(f"SELECT count(*) {same} AND is_active") == 3
    database.upgrade("merge_duplicate_users")
    assert database.value(f"SELECT count(*) {same}") == webhooks
    assert database.value(f"SELECT count(*) {same} AND is_active") == 1


def test_more_documents_than_a_batch_are_all_moved(before: Make) -> None:
    database = before("merge_duplicate_users")
    youngest = database.query(TWINS)[-1][0]
    database.insert_many("documents", 12345, user_id=f"'{youngest}'::uuid")
    documents = database.value("SELECT count(*) FROM documents")
    database.upgrade("merge_duplicate_users")
    assert database.value("SELECT count(*) FROM documents") == documents


def test_a_twin_that_changes_its_address_meanwhile_is_no_twin_any_more(before: Make) -> None:
    database = before("merge_duplicate_users")
    oldest, younger, _ = database.query(TWINS)
    documents = "SELECT count(*) FROM documents WHERE user_id = :id"
    owned = database.value(documents, id=younger[0])
    with database.engine.connect() as code:
        code.execute(text("UPDATE users SET email = 'other@example.com' WHERE id = :id"), {"id": younger[0]})
        with database.while_it_waits("merge_duplicate_users"):
            code.commit()
    assert database.query(TWINS) == [oldest]
    assert database.value(documents, id=younger[0]) == owned > 0


def test_with_the_oldest_deleted_meanwhile_the_next_one_is_kept(before: Make) -> None:
    database = before("merge_duplicate_users")
    oldest, younger, _ = database.query(TWINS)
    with database.engine.connect() as code:
        code.execute(text("DELETE FROM users WHERE id = :id"), {"id": oldest[0]})
        with database.while_it_waits("merge_duplicate_users"):
            code.commit()
    assert database.query(TWINS) == [younger]


def test_of_two_webhooks_with_one_address_one_stays_on_though_it_is_switched_meanwhile(before: Make) -> None:
    database = before("merge_duplicate_users")
    oldest, younger, _ = database.query(TWINS)
    same = "FROM webhooks WHERE url = '/same'"
    for user in (oldest, younger):
        database.insert("webhooks", user_id=user[0], url="/same")
    with database.engine.connect() as code:
        off = "UPDATE webhooks SET is_active = false WHERE url = '/same' AND user_id = :id"
        code.execute(text(off), {"id": oldest[0]})
        with database.while_it_waits("merge_duplicate_users"):
            code.commit()
    assert database.value(f"SELECT count(*) {same} AND is_active") == 1


def test_an_interrupted_merge_loses_nothing_and_goes_on(before: Make) -> None:
    database = before("merge_duplicate_users")
    twins = database.query(TWINS)
    last = max(twin[0] for twin in twins[1:])
    database.insert("documents", user_id=last)
    documents = database.value("SELECT count(*) FROM documents")
    with database.engine.connect() as other:
        # Somebody writes a document of the last twin just now: the merge waits, and gives up.
        other.execute(text("UPDATE documents SET priority = 1 WHERE user_id = :id"), {"id": last})
        with pytest.raises(OperationalError):
            database.upgrade("merge_duplicate_users", Settings(lock_timeout=0.1, attempts=1))
        assert len(database.query(TWINS)) == 2
        other.rollback()
    database.insert("documents", user_id=last)
    database.upgrade("merge_duplicate_users")
    assert len(database.query(TWINS)) == 1
    assert database.value("SELECT count(*) FROM documents") == documents + 1


def test_the_way_back_leaves_the_users_merged_and_their_documents_where_they_are(after: Make) -> None:
    database = after("merge_duplicate_users")
    rows = database.rows()
    database.downgrade("merge_duplicate_users")
    assert database.rows() == rows


def test_every_email_is_in_lower_case_and_nothing_else_changes(before: Make) -> None:
    database = before("normalize_user_emails")
    database.insert_many("users", 12345, email="'MANY' || n || '@Example.com'")
    query = "SELECT to_jsonb(u) || jsonb_build_object('email', lower(email)) FROM users u ORDER BY id"
    expected = database.column(query)
    database.upgrade("normalize_user_emails")
    assert database.value("SELECT count(*) FROM users WHERE email <> lower(email)") == 0
    assert database.column("SELECT to_jsonb(u) FROM users u ORDER BY id") == expected


def test_a_check_before_the_rewriting_would_stop_every_update_of_an_old_row(before: Make) -> None:
    database = before("normalize_user_emails")
    database.execute("ALTER TABLE users ADD CONSTRAINT early CHECK (email = lower(email)) NOT VALID")
    with pytest.raises(IntegrityError, match="early"):
        database.execute("UPDATE users SET is_active = true WHERE email = 'Twin@Example.com'")


def test_what_was_written_since_the_rewriting_is_put_right_before_the_check(before: Make) -> None:
    database = before("check_user_email_lowercase")
    late = database.insert("users", email="Late@Example.com")
    database.upgrade("check_user_email_lowercase")
    assert database.value("SELECT email FROM users WHERE id = :id", id=late) == "late@example.com"
    with pytest.raises(IntegrityError, match="ck_users_email_lowercase"):
        database.insert("users", email="Later@Example.com")


def test_old_and_new_code_run_between_all_steps(before: Make) -> None:
    database = before("merge_duplicate_users")
    steps = [
        "merge_duplicate_users",
        "normalize_user_emails",
        "check_user_email_lowercase",
        "unique_user_email",
    ]
    for number, step in enumerate(steps):
        # Old code writes what was typed, until the CHECK; new code writes lower case.
        if number < 3:
            database.insert("users", email=f"Old{number}@Example.com")
        database.insert("users", email=f"new{number}@example.com")
        database.upgrade(step)
        database.execute("UPDATE users SET is_active = NOT is_active")
    assert database.column(r"SELECT email FROM users WHERE email ~ '^(new|old)\d@' ORDER BY 1") == [
        *(f"new{n}@example.com" for n in range(4)),
        *(f"old{n}@example.com" for n in range(3)),
    ]
    for step in reversed(steps):
        database.downgrade(step)
        database.insert("users", email=f"back from {step}")
    assert database.value("SELECT count(*) FROM users WHERE email LIKE 'back from %'") == 4


def test_one_address_one_user(after: Make) -> None:
    database = after("unique_user_email")
    database.insert("users", email="unique@example.com")
    with pytest.raises(IntegrityError, match="uq_users_email"):
        database.insert("users", email="unique@example.com")


def test_a_duplicate_that_came_meanwhile_stops_the_build_and_the_second_run_is_whole(before: Make) -> None:
    database = before("unique_user_email")
    database.insert("users", email="sam@example.org")
    with pytest.raises(IntegrityError, match=r"sam@example\.org"):
        database.upgrade("unique_user_email")
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'uq_users_email'::regclass"
    assert database.value(valid) is False
    twin = "(SELECT id FROM users WHERE email = 'sam@example.org' ORDER BY created_at DESC LIMIT 1)"
    database.execute(f"DELETE FROM users WHERE id = {twin}")
    database.upgrade("unique_user_email")
    assert database.value(valid) is True

"""A nullable column: the simplest revision there is."""

from tests.support import BY_SLUG, Make


def test_old_users_have_no_phone_and_new_ones_may_have_one(before: Make) -> None:
    database = before("add_user_phone")
    database.upgrade("add_user_phone")
    assert database.column("SELECT DISTINCT phone FROM users") == [None]
    user = database.insert("users", phone="+49 30 1234567")
    assert database.value("SELECT phone FROM users WHERE id = :id", id=user) == "+49 30 1234567"


def test_it_is_one_statement_each_way() -> None:
    functions = BY_SLUG["add_user_phone"].functions.values()
    assert [len(function.body) for function in functions] == [1, 1]

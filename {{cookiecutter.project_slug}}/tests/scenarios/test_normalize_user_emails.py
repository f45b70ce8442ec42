"""Emails in lower case, as far as the locale of the database knows what that is."""

import pytest
from sqlalchemy import text

from tests.support import Database, Server

# A dotted capital I, a capital sharp s, the sign for kelvin: each with what it may become.
EMAILS = ["İ@x", "i̇@x", "i@x", "ẞ@x", "ß@x", "\u212a@x", "k@x", "K@x", "INFO@x", "info@x"]


@pytest.mark.parametrize(
    ("locale", "accounts"),
    [
        # Of ASCII alone: what is beyond it stays as it was typed.
        ("C", {"İ@x", "i̇@x", "i@x", "ẞ@x", "ß@x", "\u212a@x", "k@x", "info@x"}),
        ("C.UTF-8", {"i̇@x", "i@x", "ß@x", "k@x", "info@x"}),
        # A dotted capital I becomes two characters.
        ("PG_UNICODE_FAST", {"i̇@x", "i@x", "ß@x", "k@x", "info@x"}),
    ],
)
def test_what_the_locale_takes_for_one_address_is_one_account(
    server: Server, empty: Database, locale: str, accounts: set[str]
) -> None:
    if empty.value("SELECT current_setting('server_version_num')::integer") < 180000:
        pytest.skip("the three locales of the provider builtin are there from PostgreSQL 18")
    name = f"{server.prefix}{locale}"
    options = f"TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE '{locale}' ENCODING UTF8"
    with empty.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" {options}'))
    database = Database(server.url.set(database=name))
    database.upgrade("require_user_role")
    for email in EMAILS:
        database.insert("users", email=email)
    database.upgrade("head")
    assert set(database.column("SELECT email FROM users")) == accounts
    assert database.value("SELECT count(*) FROM users") == len(accounts)

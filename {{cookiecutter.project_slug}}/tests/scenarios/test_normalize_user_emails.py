"""Emails in lower case, as far as the locale of the database knows what that is."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.support import Database, Server

# A dotted capital I, a capital sharp s, the sign for kelvin: each with what it may become.
EMAILS = ["İ@x", "i̇@x", "i@x", "ẞ@x", "ß@x", "\u212a@x", "k@x", "K@x", "INFO@x", "info@x"]
FOLDED = {"i̇@x", "i@x", "ß@x", "k@x", "info@x"}


@pytest.mark.parametrize(
    ("locale", "accounts"),
    [
        # Of ASCII alone: what is beyond it stays as it was typed.
        ("LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C'", {"İ@x", "ẞ@x", "\u212a@x", *FOLDED}),
        ("LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'", FOLDED),
        # A dotted capital I becomes two characters.
        ("LOCALE_PROVIDER builtin BUILTIN_LOCALE 'PG_UNICODE_FAST'", FOLDED),
        ("LOCALE 'C'", {"İ@x", "ẞ@x", "\u212a@x", *FOLDED}),
        ("LOCALE 'C.UTF-8'", FOLDED),
        ("LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'und'", FOLDED),
        # In Turkish the lower case of I has no dot: INFO is another name than info.
        ("LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'tr'", {"\u0131nfo@x", *FOLDED}),
    ],
)
def test_what_the_locale_takes_for_one_address_is_one_account(
    server: Server, empty: Database, locale: str, accounts: set[str]
) -> None:
    name = f"{empty.url.database}_locale"
    with empty.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        try:
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING UTF8 {locale}'))
        except DBAPIError as error:  # built without ICU; before PostgreSQL 17; not known to this machine
            pytest.skip(str(error.orig).splitlines()[0])
    database = Database(server.url.set(database=name))
    database.upgrade("require_user_role")
    for email in EMAILS:
        database.insert("users", email=email)
    database.upgrade("head")
    assert set(database.column("SELECT email FROM users")) == accounts
    assert database.value("SELECT count(*) FROM users") == len(accounts)

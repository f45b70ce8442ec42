"""A failure in one line: the reason, and what to do."""

import psycopg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

# Failures of a revision that one line can explain. Any other exception is a bug in the revision's
# code, so its traceback is shown.
EXPECTED = (SQLAlchemyError, psycopg.Error, KeyboardInterrupt, SystemExit)

# lock_not_available, deadlock_detected, serialization_failure
TRY_AGAIN = {"55P03", "40P01", "40001"}

# What to do, by SQLSTATE or its class, if the server's message does not say it.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
ADVICE = {
    "53100": "make room on the server's disk, and run again",
    "53200": "give the server memory, or the statement less to do, and run again",
    "57014": "set a longer statement_timeout, or 0, and run again",
    "57P": "run again when the server is back",
    "08": "run again when the server is back",
    "55P03": "end the session that holds the lock, or run again when it has ended",
    "3F000": "create the schema, or set a search_path that has one (ALTER DATABASE … SET search_path)",
    "42501": "grant it to the role, or run as the owner (MIGRATION_DATABASE_URL)",
}


def first_cause(error: BaseException) -> BaseException:
    """Return the first error of a chain: on a lost connection, leaving an autocommit block fails too."""
    found = error
    while (earlier := found.__context__) and isinstance(earlier, SQLAlchemyError | KeyboardInterrupt):
        found = earlier
    return found


def sqlstate(error: BaseException) -> str:
    """Return the server's code for an error; empty if it sent none."""
    of = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(of, "sqlstate", None) or "")


def advice(error: BaseException) -> str:
    """Return what to do about an error, as the end of a line; empty if the message says it already."""
    # A broken connection has no SQLSTATE: the server could not send one.
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    state = sqlstate(error) or ("08" if lost else "")
    return next((f"; {what}" for sign, what in ADVICE.items() if state.startswith(sign)), "")


def one_line(error: BaseException) -> str:
    """Return the server's message, without the statement, which may hold data."""
    if isinstance(error, SystemExit):
        return f"sys.exit({'' if error.code is None else repr(error.code)}) was called"
    text = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return text.splitlines()[0] if text else type(error).__name__

"""The connection that migrations run on."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic.config import Config
from alembic.util import CommandError
from psycopg.pq import Conninfo
from sqlalchemy import URL, Connection, Engine, NullPool, text
from sqlalchemy.exc import DBAPIError

from database import configured_url, database_url, make_engine
from migrate.settings import yes_or_no

MINIMUM_VERSION = (15,)

# What libpq says, and what to do about it. Servers may translate their messages
# (lc_messages), so these only refine the general advice.
ADVICE = (
    ("password authentication failed", "check the user and the password"),
    ("no password supplied", "give the password"),
    ("does not exist", "create it, or correct the name"),
    ("resolve host", "check the host"),
    ("translate host", "check the host"),
    ("connection refused", "check the host and the port, and that the server is running"),
    ("pooling mode", "connect past the pooler"),
    ("timeout", "check the host and the port, and that no firewall is in between"),
)

# What sslmode may be so that nothing is sent in the clear, and the hosts that need none.
ENCRYPTED = {"require", "verify-ca", "verify-full"}
LOOPBACK = {"", "localhost", "127.0.0.1", "::1"}

BACKEND_PID = text("SELECT pg_backend_pid()")


@contextmanager
def connect(given: Connection | Engine | None = None, config: Config | None = None) -> Iterator[Connection]:
    """Connect to the database that is to be migrated.

    Args:
        given: what a caller of Alembic's commands put into
            `config.attributes["connection"]`; used in place of the configured URL.
        config: the ini file, which may refuse some URLs (see `allowed_url`).

    Raises:
        CommandError: the server is refused, out of reach, refuses, or is older than
            PostgreSQL 15.
    """
    if isinstance(given, Connection):
        yield given
        return
    engine = given or make_engine(allowed_url(config), poolclass=NullPool)
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise CommandError(cannot_connect(error, engine)) from error
    with connection:
        version = connection.dialect.server_version_info or (0,)
        if version < MINIMUM_VERSION:
            raise CommandError(
                f"the server {address(engine)} is PostgreSQL {'.'.join(map(str, version))}, "
                f"the migrations need {MINIMUM_VERSION[0]} or later: upgrade the server"
            )
        refuse_transaction_pooler(connection)
        yield connection


def allowed_url(config: Config | None, *, for_migrations: bool = True) -> URL:
    """Return the URL of the database, if the ini file's section `[database]` has nothing against it.

    Args:
        config: the ini file; without one, everything is allowed.
        for_migrations: as for `database.configured_url`.

    Raises:
        CommandError: the embedded server, or a way without TLS, is refused.
        DatabaseURLError: the URL cannot be used, or there is none and no embedded server.
    """
    rules = config.get_section("database", {}) if config else {}
    embedded = yes_or_no(rules.get("allow_embedded", "yes"), "allow_embedded")
    tls = yes_or_no(rules.get("require_tls", "no"), "require_tls")
    url = configured_url(for_migrations=for_migrations)
    if url is None and not embedded:
        raise CommandError(
            "DATABASE_URL is not set, and allow_embedded = no refuses the embedded server: "
            "set it in the environment or in .env"
        )
    if url is not None and tls and not is_private(url):
        raise CommandError(
            f"require_tls = yes refuses {url.set(query={}).render_as_string(hide_password=True)}: "
            "the network in between may read along; add ?sslmode=verify-full (or require) to the URL"
        )
    return url or database_url(for_migrations=for_migrations)


def is_private(url: URL) -> bool:
    """Whether nobody in between can read along: TLS is insisted on, or nothing leaves the machine."""
    # libpq fills in what the URL leaves open, from the environment (PGHOST, PGSSLMODE).
    defaults = {each.keyword.decode(): each.val.decode() for each in Conninfo.get_defaults() if each.val}
    _, given = url.get_dialect()().create_connect_args(url)
    options = {**defaults, **given}
    hosts = str(options.get("hostaddr") or options.get("host") or "").split(",")
    local = all(host in LOOPBACK or host.startswith(("/", "@")) for host in hosts)
    return local or options.get("sslmode") in ENCRYPTED


def refuse_transaction_pooler(connection: Connection) -> None:
    """Make sure that the session is one, and not a share in a pooler's sessions.

    A pooler in transaction mode gives every transaction another server session: no lock
    and no setting of a run outlives its first statement there.

    Raises:
        CommandError: there is such a pooler in between.
    """
    driver = connection.connection.driver_connection
    pid = connection.scalar(BACKEND_PID)
    connection.rollback()
    # PgBouncer makes up the pid that a client is told when it connects.
    if driver is None or driver.info.backend_pid == pid:
        return
    with connection.engine.connect() as other:
        # Our session is idle. In session mode it stays ours; in transaction mode it is the
        # one that the pooler gives away first, or else the one that we do not get back.
        taken = other.scalar(BACKEND_PID)
        again = connection.scalar(BACKEND_PID)
        connection.rollback()
    if taken == pid or again != pid:
        raise CommandError(
            f"{address(connection.engine)} is a connection pooler in transaction mode, which keeps no "
            "lock between transactions: set MIGRATION_DATABASE_URL to the server itself, or to a pool in "
            "session mode"
        )


def major_version(connection: Connection) -> int:
    """Return the server's major version, such as 18."""
    return int((connection.dialect.server_version_info or (0,))[0])


def address(engine: Engine) -> str:
    """Return the URL without what must not be shown: no password, no options."""
    return engine.url.set(query={}).render_as_string(hide_password=True)


def cannot_connect(error: DBAPIError, engine: Engine) -> str:
    """Return one line: which server, what it answered, what to do. Never the password."""
    # libpq says the same for every address that it tried, and adds hints: its first line does.
    reason = str(error.orig).strip().splitlines()[0]
    reason = reason.rsplit("FATAL:", 1)[-1].rsplit("failed:", 1)[-1].strip()
    advice = next((what for sign, what in ADVICE if sign in reason.lower()), "check the URL")
    return f"cannot connect to {address(engine)}: {reason} ({advice}: DATABASE_URL or MIGRATION_DATABASE_URL)"

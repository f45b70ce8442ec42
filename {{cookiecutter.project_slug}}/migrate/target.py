"""The database that a run of the migrations works on."""

from configparser import InterpolationError
from typing import NamedTuple

from alembic.config import Config
from alembic.util import CommandError
from psycopg.pq import Conninfo
from sqlalchemy import URL, Engine, NullPool

from database import configured_url, database_url, make_engine
from migrate.run.connection import URL_SETTINGS
from migrate.run.settings import yes_or_no
from postgres import embedded
from postgres.client import parameters
from postgres.url import parse_url

# The values of sslmode that insist on encryption, and the hosts that need none.
ENCRYPTED = {"require", "verify-ca", "verify-full"}
LOOPBACK = {"", "localhost", "127.0.0.1", "::1"}

# The URL in the ini files, so that no password stands in them.
PLACEHOLDER = "postgresql://see-DATABASE_URL"


class Target(NamedTuple):
    """A database, and the setting that names it."""

    place: object
    named_by: str


def target(config: Config) -> Target:
    """Return the database to migrate.

    That is the `config.attributes["connection"]` that a program has set, else the database of
    `allowed_url`.

    Raises:
        CommandError: the URL is refused.
        PostgresError: the URL cannot be used, or there is none and no embedded server.
    """
    if (given := config.attributes.get("connection")) is not None:
        return Target(given, config.attributes.get("named_by") or 'config.attributes["connection"]')
    return Target(migration_engine(config), named_by(config))


def named_by(config: Config) -> str:
    """Return the setting that names the database of `allowed_url`, for an error message."""
    return "sqlalchemy.url" if programs_url(config) else URL_SETTINGS


def migration_engine(config: Config | None = None) -> Engine:
    """Return an engine for the URL of the migrations. It raises the errors of `allowed_url`."""
    return make_engine(allowed_url(config), poolclass=NullPool)


def scratch_server() -> URL:
    """Return the URL of a server for scratch databases, by a database that exists on it.

    It is the configured server, so that you can choose the version. Else it is a second embedded
    server, which does not wait for the disk.
    """
    return configured_url(for_migrations=True) or embedded.url("test")


def allowed_url(config: Config | None, *, for_migrations: bool = True) -> URL:
    """Return the URL of the database, if the ini file's section `[database]` allows it.

    Args:
        config: the ini file; without one, everything is allowed.
        for_migrations: prefer the URL that a program has set in `config`, then
            `MIGRATION_DATABASE_URL` as `database.configured_url` does.

    Raises:
        CommandError: the embedded server, or a connection without TLS, is refused.
        PostgresError: the URL cannot be used, or there is none and no embedded server.
    """
    rules = config.get_section("database", {}) if config else {}
    embedded = yes_or_no(rules.get("allow_embedded", "yes"), "allow_embedded")
    tls = yes_or_no(rules.get("require_tls", "no"), "require_tls")
    url = programs_url(config) if config and for_migrations else None
    url = url or configured_url(for_migrations=for_migrations)
    if url is None and not embedded:
        raise CommandError(
            "DATABASE_URL is not set, and allow_embedded = no refuses the embedded server: "
            "set it in the environment or in .env"
        )
    if url is not None and tls and not is_private(url):
        raise CommandError(
            f"require_tls = yes refuses {url.set(query={}).render_as_string(hide_password=True)}: "
            "the network could read the connection; add ?sslmode=verify-full (or require) to the URL"
        )
    return url or database_url(for_migrations=for_migrations)


def programs_url(config: Config) -> URL | None:
    """Return the URL that a program has set as `sqlalchemy.url`; None if it has set none.

    Raises:
        CommandError: it has a % that must be %%.
        DatabaseURLError: the URL cannot be used.
    """
    try:
        value = config.file_config.get(config.config_ini_section, "sqlalchemy.url", fallback="")
    except InterpolationError:
        # The error's own message holds the value, which may hold a password.
        raise CommandError("sqlalchemy.url: a % of the URL is written %% here") from None
    return parse_url(value, "sqlalchemy.url") if value.strip() not in ("", PLACEHOLDER) else None


def is_private(url: URL) -> bool:
    """Whether the network cannot read the connection: it must use TLS, or it stays on this machine."""
    given = parameters(url)
    options = {**libpq_defaults(), **given}
    # A service names the host, and wins over the environment; only the URL wins over the service.
    if options.get("service"):
        return given.get("sslmode") in ENCRYPTED
    hosts = str(options.get("hostaddr") or options.get("host") or "").split(",")
    local = all(host in LOOPBACK or host.startswith(("/", "@")) for host in hosts)
    return local or options.get("sslmode") in ENCRYPTED


def place(url: URL) -> str:
    """Return in words which database it is, and on which host."""
    given = parameters(url)
    options = {**libpq_defaults(), **given}
    host = given.get("host") or given.get("hostaddr")
    if not host and options.get("service"):
        return f"{url.database} on the service {options['service']}"
    host = str(host or options.get("host") or options.get("hostaddr") or "")
    is_socket = not host or host.startswith(("/", "@"))
    return f"{url.database} on {'this machine' if is_socket else host}"


def libpq_defaults() -> dict[str, str]:
    """Return the parameters that a connection has where the URL does not say another (PGHOST)."""
    return {each.keyword.decode(): each.val.decode() for each in Conninfo.get_defaults() if each.val}

"""Which database a run of the migrations works on."""

from alembic.config import Config
from alembic.util import CommandError
from psycopg.pq import Conninfo
from sqlalchemy import URL, Connection, Engine, NullPool

from database import configured_url, database_url, make_engine
from migrate.run.settings import yes_or_no
from postgres import embedded

# What sslmode may be so that nothing is sent in the clear, and the hosts that need none.
ENCRYPTED = {"require", "verify-ca", "verify-full"}
LOOPBACK = {"", "localhost", "127.0.0.1", "::1"}


def target(config: Config | None = None) -> Connection | Engine:
    """Return where to migrate.

    Args:
        config: Alembic's; what a program has put into `config.attributes["connection"]` is
            used in place of the configured URL, and the ini file may refuse some URLs (see
            `allowed_url`).

    Raises:
        CommandError: the URL is refused.
        PostgresError: the URL cannot be used, or there is none and no embedded server.
    """
    given: Connection | Engine | None = config.attributes.get("connection") if config else None
    return given or make_engine(allowed_url(config), poolclass=NullPool)


def scratch_server() -> URL:
    """Return the URL of a server for scratch databases, by a database that exists on it.

    It is the configured one, so that one can choose the version; else an embedded one that
    holds nothing else, and waits for no disk.
    """
    return configured_url(for_migrations=True) or embedded.url("test")


def allowed_url(config: Config | None, *, for_migrations: bool = True) -> URL:
    """Return the URL of the database, if the ini file's section `[database]` has nothing against it.

    Args:
        config: the ini file; without one, everything is allowed.
        for_migrations: as for `database.configured_url`.

    Raises:
        CommandError: the embedded server, or a way without TLS, is refused.
        PostgresError: the URL cannot be used, or there is none and no embedded server.
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

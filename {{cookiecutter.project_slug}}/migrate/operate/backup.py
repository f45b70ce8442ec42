"""A backup before a change, the proof that it is one, and the way back from it."""

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Connection, NullPool, text

from database import make_engine
from migrate.run.connection import connect, major_version
from postgres import client
from postgres.errors import ClientError

LOCK_WAIT = "5min"  # how long pg_dump waits for a table that somebody has locked
JOBS = 4  # tables restored at the same time

VERSIONS = re.compile(
    r"^COPY ([^\n]+)\.alembic_version \(version_num\) FROM stdin;\n(.*?)^\\\.$", re.M | re.S
)

# What belongs to a database itself, which is not in a backup of what is in it.
LIKE_THE_ORIGINAL = text("""
    SELECT concat_ws(' ', 'ENCODING', quote_literal(pg_encoding_to_char(d.encoding)),
        'LC_COLLATE', quote_literal(d.datcollate), 'LC_CTYPE', quote_literal(d.datctype),
        CASE d.datlocprovider WHEN 'i' THEN 'LOCALE_PROVIDER icu ICU_LOCALE' || quote_literal(l.name)
            WHEN 'b' THEN 'LOCALE_PROVIDER builtin BUILTIN_LOCALE' || quote_literal(l.name) END)
    FROM pg_database AS d,
        LATERAL (SELECT coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')) AS l (name)
    WHERE datname = current_database()
""")
SETTINGS = text("""
    SELECT format('ALTER DATABASE %I SET %I TO %s', CAST(:new AS text), split_part(s.setting, '=', 1),
        CASE WHEN split_part(s.setting, '=', 1) = 'search_path' THEN split_part(s.setting, '=', 2)
            ELSE quote_literal(substr(s.setting, strpos(s.setting, '=') + 1)) END)
    FROM pg_db_role_setting JOIN pg_database AS d ON d.oid = setdatabase, unnest(setconfig) AS s (setting)
    WHERE datname = current_database() AND setrole = 0
""")
GRANTS = text("""
    SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', CAST(:new AS text))
    FROM pg_database WHERE datname = current_database() AND datacl IS NOT NULL
    UNION ALL
    SELECT format('GRANT %s ON DATABASE %I TO %s', privilege_type, CAST(:new AS text),
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
    FROM pg_database, aclexplode(datacl) WHERE datname = current_database()
""")


@dataclass(frozen=True)
class Backup:
    """A file of pg_dump, in its custom format."""

    path: Path
    pg_restore: Path

    def tables(self) -> int:
        """Return how many tables have their rows in it.

        Raises:
            ClientError: it is no backup, or pg_restore is too old for it.
        """
        listed = client.output(self.pg_restore, None, "--list", str(self.path))
        return len(re.findall(r"^\d+; \d+ \d+ TABLE DATA ", listed, re.MULTILINE))

    def read(self) -> None:
        """Read every block of it.

        Its table of contents comes first: of a file that is cut off, --list sees nothing.

        Raises:
            ClientError: a part is missing or broken.
        """
        client.output(self.pg_restore, None, f"--file={os.devnull}", str(self.path))

    def heads(self, schema: str = "") -> tuple[str, ...]:
        """Return the revisions that its database was at.

        Args:
            schema: the one, as SQL, whose table of Alembic is meant where several have one.
        """
        sql = client.output(
            self.pg_restore, None, "--data-only", "--table=alembic_version", "--file=-", str(self.path)
        )
        tables = {name: tuple(sorted(versions.split())) for name, versions in VERSIONS.findall(sql)}
        return tables[schema] if schema in tables else next(iter(tables.values()), ())


def write(url: URL, path: Path, pg_dump: Path, pg_restore: Path) -> Backup:
    """Write a backup, readable by its owner alone. What stands there is never overwritten.

    Until it is complete it is called `….partial`.

    Raises:
        ClientError: pg_dump failed; there is no file then.
        OSError: the file cannot be written, or exists.
    """
    partial = path.with_name(path.name + ".partial")
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        # Who wants this name must hold the partial one first: nobody can take it from here on.
        if path.exists():
            raise FileExistsError(errno.EEXIST, "exists already", str(path))
        client.output(
            pg_dump, url, "--format=custom", "--no-password", f"--lock-wait-timeout={LOCK_WAIT}",
            f"--file={partial}",
        )  # fmt: skip
        _sync(partial)
        partial.rename(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return Backup(path, pg_restore)


def create_like(connection: Connection, name: str) -> None:
    """Create an empty database with the locale, the settings and the grants of the connection's own.

    Args:
        connection: in autocommit mode.
        name: the new one's.
    """
    quoted = connection.dialect.identifier_preparer.quote_identifier(name)
    locale = connection.scalar(LIKE_THE_ORIGINAL)
    connection.exec_driver_sql(f"CREATE DATABASE {quoted} TEMPLATE template0 {locale}")
    for query in (SETTINGS, GRANTS):
        for statement in connection.scalars(query, {"new": name}).all():
            connection.exec_driver_sql(statement)


def restore(backup: Backup, url: URL) -> None:
    """Restore into an empty database.

    Raises:
        CommandError: the server is out of reach.
        ClientError: pg_restore met an error.
    """
    engine = make_engine(url, poolclass=NullPool)
    with connect(engine) as connection:
        older = major_version(connection) < client.version(backup.pg_restore)
    # No connection is kept meanwhile: the server may end one that does nothing for hours.
    stop = [] if older else ["--exit-on-error"]
    try:
        client.output(backup.pg_restore, url, *stop, "--no-password", f"--jobs={JOBS}", str(backup.path))
    except ClientError as error:
        if not older or not _only_unknown_settings(str(error)):
            raise


def analyze(url: URL) -> None:
    """Have the planner look at every table of a database.

    Raises:
        CommandError: the server is out of reach.
        SQLAlchemyError: the server refused.
    """
    engine = make_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with connect(engine) as connection:
        connection.execute(text("ANALYZE"))


def _only_unknown_settings(errors: str) -> bool:
    """Whether an older server only does not know a limit that pg_restore sets to none, to be sure."""
    lines = [line for line in errors.splitlines() if "error: " in line]
    return bool(lines) and all('"transaction_timeout"' in line for line in lines)


def _sync(path: Path) -> None:
    """Wait until the disk has it."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())

"""Write a backup before a change, check it, and restore it."""

import errno
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, NullPool, text

from database import make_engine
from migrate.run.connection import connect, major_version
from postgres import client
from postgres.errors import ClientError

LOCK_WAIT = "5min"  # how long pg_dump waits for a table that is locked
JOBS = 4  # tables restored at the same time

VERSIONS = re.compile(r"^COPY ([^\n]+) \(version_num\) FROM stdin;\n(.*?)^\\\.$", re.M | re.S)

# The numbers at the beginning of a line of the table of contents.
ENTRY = re.compile(r"^\d+; \d+ \d+ ")
# The entries that are restored last, in this order. A database works without the first and the last
# group. The rows of a materialized view may need a grant, and an event trigger must not see a restore.
LATER = (
    ("ACL ", "DEFAULT ACL "),
    ("MATERIALIZED VIEW DATA ",),
    ("COMMENT ", "SECURITY LABEL ", "PUBLICATION ", "SUBSCRIPTION ", "EVENT TRIGGER "),
)
# A statement up to its first string, which may be a secret: that of a subscription has a password.
FAILED = re.compile(r"ERROR: +(.*)\n(?:.*\n)*?Command was: ([^'\n]*)")
# Whether sessions only read, unless they say otherwise.
READ_ONLY = text("SELECT reset_val::boolean FROM pg_settings WHERE name = 'default_transaction_read_only'")
# Objects that an administrator has made already in an empty database: they stay as they are.
THERE = text("""
    SELECT 'EXTENSION - ' || extname FROM pg_extension WHERE extname <> 'plpgsql'
    UNION ALL SELECT 'COMMENT - EXTENSION ' || extname FROM pg_extension
    UNION ALL SELECT 'SCHEMA - ' || nspname FROM pg_namespace WHERE oid >= 16384
""")


@dataclass(frozen=True)
class Backup:
    """A file of pg_dump, in its custom format."""

    path: Path
    pg_restore: Path

    def tables(self) -> int:
        """Return how many tables have their rows in it.

        Raises:
            ClientError: the file is no backup, or pg_restore is too old for it.
        """
        return len(re.findall(r"^\d+; \d+ \d+ TABLE DATA ", self.contents(), re.MULTILINE))

    def contents(self) -> str:
        """Return its table of contents, as pg_restore lists it.

        Raises:
            ClientError: the file is no backup, or pg_restore is too old for it.
        """
        return client.output(self.pg_restore, None, "--list", str(self.path))

    def read(self) -> None:
        """Read every block of it.

        The table of contents is at the beginning: --list does not see that the end of a file is missing.

        Raises:
            ClientError: a part is missing or broken.
        """
        client.output(self.pg_restore, None, f"--file={os.devnull}", str(self.path))

    def heads(self, name: str, place: str) -> tuple[str, ...]:
        """Return the revisions that its database was at.

        Args:
            name: that of Alembic's table.
            place: the same as SQL with its schema, if several schemas have one.
        """
        sql = client.output(
            self.pg_restore, None, "--data-only", f"--table={name}", "--file=-", str(self.path)
        )
        tables = {name: tuple(sorted(versions.split())) for name, versions in VERSIONS.findall(sql)}
        return tables[place] if place in tables else next(iter(tables.values()), ())


def write(url: URL, path: Path, pg_dump: Path, pg_restore: Path) -> Backup:
    """Write a backup that only its owner can read. It never overwrites a file.

    Until the backup is complete, its name ends in `.partial`.

    Raises:
        ClientError: pg_dump failed; then there is no file.
        OSError: the file cannot be written, or exists.
    """
    partial = path.with_name(path.name + ".partial")
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        # A run takes the partial name first, so from here on no other run can take this name.
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


def restore(backup: Backup, url: URL) -> list[str]:
    """Restore into an empty database, without the extensions and schemas that it has already.

    Returns:
        The entries that could not be restored, and that the database works without, with the reasons.

    Raises:
        CommandError: the server is out of reach.
        ClientError: another entry could not be restored.
    """
    engine = make_engine(url, poolclass=NullPool)
    with connect(engine) as connection:
        older = major_version(connection) < client.version(backup.pg_restore)
        there = tuple(f"{entry} " for entry in connection.scalars(THERE))
        read_only = connection.scalar(READ_ONLY)
    if read_only:
        # The restore must write even so. Only then: PgBouncer rejects the startup parameter "options".
        writable = f"{url.query.get('options', '')} -c default_transaction_read_only=off".strip()
        url = url.update_query_dict({"options": writable})
    # Keep no connection open meanwhile: the server may end one that is idle for hours.
    parts: list[list[str]] = [[] for _ in range(4)]
    for line in backup.contents().splitlines():
        entry = ENTRY.sub("", line)
        if not entry.startswith((*there, ";")):
            parts[next((n for n, signs in enumerate(LATER, 1) if entry.startswith(signs)), 0)].append(line)
    missing = []
    with tempfile.TemporaryDirectory() as folder:
        for number, lines in enumerate(parts):
            optional = number % 2 == 1
            path = Path(folder, str(number))
            path.write_text("\n".join(lines), encoding="utf-8")
            stop = [] if older or optional else ["--exit-on-error"]
            options = ["--no-password", f"--jobs={JOBS}", *stop, f"--use-list={path}"]
            try:
                if lines:
                    client.output(backup.pg_restore, url, *options, str(backup.path))
            except ClientError as error:
                failed = FAILED.findall(str(error))
                if optional and failed:
                    missing += [f"{why}: {what}" for why, what in failed if "transaction_timeout" not in why]
                elif not older or not _only_unknown_settings(str(error)):
                    raise
    return missing


def analyze(url: URL) -> None:
    """Run ANALYZE on every table of a database.

    Raises:
        CommandError: the server is out of reach.
        SQLAlchemyError: the server failed.
    """
    engine = make_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with connect(engine) as connection:
        connection.execute(text("ANALYZE"))


def _only_unknown_settings(errors: str) -> bool:
    """Whether the only errors are unknown settings: pg_restore resets limits that an older server lacks."""
    lines = [line for line in errors.splitlines() if "error: " in line]
    return bool(lines) and all('"transaction_timeout"' in line for line in lines)


def _sync(path: Path) -> None:
    """Wait until the file is on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())

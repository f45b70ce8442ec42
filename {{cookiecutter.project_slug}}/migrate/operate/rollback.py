"""The two ways back: downgrades, or a backup that is restored into a new database."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.util import CommandError
from sqlalchemy import URL, Engine, NullPool, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from database import configured_url, make_engine
from migrate.chain import Revision
from migrate.operate import backup, beside
from migrate.operate.backup import Backup
from migrate.operate.operation import (
    Operation,
    Options,
    at,
    counted,
    loss,
    must_be_able_to_ask,
    paragraph,
    quiet,
    shown,
)
from migrate.run.connection import connect, major_version
from migrate.run.failures import one_line
from migrate.run.unknown import refuse_unknown
from postgres import client
from postgres.errors import ClientError

log = logging.getLogger("migrate")

# The tables of all schemas, without extensions' tables, and without the partitioned tables themselves.
TABLE_COUNT = """
    SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE relkind = 'r' AND nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%' AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e'
    )
"""
# What somebody has made in a database: relations, functions, types.
MADE = text("""
    SELECT count(*) FROM (
        SELECT CAST('pg_class' AS regclass), oid, relnamespace FROM pg_class WHERE relkind NOT IN ('i', 'I')
        UNION ALL SELECT CAST('pg_proc' AS regclass), oid, pronamespace FROM pg_proc
        UNION ALL SELECT CAST('pg_type' AS regclass), oid, typnamespace FROM pg_type
            WHERE typtype IN ('e', 'd', 'r')
    ) AS made (class, id, namespace) JOIN pg_namespace AS n ON n.oid = namespace
    WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%' AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = class AND objid = id AND deptype = 'e'
    )
""")
# A backup also has rows of an extension's table if the extension marks them as the user's.
TABLES_WITH_ROWS = text(
    f"{TABLE_COUNT} OR relkind = 'r' AND c.oid IN (SELECT unnest(extconfig) FROM pg_extension)"
)


@dataclass(frozen=True, kw_only=True)
class DowngradeOptions(Options):
    """What an operator chooses for a rollback by downgrades.

    Attributes:
        to: the revision to go back to.
    """

    to: str


class Downgrade(Operation):
    """Undo revisions. Each downgrade keeps the rows that were written since, as far as it can."""

    options: DowngradeOptions
    name = "rollback"
    steps = ("preflight", "confirm", "on_start", "downgrade", "verify", "on_finish")

    def __init__(self, options: DowngradeOptions) -> None:
        super().__init__(options)
        self.target = options.to
        self.start: tuple[str, ...] = ()
        self.undone: list[Revision] = []
        self.refused = False

    def go(self) -> None:
        """Take the steps."""
        self.step(1)
        self.preflight()
        if not self.undone:
            log.info("    nothing to undo")
            return
        self.step(2)
        self.ask()
        with self.maintenance(3, 6):
            self.step(4)
            command.downgrade(self.config, self.target)
            self.step(5)
            self.verify()
        log.info("rollback succeeded: %s is at %s", self.database, at(self.heads()))

    def preflight(self) -> None:
        """Show the revisions to undo, and what that loses.

        Raises:
            CommandError: a revision is irreversible.
        """
        self.start = self.heads()
        log.info("    at %s", at(self.start))
        refuse_unknown(self.scripts, self.start)
        self.undone = self.below(self.start, self.target)
        for number, revision in enumerate(self.undone, 1):
            log.info("    undo %d of %d: %s %s", number, len(self.undone), revision.id, revision.summary)
            log.info("        rollback: %s", loss(revision))
        if self.undone and self.target.startswith("-") and len(parents := self.undone[-1].parents) < 2:
            self.target = parents[0] if parents else "base"  # only the shown revisions
        if final := [revision.id for revision in self.undone if not revision.reversible]:
            self.refused = True
            raise CommandError(f"no downgrade leads back over {', '.join(final)}: irreversible")
        if self.undone:
            must_be_able_to_ask(yes=self.options.yes)

    def ask(self) -> None:
        """Ask whether to go on.

        Raises:
            CommandError: the answer is no.
        """
        if self.options.yes:
            log.info("    --yes")
            return
        lossy = [revision for revision in self.undone if not revision.lossless]
        what = f"{len(lossy)} of them lose what is said above." if lossy else "Nothing is lost."
        self.confirm(f"Undo {counted(self.undone)} of {self.where}? {what}")

    def verify(self) -> None:
        """Check that the database is at the target.

        Raises:
            CommandError: it is not.
        """
        heads = self.heads()
        if left := self.below(heads, self.target):
            raise CommandError(f"{counted(left)} still to be undone, from {left[0].id} on")
        log.info("    at %s", at(heads))

    def ways(self) -> Iterator[str]:
        """Yield the state after a failure, and the commands to go on or back."""
        heads, sentence = self.state()
        if self.hook_failed:
            yield f"on_finish failed too, so maintenance mode may still be on: {self.hook_failed}"
        if self.refused:
            yield f"Nothing has been changed. {sentence}"
            yield self._restore_instead()
            return
        again = self.command("rollback", "--to", self.target, *(["--yes"] if self.options.yes else []))
        if self.number < 4 or not self.undone:
            yield f"Nothing has been changed. {sentence}"
            yield paragraph("To go on, after the cause is repaired:", again)
            return
        left = self.undone if heads is None else self.below(heads, self.target)
        undone = [each for each in self.undone if each.id not in {other.id for other in left}]
        yield f"{sentence} The rollback began at {at(self.start)}."
        if heads is not None:
            yield f"Undone: {', '.join(each.id for each in undone) or 'nothing'}."
        yield paragraph("To go on, after the cause is repaired (what is undone stays undone):", again)
        if undone and len(self.start) == 1:
            yield paragraph(
                "To go up again to where it began:", self.command("deploy", "--to", self.start[0])
            )

    def _restore_instead(self) -> str:
        """Return how to restore the best backup: the newest of that revision, else the newest."""
        wanted = () if self.target == "base" else (self.scripts.get_revision(self.target).revision,)
        table = self.version_table()
        newest: tuple[Path, tuple[str, ...]] | None = None
        for path in sorted(self.folder.glob(self.file("dump").name.replace(self.stamp, "*")), reverse=True):
            with suppress(ClientError):
                held = Backup(path, client.binary("pg_restore")).heads(*table)
                if held == wanted:
                    newest = path, held
                    break
                newest = newest or (path, held)
        introduction = "A backup does not have the rows written since. To restore one into a new database"
        if newest is None:
            return beside.way_back(self, introduction, "FILE")
        path, held = newest
        return beside.way_back(self, f"{introduction} (this is of revision {at(held)})", path)


@dataclass(frozen=True, kw_only=True)
class RestoreOptions(Options):
    """What an operator chooses for a rollback from a backup.

    Attributes:
        backup: the file.
        into: an empty database to restore into; by default a new one is created.
    """

    backup: Path
    into: str = ""


class Restore(Operation):
    """Restore a backup beside its database, which does not change."""

    options: RestoreOptions
    name = "restore"
    steps = ("preflight", "create a database", "restore", "verify")

    def __init__(self, options: RestoreOptions) -> None:
        super().__init__(options)
        self.new = options.into or beside.named(self.database, "restored", self.stamp)
        self.new_engine = make_engine(
            self.url.set(database=self.new), poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        self.created = False
        self.lost = False  # the connection, before the server said whether it has created it
        self.restored = False
        self.original = True
        self.refused: list[str] = []
        self.prepare: list[str] = []

    def go(self) -> None:
        """Take the steps, and say how to switch. A restored database stays, even if a later step fails."""
        self.step(1)
        self.preflight()
        try:
            self.step(2)
            self.create()
            self.step(3)
            missing = backup.restore(self.backup, self.new_engine.url)
            self.restored = True
        except BaseException:
            self.drop()
            raise
        for each in missing:
            log.warning("    not restored: %s", each)
        self.analyze()
        self.step(4)
        self.verify()
        log.info("restored into %s\n%s", self.new, "\n".join(self.switch()))

    def preflight(self) -> None:
        """Check that the file is a complete backup.

        Raises:
            CommandError: the server is out of reach, or the path is no file.
            ClientError: it is not, or no pg_restore can read it.
            OSError: there is no such file.
        """
        path = self.options.backup
        if path.exists() and not path.is_file():  # to open a pipe might wait for ever
            raise CommandError(f"{shown(path)} is no file: --backup takes one, as pg_dump has written it")
        with path.open("rb"):
            pass
        self.server = self._engine_beside()
        with quiet(), connect(self.server) as connection:
            server = major_version(connection)
        self.backup = Backup(path, client.fitting("pg_restore", server))
        self.tables = self.backup.tables()
        self.backup.read()
        self.heads_then = self.backup.heads(*self.version_table(self.server))
        log.info("    %s: rows of %d tables, at %s", shown(path), self.tables, at(self.heads_then))

    def create(self) -> None:
        """Create the new database, or check that the one of `--into` is empty.

        Raises:
            CommandError: it cannot be created, or is not empty.
        """
        if self.options.into:
            with connect(self.new_engine) as connection:
                if self.new == self.database or connection.scalar(MADE):
                    raise CommandError(f"{self.new} is not empty: --into takes an empty database")
        else:
            with connect(self.server) as connection:
                if obstacle := beside.obstacle(connection):
                    self.prepare = beside.creation(connection, self.url, self.new)
                    raise CommandError(f"{obstacle}: an administrator has to make the new one")
                self.created = True
                try:
                    beside.create_like(connection, self.new)
                except DBAPIError as error:
                    self.created = self.lost = error.connection_invalidated
                    raise
                self.refused = beside.settle(connection, self.new)
            if self.refused:
                log.warning("    not set, a superuser has to: %s", ", ".join(self.refused))
        log.info("    %s", self.new)

    def analyze(self) -> None:
        """Run ANALYZE. If that fails, the restored database stays."""
        try:
            with quiet():
                backup.analyze(self.new_engine.url)
            log.info("    done, and analyzed")
        except (CommandError, SQLAlchemyError) as error:
            log.warning("    done, but not analyzed (%s): run ANALYZE in %s", one_line(error), self.new)

    def verify(self) -> None:
        """Check that the new database has the tables and the revision of the backup.

        Raises:
            CommandError: it does not have them.
        """
        with quiet(), connect(self.new_engine) as connection:
            tables = connection.scalar(TABLES_WITH_ROWS)
        heads = self.heads(self.new_engine)
        if (tables, heads) != (self.tables, self.heads_then):
            raise CommandError(
                f"{self.new} has {tables} tables at {at(heads)}, the backup {self.tables} "
                f"at {at(self.heads_then)}"
            )
        log.info("    %d tables, at %s", tables, at(heads))

    def drop(self) -> None:
        """Drop the new database of a failed restore, if this run created it."""
        if self.created:
            with suppress(CommandError, SQLAlchemyError), connect(self.server) as connection:
                beside.execute(connection, f"DROP DATABASE IF EXISTS {beside.quoted(self.new)} WITH (FORCE)")
                self.created = self.lost  # the server may still be creating it

    def switch(self) -> Iterator[str]:
        """Yield the commands that put the new database in the place of the old one."""
        if self.original:
            yield f"The database {self.database} is as it was."
        if self.refused:
            copy = beside.copy_settings(self.new)
            yield paragraph(
                f"To have a superuser set {', '.join(self.refused)} on the new one too ({beside.PASSWORD}):",
                beside.psql(self.url, copy, by=self._administrator(superuser=True)),
            )
        yield paragraph(
            "To switch, either have the programs use it:",
            *(f"{name}={beside.address(url, 'PASSWORD')}" for name, url in self._urls().items()),
        )
        aside = beside.named(self.database, "replaced", self.stamp)
        old, new = beside.quoted(self.database), beside.quoted(self.new)
        renames = (
            [(self.new, f"ALTER DATABASE {old} RENAME TO {beside.quoted(aside)}")] if self.original else []
        )
        renames.append((aside if self.original else "postgres", f"ALTER DATABASE {new} RENAME TO {old}"))
        by = None if self._may_rename() else self._administrator()
        who = f"have an administrator ({by}) " if by else ""
        yield paragraph(
            f"or {who}give it the old one's name, which fails while any session is connected "
            f"({beside.PASSWORD}):",
            *(beside.psql(self.url.set(database=place), statement, by=by) for place, statement in renames),
        )

    def ways(self) -> Iterator[str]:
        """Yield the state after a failure, and the commands to go on."""
        yield f"The database {self.database} is as it was."
        drop = f"DROP DATABASE IF EXISTS {beside.quoted(self.new)}"
        if self.restored:
            yield f"The backup is restored in {self.new}, which stays: look at it."
        if self.created:
            yield paragraph(f"To drop {self.new} ({beside.PASSWORD}):", beside.psql(self._spare, drop))
        elif self.options.into and self.number > 2:
            with suppress(CommandError, SQLAlchemyError), quiet(), connect(self.server) as connection:
                yield paragraph(
                    f"{self.new} is no longer empty. To have an administrator make it anew "
                    f"({beside.PASSWORD}):",
                    beside.psql(self._spare, drop, by=beside.administrator(connection)),
                    *beside.creation(connection, self.url, self.new),
                )
        elif self.prepare:
            yield paragraph(
                f"To have an administrator make an empty database ({beside.PASSWORD}):", *self.prepare
            )
        arguments: list[str | Path] = ["rollback", "--backup", self.options.backup]
        if self.options.into or self.prepare:
            arguments += ["--into", self.new]
        yield paragraph("To go on, after the cause is repaired:", self.command(*arguments))

    @property
    def _spare(self) -> URL:
        """The database to connect to for a command about the new one."""
        return self.url if self.original else self.url.set(database="postgres")

    def _urls(self) -> dict[str, URL]:
        """Return the settings with which programs find the new database."""
        application = configured_url()
        migrations = {} if application == self.url else {"MIGRATION_DATABASE_URL": self.url}
        # A job that migrates may have only its own URL.
        urls = {"DATABASE_URL": application or self.url.set(username="APPLICATION_ROLE"), **migrations}
        return {name: url.set(database=self.new) for name, url in urls.items()}

    def _administrator(self, *, superuser: bool = False) -> str:
        with quiet(), connect(self.server) as connection:
            return beside.administrator(connection, superuser=superuser)

    def _may_rename(self) -> bool:
        with quiet(), connect(self.server) as connection:
            return beside.may_rename(connection, self.database, self.new)

    def _engine_beside(self) -> Engine:
        """Return an engine for the server: by the database itself, else by one that every server has."""
        try:
            with quiet(), connect(self.engine):
                return self._autocommit(self.url)
        except CommandError:
            spare = self._autocommit(self.url.set(database="postgres"))
            with suppress(CommandError), connect(spare):
                self.original = False
                return spare
            raise

    def _autocommit(self, url: URL) -> Engine:
        return make_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")

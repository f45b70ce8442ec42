"""The ways back: by downgrades, or from a backup into a new database."""

import logging
import shlex
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.util import CommandError
from sqlalchemy import URL, Engine, NullPool, text
from sqlalchemy.exc import SQLAlchemyError

from database import make_engine
from migrate.chain import Revision
from migrate.operate import backup
from migrate.operate.backup import Backup
from migrate.operate.operation import Operation, Options, at, counted, loss, paragraph, quiet, shown
from migrate.run.connection import connect, major_version
from migrate.run.failures import one_line
from migrate.run.unknown import refuse_unknown
from postgres import client
from postgres.errors import ClientError

log = logging.getLogger("migrate")

# Those of all schemas: not an extension's, not the partitioned ones themselves.
TABLE_COUNT = """
    SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE relkind = 'r' AND nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%' AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e'
    )
"""
TABLES = text(TABLE_COUNT)
# A backup has the rows of an extension's table too, where the extension says that they are no part of it.
TABLES_WITH_ROWS = text(
    f"{TABLE_COUNT} OR relkind = 'r' AND c.oid IN (SELECT unnest(extconfig) FROM pg_extension)"
)


@dataclass(frozen=True, kw_only=True)
class DowngradeOptions(Options):
    """What an operator chooses for a way back by downgrades.

    Attributes:
        to: the revision to go back to.
    """

    to: str


class Downgrade(Operation):
    """Undo revisions, keeping the rows written since as far as each revision can."""

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
        """Show what would be undone, and what that loses.

        Raises:
            CommandError: a revision has no way back.
        """
        self.start = self.heads()
        log.info("    at %s", at(self.start))
        refuse_unknown(self.scripts, self.start)
        self.undone = self.below(self.start, self.target)
        for number, revision in enumerate(self.undone, 1):
            log.info("    undo %d of %d: %s %s", number, len(self.undone), revision.id, revision.summary)
            log.info("        rollback: %s", loss(revision))
        if self.undone and self.target.startswith("-") and len(parents := self.undone[-1].parents) < 2:
            self.target = parents[0] if parents else "base"  # not one more, if another run was faster
        if final := [revision.id for revision in self.undone if not revision.reversible]:
            self.refused = True
            raise CommandError(f"no downgrade leads back over {', '.join(final)}: irreversible")
        if self.undone:
            self.must_be_able_to_ask()

    def ask(self) -> None:
        """Ask whether to go on.

        Raises:
            CommandError: no.
        """
        if self.options.yes:
            log.info("    --yes")
            return
        lossy = [revision for revision in self.undone if not revision.lossless]
        what = f"{len(lossy)} of them lose what is said above." if lossy else "Nothing is lost."
        self.confirm(f"Undo {counted(self.undone)} of {self.where}? {what}")

    def verify(self) -> None:
        """Make sure that the database is where it should be.

        Raises:
            CommandError: it is not.
        """
        heads = self.heads()
        if left := self.below(heads, self.target):
            raise CommandError(f"{counted(left)} still to be undone, from {left[0].id} on")
        log.info("    at %s", at(heads))

    def ways(self) -> Iterator[str]:
        """Yield the state after a failure, and the commands that lead on or back."""
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
            yield paragraph("To go on, when the cause is mended:", again)
            return
        left = [] if heads is None else self.below(heads, self.target)
        undone = [each for each in self.undone if each.id not in {other.id for other in left}]
        yield f"{sentence} The rollback began at {at(self.start)}."
        yield f"Undone: {', '.join(each.id for each in undone) or 'nothing'}."
        yield paragraph("To go on, when the cause is mended (what is undone stays so):", again)
        if undone and len(self.start) == 1:
            yield paragraph(
                "To go up again to where it began:", self.command("deploy", "--to", self.start[0])
            )

    def _restore_instead(self) -> str:
        """Return how to restore the backup that fits best: the newest of that revision, or the newest."""
        wanted = () if self.target == "base" else (self.scripts.get_revision(self.target).revision,)
        schema = self.version_schema()
        newest: tuple[Path, tuple[str, ...]] | None = None
        for path in sorted(self.folder.glob(self.file("dump").name.replace(self.stamp, "*")), reverse=True):
            with suppress(ClientError):
                held = Backup(path, client.binary("pg_restore")).heads(schema)
                if held == wanted:
                    newest = path, held
                    break
                newest = newest or (path, held)
        introduction = "What was written since it is not in a backup. To restore one into a new database"
        if newest is None:
            return paragraph(f"{introduction}:", self.command("rollback", "--backup", "FILE"))
        path, held = newest
        return paragraph(
            f"{introduction} (this is of revision {at(held)}):", self.command("rollback", "--backup", path)
        )


@dataclass(frozen=True, kw_only=True)
class RestoreOptions(Options):
    """What an operator chooses for a way back from a backup.

    Attributes:
        backup: the file.
        into: an empty database to restore into; by default a new one is created.
    """

    backup: Path
    into: str = ""


class Restore(Operation):
    """Restore a backup beside the database that it is of. That one stays as it is."""

    options: RestoreOptions
    name = "restore"
    steps = ("preflight", "create a database", "restore", "verify")

    def __init__(self, options: RestoreOptions) -> None:
        super().__init__(options)
        self.new = options.into or f"{self.database[:33]}_restored_{self.stamp.lower()}"
        self.new_engine = make_engine(
            self.url.set(database=self.new), poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        self.created = False
        self.original = True

    def go(self) -> None:
        """Take the steps, and say how to switch."""
        try:
            self.step(1)
            self.preflight()
            self.step(2)
            self.create()
            self.step(3)
            backup.restore(self.backup, self.new_engine.url)
            self.analyze()
            self.step(4)
            self.verify()
        except BaseException:
            self.drop()
            raise
        log.info("restored into %s\n%s", self.new, "\n".join(self.switch()))

    def preflight(self) -> None:
        """Make sure that the backup is one, and whole.

        Raises:
            CommandError: the server is out of reach.
            ClientError: it is not, or there is no pg_restore for it.
            OSError: there is no such file.
        """
        path = self.options.backup
        with path.open("rb"):
            pass
        self.beside = self._engine_beside()
        with quiet(), connect(self.beside) as connection:
            server = major_version(connection)
        self.backup = Backup(path, client.fitting("pg_restore", server))
        self.tables = self.backup.tables()
        self.backup.read()
        self.heads_then = self.backup.heads(self.version_schema(self.beside))
        log.info("    %s: rows of %d tables, at %s", shown(path), self.tables, at(self.heads_then))

    def create(self) -> None:
        """Create the new database, or make sure that the one to restore into is empty.

        Raises:
            CommandError: it cannot be created, or is not empty.
        """
        if self.options.into:
            with connect(self.new_engine) as connection:
                if self.new == self.database or connection.scalar(TABLES):
                    raise CommandError(f"{self.new} is not empty: --into takes an empty database")
        else:
            with connect(self.beside) as connection:
                try:
                    backup.create_like(connection, self.new)
                except SQLAlchemyError as error:
                    raise CommandError(
                        f"{one_line(error)}: have a role that may create an empty database for you, and give "
                        "its name as --into"
                    ) from error
            self.created = True
        log.info("    %s", self.new)

    def analyze(self) -> None:
        """Have the planner look at the tables; that it cannot is no reason to give them up."""
        try:
            with quiet():
                backup.analyze(self.new_engine.url)
            log.info("    done, and analyzed")
        except (CommandError, SQLAlchemyError) as error:
            log.warning("    done, but not analyzed (%s): run ANALYZE in %s", one_line(error), self.new)

    def verify(self) -> None:
        """Make sure that the new database holds what the backup does.

        Raises:
            CommandError: it does not.
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
        """Drop what was created in vain, and nothing else."""
        if self.created:
            with suppress(CommandError, SQLAlchemyError), connect(self.beside) as connection:
                quoted = connection.dialect.identifier_preparer.quote_identifier(self.new)
                connection.exec_driver_sql(f"DROP DATABASE {quoted} WITH (FORCE)")
                self.created = False

    def switch(self) -> Iterator[str]:
        """Yield how to have the new database take the old one's place."""
        if self.original:
            yield f"The database {self.database} is as it was."
        yield paragraph(
            "To switch, either have the application use it (and the migrations, where they have a URL of "
            "their own):",
            "DATABASE_URL=" + self._address(self.new, password="PASSWORD"),  # noqa: S106  (to be filled in)
        )
        if self.original:
            aside = f"{self.database[:33]}_replaced_{self.stamp.lower()}"
            renames = [
                self._rename(self.database, aside, by=self.new),
                self._rename(self.new, self.database, by=aside),
            ]
        else:
            renames = [self._rename(self.new, self.database, by="postgres")]
        yield paragraph(
            "or give it the old one's name, which is refused while anybody is connected (psql asks for the "
            "password, or takes PGPASSWORD):",
            *renames,
        )

    def ways(self) -> Iterator[str]:
        """Yield what a failure leaves, and how to go on."""
        yield f"The database {self.database} is as it was."
        if self.created:
            yield f"What was restored so far is in {self.new}, which could not be dropped: drop it."
        arguments: list[str | Path] = ["rollback", "--backup", self.options.backup]
        if self.options.into:
            arguments += ["--into", self.options.into]
            if self.number > 2:
                yield f"{self.new} is no longer empty: empty it first."
        yield paragraph("To go on, when the cause is mended:", self.command(*arguments))

    def _engine_beside(self) -> Engine:
        """Return a way to the server: the database itself, or where it is lost the one that all have."""
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

    def _address(self, database: str, password: str | None = None) -> str:
        url = URL.create("postgresql", self.url.username, password, self.url.host, self.url.port, database)
        query = {name: value for name, value in self.url.query.items() if name != "password"}
        return client.libpq_url(url.set(query=query))

    def _rename(self, old: str, new: str, *, by: str) -> str:
        """Return the command that renames a database.

        Args:
            old: its name now.
            new: its name then.
            by: another one, to connect to.
        """
        quote = self.engine.dialect.identifier_preparer.quote_identifier
        program = "psql" if shutil.which("psql") else shown(client.binary("psql"))
        statement = f"ALTER DATABASE {quote(old)} RENAME TO {quote(new)}"
        return shlex.join([program, self._address(by), "-c", statement])

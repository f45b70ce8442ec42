"""What a deploy and a rollback share: numbered steps, hooks around them, and what to do after a failure."""

import io
import logging
import os
import re
import shlex
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from alembic.config import Config
from alembic.runtime.migration import RevisionStep
from alembic.util import CommandError
from sqlalchemy import Engine, NullPool, text
from sqlalchemy.exc import SQLAlchemyError

from database import ROOT, environments, make_engine
from migrate import ledger
from migrate.alembic_internals import downgrade_steps, upgrade_steps
from migrate.chain import Revision
from migrate.ini import checked
from migrate.operate import hooks
from migrate.operate import log as logs
from migrate.run.connection import address, connect
from migrate.run.failures import advice, one_line
from migrate.run.runner import single_runner
from migrate.run.settings import Settings
from migrate.run.signals import clean_up, interruptible, stop_if_told
from migrate.run.unknown import refuse_unknown
from migrate.run.versions import version_table, versions
from migrate.scripts import scripts_of
from migrate.target import allowed_url, named_by, place
from postgres.errors import PostgresError

log = logging.getLogger("migrate")

# Errors that are neither a bug of ours nor of a revision: the message is enough.
EXPECTED = (CommandError, PostgresError, SQLAlchemyError)

VERSION_TABLE = text("""
    SELECT name, format('%I.%I', coalesce(schema, current_schema()), name) AS place
    FROM (VALUES (CAST(:version_table_schema AS text), CAST(:version_table AS text))) AS t (schema, name)
""")

SETTINGS = {"backup_dir", "on_start", "on_finish", "smoke_test"}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What an operator chooses.

    Attributes:
        config: the ini file.
        folder: the folder for backups, SQL and logs; None for that of the ini file.
        yes: do not ask.
    """

    config: Path
    folder: Path | None = None
    yes: bool = False


def confirmed(question: str, *, word: str = "") -> bool:
    """Ask a question, and return whether the answer is yes.

    Args:
        question: what is about to happen.
        word: the word to type, if a "y" is too easy to type.
    """
    print(f"\n{question} {f'Type {word} to go on: ' if word else '[y/N] '}", end="", flush=True)
    answer = sys.stdin.readline().strip()
    print()
    return answer == word if word else answer.lower() in ("y", "yes")


def must_be_able_to_ask(*, yes: bool) -> None:
    """Make sure that a person can be asked.

    Args:
        yes: the answer is known, so no question is needed.

    Raises:
        CommandError: there is no terminal.
    """
    if not yes and not (sys.stdin and sys.stdin.isatty()):
        raise CommandError("there is no terminal to ask for confirmation on: give --yes")


class Operation(ABC):
    """Steps on a database. A subclass has the steps, and says how to go on or back after a failure."""

    steps: ClassVar[tuple[str, ...]] = ()
    name: ClassVar[str] = ""

    def __init__(self, options: Options) -> None:
        """Read the ini file, and find the database.

        Raises:
            CommandError: the ini file does not exist or refuses the URL, or a setting is wrong.
        """
        self.options = options
        self.config = read_config(options.config)
        self.section: dict[str, str] = self.config.get_section("deploy", {})
        if unknown := set(self.section) - SETTINGS - {"here"}:
            raise CommandError(
                f"{options.config}: [deploy] has no setting {min(unknown)}; "
                f"there are {', '.join(sorted(SETTINGS))}"
            )
        Settings.load(self.config, {}, *environments())  # a wrong one is refused before the first step
        self.url = allowed_url(self.config)
        self.engine = make_engine(self.url, poolclass=NullPool)
        self.config.attributes |= {"connection": self.engine, "named_by": named_by(self.config)}
        self.scripts = scripts_of(self.config)
        self.database = str(self.url.database)
        self.where = place(self.url)
        self.folder = options.folder or Path(self.section.get("backup_dir") or ROOT / "backups")
        now = datetime.now(UTC)  # with milliseconds: two runs may begin within a second
        self.stamp = f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03}Z"
        self.number = 0
        self.hook_failed = ""

    @abstractmethod
    def go(self) -> None:
        """Take the steps."""

    @abstractmethod
    def ways(self) -> Iterator[str]:
        """Yield the state of the database after a failure, and the commands to go on or back."""

    # Running

    def run(self) -> int:
        """Take the steps. If one fails, say what state that leaves, and what to do.

        Returns:
            The exit code: 0, or 1 after a failure.

        Raises:
            CommandError: the log cannot be written. Then nothing has been done.
        """
        with interruptible():
            logs.configure(self.config, self.file("log"))
            log.info("%s of %s, log in %s", self.name, address(self.engine), shown(self.file("log")))
            try:
                self.go()
            except KeyboardInterrupt:
                return self._failed("stopped on request")
            except OSError as error:
                return self._failed(f"{error.filename}: {error.strerror}" if error.filename else str(error))
            except (*EXPECTED, SystemExit) as error:
                # The other lines of a client program may hold data.
                return self._failed(f"{one_line(error)}{advice(error)}")
            except Exception as error:
                # Probably a bug in a revision: log the traceback, which shows the line.
                log.exception("unexpected")
                return self._failed(f"{type(error).__name__}: {error}")
        return 0

    def _failed(self, message: str) -> int:
        title = self.steps[self.number - 1]
        # One log record, so that each command is alone on its line, and can be copied.
        log.error(
            "%s stopped in step %d/%d (%s): %s\n%s",
            self.name, self.number, len(self.steps), title, message, "\n".join(self._ways()),
        )  # fmt: skip
        return 1

    def _ways(self) -> Iterator[str]:
        """Yield the lines of `ways`. If they cannot be found out, the failure itself must still be told."""
        try:
            yield from self.ways()
        except (*EXPECTED, OSError, KeyboardInterrupt) as error:
            reason = "stopped on request" if isinstance(error, KeyboardInterrupt) else one_line(error)
            yield (
                f"What is left to do could not be found out ({reason}): "
                f"{self.alembic('current')} tells where the database is."
            )

    def step(self, number: int) -> None:
        """Announce a step."""
        self.number = number
        stop_if_told()
        log.info("%d/%d %s", number, len(self.steps), self.steps[number - 1])

    @contextmanager
    def maintenance(self, start: int, finish: int) -> Iterator[None]:
        """Run `on_start`, and at the end `on_finish`, even after a failure.

        Another deploy or rollback of the same database waits until then: its `on_finish` would end the
        maintenance mode of this one.

        Args:
            start: the number of the step `on_start`; 0 to leave it out.
            finish: the number of the step `on_finish`.

        Raises:
            CommandError: another one did not end in time.
        """
        if start:
            self.step(start)
        wait = Settings.load(self.config, {}, *environments()).runner_wait
        with single_runner(self.engine, "deploy or rollback", wait), self._hooks(start, finish):
            yield

    @contextmanager
    def _hooks(self, start: int, finish: int) -> Iterator[None]:
        try:
            if start:
                self.hook("on_start")
            yield
        except BaseException:
            clean_up()
            failed_in = self.number
            try:
                self.step(finish)
                self.hook("on_finish", "failed")
            # Report the first failure.
            except (hooks.HookError, OSError, KeyboardInterrupt) as error:
                self.hook_failed = str(error) or "stopped on request"
            self.number = failed_in
            raise
        try:
            self.step(finish)
            self.hook("on_finish", "succeeded")
        except KeyboardInterrupt:
            raise hooks.HookError("stopped on request, so maintenance mode may still be on") from None

    def hook(self, name: str, result: str = "") -> None:
        """Run a command of the ini file, if the file has it.

        Raises:
            HookError: the command failed.
        """
        if command := self.section.get(name):
            hooks.execute(command, **({"DEPLOY_RESULT": result} if result else {}))
            log.info("    done: %s", hooks.without_passwords(command))
        else:
            log.info("    none in %s", shown(self.options.config))

    def confirm(self, question: str, *, word: str = "") -> None:
        """Ask, and go on only after a yes.

        Args:
            question: what is about to happen.
            word: the word to type, if a "y" is too easy to type.

        Raises:
            CommandError: the answer is not yes.
        """
        if not confirmed(question, word=word):
            raise CommandError("not confirmed")
        log.info("    confirmed")

    # The database and its revisions

    def heads(self, engine: Engine | None = None) -> tuple[str, ...]:
        """Return the revisions that the database is at, or that an engine's database is at."""
        with quiet(), connect(engine or self.engine) as connection:
            heads = versions(connection, self.config).get_current_heads()
            connection.rollback()
        return tuple(sorted(heads))

    def version_table(self, engine: Engine | None = None) -> tuple[str, str]:
        """Return the name of Alembic's own table, and the same as SQL with its schema."""
        with quiet(), connect(engine or self.engine) as connection:
            table = connection.execute(VERSION_TABLE, version_table(self.config)).one()
            connection.rollback()
        return table.name, table.place

    def above(self, heads: tuple[str, ...], target: str) -> list[Revision]:
        """Return the revisions from these heads up to the target, in the order they run.

        Raises:
            CommandError: there is no such revision, or it is not above the heads.
        """
        return _revisions(upgrade_steps(self.scripts, target, heads))

    def below(self, heads: tuple[str, ...], target: str) -> list[Revision]:
        """Return the revisions to undo from these heads down to the target, in the order they run.

        Raises:
            CommandError: there is no such revision, or it is not below the heads.
        """
        return _revisions(downgrade_steps(self.scripts, target, heads))

    def state(self) -> tuple[tuple[str, ...] | None, str]:
        """Return where the database is after a failure, as revisions and in words.

        The revisions are None if they are not known, or have no files.
        """
        current = self.alembic("current")
        try:
            heads = self.heads()
        except CommandError:
            return None, (
                f"The database {self.database} cannot be reached, so its revision is not known: "
                f"{current} tells it when the server is back."
            )
        except SQLAlchemyError:
            return (
                None,
                f"{current} tells the revision of the database, to a role that may read it.",
            )
        where = f"The database {self.database} is at {at(heads)}"
        try:
            refuse_unknown(self.scripts, heads)
        except CommandError:
            return None, f"{where}, and no file here has that revision."
        return heads, f"{where}."

    # Files and commands

    def file(self, suffix: str) -> Path:
        """Return the path of one of this run's files."""
        name = re.sub(r"[^\w.-]", "_", self.database)
        return self.folder / f"{name}_{self.stamp}.{suffix}"

    def command(self, *arguments: str | Path) -> str:
        """Return a command of this package for the same database, ready to type."""
        given: list[str | Path] = [*arguments]
        if self.options.config != default_config() or arguments[0] == "history":
            given += ["--config", shown(self.options.config)]
        if self.options.folder and arguments[0] not in ("smoke", "history"):
            given += ["--backup-dir", self.options.folder]
        return f"{python()} -m migrate {shlex.join(str(each) for each in given)}"

    def alembic(self, *arguments: str) -> str:
        """Return a command of Alembic for the same database, ready to type."""
        return f"{python()} -m alembic -c {shlex.join([shown(self.options.config), *arguments])}"


def read_config(path: Path) -> Config:
    """Return the configuration of an ini file.

    Raises:
        CommandError: there is no such file, it may not be read, or it is no ini file.
    """
    if not path.is_file():
        raise CommandError(f"{path} is not there: --config names an ini file such as production.ini")
    try:
        path.read_bytes()
    except OSError as error:  # Python's parser would take it for an empty one, without rules
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
    return checked(Config(path, stdout=io.StringIO()))


def default_config() -> Path:
    """Return the default ini file for a deploy or a rollback."""
    return ROOT / "production.ini"


def development_config() -> Path:
    """Return the ini file that Alembic itself takes by default."""
    return ROOT / "alembic.ini"


def at(heads: tuple[str, ...]) -> str:
    """Return revisions as words of a sentence."""
    return ", ".join(heads) or "base"


def counted(revisions: Sequence[object]) -> str:
    """Return the number of revisions, in words."""
    return f"{len(revisions)} revision{'' if len(revisions) == 1 else 's'}"


def locks(revision: Revision) -> str:
    """Return what a revision locks and rewrites, by the ledger; else the `Locks:` of its docstring."""
    said = revision.fields.get("Locks", "not said in its docstring")
    return ledger.recorded(revision) or f"{said} (not measured)"


def loss(revision: Revision) -> str:
    """Return what a revision's downgrade loses, by its docstring."""
    return revision.fields.get("Rollback", "not said in its docstring")


def shown(path: Path) -> str:
    """Return a path relative to the working directory, if it is inside of it."""
    with suppress(ValueError):
        return str(path.absolute().relative_to(Path.cwd()))
    return str(path)


def python() -> str:
    """Return the command for this Python: "python" if that is the same program, else its path."""
    executable = Path(sys.executable)
    usual = executable.with_name(f"python{'.exe' if os.name == 'nt' else ''}")
    if usual.exists() and usual.samefile(executable):
        executable = usual
    return "python" if shutil.which("python") == str(executable) else shlex.quote(shown(executable))


def paragraph(introduction: str, *commands: str) -> str:
    """Return a sentence and its commands, each on a line of its own."""
    return "\n".join(["", introduction, "", *(f"    {command}" for command in commands)])


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Alembic: its messages here would not be about a change to the database."""
    logger = logging.getLogger("alembic")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def create(path: Path, text: str) -> None:
    """Write a new file that only its owner can read.

    Raises:
        OSError: the file cannot be written, or exists already.
    """
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123  (never readable by others, not for a moment)
        file.write(text)


def _revisions(steps: list[RevisionStep]) -> list[Revision]:
    return [Revision(step.revision) for step in steps]

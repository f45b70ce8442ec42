"""Migrations on a busy database: one run at a time, short waits for locks, and another try.

Alembic has none of this built in: https://github.com/sqlalchemy/alembic/issues/633
"""

import logging
import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from migrate.alembic_internals import in_callers_transaction, planned, replace_plan
from migrate.run.caller import guarded
from migrate.run.connection import pause
from migrate.run.progress import Progress
from migrate.run.runner import Runner, single_runner
from migrate.run.settings import Settings
from migrate.run.statements import limits
from migrate.run.unknown import unknown_is_explained

log = logging.getLogger("migrate")

# lock_not_available, deadlock_detected, serialization_failure
TRY_AGAIN = {"55P03", "40P01", "40001"}

# What to do, by SQLSTATE or its class, where the server's message does not say.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
ADVICE = {
    "53100": "make room on the server's disk, and run again",
    "53200": "give the server memory, or the statement less to do, and run again",
    "57014": "set a longer statement_timeout, or 0, and run again",
    "57P": "run again when the server is back",
    "08": "run again when the server is back",
    "42501": "grant it to the role, or run as the owner (MIGRATION_DATABASE_URL)",
}


def run(migration: MigrationContext, settings: Settings) -> None:
    """Do what the command is for, guarded.

    Only a command that has something to change waits for other runs. On a connection that is
    in a transaction, all of it happens in there, and the caller ends it.

    Raises:
        CommandError: the database is at a revision that is not there, another run did not end
            in time, a revision got no lock in so many tries, or it failed; the message says
            where the database is now.
    """
    with unknown_is_explained(migration):
        run_guarded(migration, settings)


def run_guarded(migration: MigrationContext, settings: Settings) -> None:
    """Do what the command is for, alone, with limits and another try, where it changes something."""
    if in_callers_transaction(migration):
        run_inside(migration, settings)
        return
    if not pending(migration):
        if not is_over(migration):
            run_steps(migration)
        return
    assert migration.connection is not None
    with (
        interruptible(),
        single_runner(migration.connection.engine, version_table(migration), settings.runner_wait) as runner,
    ):
        plan = pending(migration)
        if plan:
            Run(migration, settings, plan, runner).go()
        else:
            log.info("nothing left to do: the other run has done it")


def is_over(migration: MigrationContext) -> bool:
    """Whether a command that has no step to take has nothing to do.

    It leads to a revision, and is there. Alembic must not look again: what has come in between
    it would do without the lock that keeps other runs away.
    """
    return "destination_rev" in migration.opts and not migration.purge


def run_inside(migration: MigrationContext, settings: Settings) -> None:
    """Do what the command is for in the transaction that the caller has begun, and leave it open.

    Nothing is tried again, because what it has locked stays locked until the caller ends it.

    Raises:
        CommandError: another run did not end in time, a revision cannot run in a transaction,
            or it failed.
    """
    steps = planned(migration)
    if not steps:
        if not is_over(migration):
            run_steps(migration)
        return
    refuse_autocommit(steps)
    assert migration.connection is not None
    with guarded(migration.connection, version_table(migration), settings):
        steps = planned(migration)
        if not steps:
            log.info("nothing left to do: the other run has done it")
            return
        begun: list[RevisionStep] = []

        def next_steps(_heads: Any, _migration: MigrationContext) -> Iterator[RevisionStep]:
            for step in steps:
                begun.append(step)
                yield step

        replace_plan(migration, next_steps)
        # The usual limits are the transaction's here, and hold for each statement.
        migration.opts["settings"] = None
        migration.autocommit_block = refuse_block  # type: ignore[method-assign]
        try:
            run_steps(migration)
        except (SQLAlchemyError, KeyboardInterrupt) as error:
            first = first_cause(error)
            reason = "stopped on request" if isinstance(first, KeyboardInterrupt) else one_line(first)
            where = f"{name(begun[-1])} failed in" if begun else "nothing was begun in"
            raise CommandError(
                f"{reason}: {where} the transaction that the connection was in: roll that back{advice(first)}"
            ) from first
    log.info("what has run is in the transaction that the connection was in: commit that to keep it")


def refuse_autocommit(steps: Sequence[RevisionStep]) -> None:
    """Make sure that every step can run in a transaction.

    Raises:
        CommandError: one cannot.
    """
    for step in steps:
        if isinstance(step, RevisionStep) and in_autocommit(
            step.revision, "upgrade" if step.is_upgrade else "downgrade"
        ):
            refuse_block(f"{name(step)} ({step.revision.path})")


def refuse_block(what: str = "this revision") -> NoReturn:
    """Refuse to leave the caller's transaction.

    Raises:
        CommandError: always.
    """
    raise CommandError(
        f"{what} runs outside of a transaction (autocommit_block), and the connection is in one: end that "
        "before the command, by commit() or rollback(), or give the engine"
    )


def version_table(migration: MigrationContext) -> str:
    """Return the name of Alembic's table, with its schema if it has one."""
    return ".".join(filter(None, [migration.version_table_schema, migration.version_table]))


def run_steps(migration: MigrationContext) -> None:
    """Do what `context.run_migrations()` does in an `env.py`."""
    with Operations.context(migration), migration.begin_transaction():
        migration.run_migrations()


def pending(migration: MigrationContext) -> list[RevisionStep]:
    """Return the steps that a command would take from where the database is."""
    steps = planned(migration)
    if steps:
        assert migration.connection is not None
        migration.connection.rollback()
    return steps


@contextmanager
def interruptible() -> Iterator[None]:
    """Have SIGTERM, and a terminal that closes, do what Ctrl-C does.

    That is to cancel the statement, and let the run end in order.
    """

    def interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    # nohup has SIGHUP ignored, and means it.
    heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    earlier = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


class Run:
    """The steps of one command, each tried again until it gets its locks."""

    def __init__(
        self, migration: MigrationContext, settings: Settings, plan: list[RevisionStep], runner: Runner
    ) -> None:
        assert migration.connection is not None
        self.migration, self.connection = migration, migration.connection
        self.settings, self.plan, self.runner = settings, plan, runner
        self.done = 0

    def go(self) -> None:
        """Take every step."""
        # After a failed try, go on with what is left, whatever "+2" would mean from there.
        replace_plan(self.migration, self._left)
        with Progress(self.connection, self.settings) as self.progress:
            failures = 0
            while True:
                begun_at = self.done
                try:
                    for statement in limits(self.settings):
                        self.connection.execute(text(statement))
                    self.connection.commit()
                    run_steps(self.migration)
                    return
                except (SQLAlchemyError, KeyboardInterrupt) as error:
                    failures = failures + 1 if self.done == begun_at else 1
                    self._recover(error, failures)

    def _left(self, _heads: Any, _migration: MigrationContext) -> Iterator[RevisionStep]:
        while self.done < len(self.plan):
            self.runner.check()
            self.progress.clear()
            step, started = self.plan[self.done], time.monotonic()
            yield step
            # Alembic comes back for the next one when this one is committed.
            self.done += 1
            self.progress.erase()
            log.info("%s took %.1f s", name(step), time.monotonic() - started)

    def _recover(self, error: BaseException, failures: int) -> None:
        self.progress.erase()
        with suppress(SQLAlchemyError):
            self.connection.rollback()
        first = first_cause(error)
        if isinstance(first, KeyboardInterrupt):
            raise CommandError(f"stopped on request: {self._state()}") from first
        state = getattr(getattr(first, "orig", None), "sqlstate", None)
        reason = one_line(first)
        if state not in TRY_AGAIN:
            raise CommandError(f"{reason}: {self._state()}{advice(first)}") from first
        blockers = self.progress.blockers()
        if failures >= self.settings.attempts:
            raise CommandError(
                f"{reason}, {failures} times, blocked by {blockers}: {self._state()}; end what blocks it, "
                "or run again when there is less traffic"
            ) from first
        # Jitter, so that two who met will not meet again.
        seconds = min(self.settings.longest_pause, self.settings.pause * 2 ** (failures - 1))
        seconds *= random.uniform(0.5, 1)
        step, attempts = name(self.plan[self.done]), f"try {failures + 1} of {self.settings.attempts}"
        log.warning("%s: %s, blocked by %s: %s in %.1f s", step, reason, blockers, attempts, seconds)
        try:
            pause(self.connection, seconds)
        except KeyboardInterrupt:
            raise CommandError(f"stopped on request: {self._state()}") from None

    def _state(self) -> str:
        step = self.plan[self.done]
        at = self.plan[self.done - 1].to_revisions if self.done else step.from_revisions
        where = f"the database is at {', '.join(at) or 'base'}"
        if not isinstance(step, RevisionStep):  # a stamp
            return where
        half_way = in_autocommit(step.revision, "upgrade" if step.is_upgrade else "downgrade")
        end = "stopped half-way, and can be run again as it is" if half_way else "rolled back"
        return f"{where}, {name(step)} ({step.revision.path}) {end}"


def in_autocommit(script: Script, direction: str) -> bool:
    """Whether a revision runs outside a transaction, and must stand being run again from any point.

    Args:
        script: the revision.
        direction: "upgrade" or "downgrade".
    """
    return "autocommit_block" in getattr(script.module, direction).__code__.co_names


def name(step: RevisionStep) -> str:
    """Return what a step does, to which revision."""
    if isinstance(step, RevisionStep):
        return f"{'upgrade to' if step.is_upgrade else 'downgrade of'} {step.revision.revision}"
    return "stamp"


def first_cause(error: BaseException) -> BaseException:
    """Return what happened first: leaving an autocommit block on a lost connection fails too."""
    found = error
    while (earlier := found.__context__) and isinstance(earlier, SQLAlchemyError | KeyboardInterrupt):
        found = earlier
    return found


def advice(error: BaseException) -> str:
    """Return what to do about an error, to be added to a line; empty where the message says it."""
    if not isinstance(error, DBAPIError):
        return ""
    # A connection that breaks has no SQLSTATE: nobody was left to send one.
    state = getattr(error.orig, "sqlstate", None) or ("08" if error.connection_invalidated else "")
    return next((f"; {what}" for sign, what in ADVICE.items() if state.startswith(sign)), "")


def one_line(error: BaseException) -> str:
    """Return the server's message, without the statement, which may hold data."""
    text = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return text.splitlines()[0] if text else type(error).__name__

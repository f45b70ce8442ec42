"""Migrations on a busy database: one run at a time, short waits for locks, and another try.

Alembic has none of this built in: https://github.com/sqlalchemy/alembic/issues/633
"""

import logging
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError

from migrate.alembic_internals import in_callers_transaction, planned, replace_plan
from migrate.run.caller import guarded
from migrate.run.connection import pause
from migrate.run.failures import EXPECTED, TRY_AGAIN, advice, first_cause, one_line, sqlstate
from migrate.run.history import Recorder
from migrate.run.outcome import Outcome
from migrate.run.progress import Progress
from migrate.run.runner import Runner, single_runner
from migrate.run.settings import Settings
from migrate.run.signals import clean_up, interruptible, stop_if_told
from migrate.run.statements import limits
from migrate.run.unknown import unknown_is_explained
from migrate.run.versions import refuse_another

log = logging.getLogger("migrate")


def run(migration: MigrationContext, settings: Settings) -> None:
    """Run the steps of Alembic's command, with the guard.

    Only a command that changes something waits for other runs. If the connection is in a
    transaction, all steps run in that transaction, and the caller ends it.

    Raises:
        CommandError: the database is at a revision that has no file, another run did not end
            in time, or a revision failed or did not get its locks; the message says where the
            database is now.
    """
    refuse_another(migration)
    with unknown_is_explained(migration):
        try:
            run_guarded(migration, settings)
        except DBAPIError as error:  # between two steps, or without any step
            first = first_cause(error)
            raise CommandError(f"{one_line(first)}{advice(first)}") from first


def run_guarded(migration: MigrationContext, settings: Settings) -> None:
    """Run the steps alone, with limits and further tries, if the command changes something."""
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
    """Whether a command without steps has nothing to do at all.

    Its target is a revision, and the database is there. Alembic must not look again: it would run
    a step that has appeared meanwhile, without the lock that keeps other runs away.
    """
    return "destination_rev" in migration.opts and not migration.purge


def run_inside(migration: MigrationContext, settings: Settings) -> None:
    """Run the steps in the transaction that the caller has begun, and leave it open.

    No step is tried again, because its locks are held until the caller ends the transaction.

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
        # Here the limits are set for the transaction, not around each statement.
        migration.opts["settings"] = None
        migration.autocommit_block = refuse_block  # type: ignore[method-assign]
        event.listen(migration.connection, "commit", refuse_commit)
        try:
            with Recorder(migration, create=False).recording():
                run_steps(migration)
        except EXPECTED as error:
            first = first_cause(error)
            reason = "stopped on request" if isinstance(first, KeyboardInterrupt) else one_line(first)
            where = f"{name(begun[-1])} failed in" if begun else "nothing was begun in"
            raise CommandError(
                f"{reason}: {where} the transaction that the connection was in: roll that back{advice(first)}"
            ) from first
        finally:
            event.remove(migration.connection, "commit", refuse_commit)
    log.info("what has run is in the transaction that the connection was in: commit that to keep it")


def refuse_autocommit(steps: Sequence[RevisionStep]) -> None:
    """Refuse a step that cannot run in a transaction.

    Raises:
        CommandError: one cannot.
    """
    for step in steps:
        if isinstance(step, RevisionStep) and in_autocommit(
            step.revision, "upgrade" if step.is_upgrade else "downgrade"
        ):
            refuse_block(f"{name(step)} ({step.revision.path})")


def refuse_block(what: str = "this revision") -> NoReturn:
    """Refuse an autocommit block in the caller's transaction.

    Raises:
        CommandError: always.
    """
    raise CommandError(
        f"{what} runs outside of a transaction (autocommit_block), and the connection is in one: end that "
        "before the command, by commit() or rollback(), or give the engine"
    )


def refuse_commit(_connection: Connection) -> NoReturn:
    """Refuse to commit the caller's transaction.

    Raises:
        CommandError: always.
    """
    raise CommandError(
        "this revision commits, and the connection is in a transaction of its caller: roll that back, "
        "and end it before the command, or give the engine"
    )


def version_table(migration: MigrationContext) -> str:
    """Return the name of Alembic's table, with its schema if it has one."""
    return ".".join(filter(None, [migration.version_table_schema, migration.version_table]))


def write(migration: MigrationContext) -> None:
    """Write the steps of a command as SQL (`--sql`)."""
    refuse_another(migration)
    replace_plan(migration)
    run_steps(migration)


def run_steps(migration: MigrationContext) -> None:
    """Run the steps, as `context.run_migrations()` does in an `env.py`."""
    with Operations.context(migration), migration.begin_transaction():
        migration.run_migrations()


def pending(migration: MigrationContext) -> list[RevisionStep]:
    """Return the steps that a command would take from the database's present revision."""
    steps = planned(migration)
    if steps:
        assert migration.connection is not None
        migration.connection.rollback()
    return steps


class Run:
    """The steps of one command, each tried again until it gets its locks."""

    def __init__(
        self, migration: MigrationContext, settings: Settings, plan: list[RevisionStep], runner: Runner
    ) -> None:
        assert migration.connection is not None
        self.migration, self.connection = migration, migration.connection
        self.settings, self.plan, self.runner = settings, plan, runner
        self.outcome = Outcome(migration)
        self.done = 0

    def go(self) -> None:
        """Take every step."""
        # After a failed try, take the steps that are left: from there "+2" would lead too far.
        replace_plan(self.migration, self._left)
        with Progress(self.connection, self.settings) as self.progress, self.outcome.watched():
            failures = 0
            while True:
                begun_at = self.done
                try:
                    for statement in limits(self.settings):
                        self.connection.execute(text(statement))
                    recorder = Recorder(self.migration)
                    self.connection.commit()
                    self.outcome.clear()
                    with recorder.recording():
                        run_steps(self.migration)
                    return
                except EXPECTED as error:
                    failures = failures + 1 if self.done == begun_at else 1
                    self._recover(error, failures)

    def _left(self, _heads: Any, _migration: MigrationContext) -> Iterator[RevisionStep]:
        while self.done < len(self.plan):
            stop_if_told()
            self.runner.check()
            self.progress.clear()
            self.outcome.clear()
            step, started = self.plan[self.done], time.monotonic()
            yield step
            # Alembic asks for the next step when this one is committed. It does not know of the
            # transaction that began after a revision's own commit.
            if self.connection.in_transaction():
                self.connection.commit()
            self.done += 1
            self.progress.erase()
            log.info("%s took %.1f s", name(step), time.monotonic() - started)

    def _recover(self, error: BaseException, failures: int) -> None:
        """Pause before the next try of the failed step, or give up.

        Raises:
            CommandError: another try cannot help, or the last one has failed, or it was told to stop.
        """
        self.progress.erase()
        first = first_cause(error)
        stopped = isinstance(first, KeyboardInterrupt)
        if stopped:
            clean_up()
        state = self._state()
        if self.progress.waited_for_itself:
            raise CommandError(
                "a second connection of the revision waited for a lock that its own transaction holds: "
                f"{state}; have it work on op.get_bind() alone"
            ) from first
        if stopped:
            raise CommandError(f"stopped on request: {state}") from first
        reason = one_line(first)
        if sqlstate(first) not in TRY_AGAIN or not self.outcome.can_be_tried_again:
            raise CommandError(f"{reason}: {state}{advice(first)}") from first
        blockers = self.progress.blockers()
        if failures >= self.settings.attempts:
            raise CommandError(
                f"{reason}, {failures} times, blocked by {blockers}: {state}; end what blocks it, "
                "or run again when there is less traffic"
            ) from first
        # Jitter, so that two programs do not try at the same moments.
        seconds = min(self.settings.longest_pause, self.settings.pause * 2 ** (failures - 1))
        seconds *= random.uniform(0.5, 1)
        step, attempts = name(self.plan[self.done]), f"try {failures + 1} of {self.settings.attempts}"
        log.warning("%s: %s, blocked by %s: %s in %.1f s", step, reason, blockers, attempts, seconds)
        try:
            stop_if_told()
            pause(self.connection, seconds)
        except KeyboardInterrupt:
            raise CommandError(f"stopped on request: {state}") from None

    def _state(self) -> str:
        """Return where the database is after a failure, and what the failed step has left."""
        committed = self.outcome.committed(self.done)
        if committed:
            self.done += 1
        at = self.plan[self.done - 1].to_revisions if self.done else self.plan[0].from_revisions
        where = f"the database is at {', '.join(at) or 'base'}"
        if committed or self.done == len(self.plan):
            return where
        step = self.plan[self.done]
        if committed is None:
            return f"alembic current tells, when the server is back, whether it has committed {name(step)}"
        if not isinstance(step, RevisionStep):  # a stamp
            return where
        return f"{where}, {name(step)} ({step.revision.path}) {self.outcome}"


def in_autocommit(script: Script, direction: str) -> bool:
    """Whether a revision runs outside of a transaction, so that it must be safe to run again from any point.

    Args:
        script: the revision.
        direction: "upgrade" or "downgrade".
    """
    return "autocommit_block" in getattr(script.module, direction).__code__.co_names


def name(step: RevisionStep) -> str:
    """Return what a step does, and to which revision."""
    if isinstance(step, RevisionStep):
        return f"{'upgrade to' if step.is_upgrade else 'downgrade of'} {step.revision.revision}"
    return "stamp"

"""Migrations in a process of their own, beside the one with the clients.

Threads of one Python take turns of some milliseconds. In a process with eight clients, a migration would
hold its locks until each of them has had its turn, and the stall would be the lab's, not its own.
"""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self

from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Engine, NullPool

from database import make_engine
from migrate.chain import Revision, project_config, revisions
from migrate.run.failures import first_cause, sqlstate

P = ParamSpec("P")


@dataclass(frozen=True)
class Ended:
    """How a migration has ended.

    Attributes:
        seconds: how long it took.
        error: why it came to no end; "" where it did.
        sqlstate: of this error; "" where none was the cause.
    """

    seconds: float
    error: str = ""
    sqlstate: str = ""


class Apart:
    """The process, until the end of a block."""

    def __enter__(self) -> Self:
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        self._pool.submit(_prepare).result()  # not beside the first clients
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: Any, _trace: TracebackType | None) -> None:
        if kind:
            for child in multiprocessing.active_children():
                child.terminate()
        self._pool.shutdown()

    def run(
        self, work: Callable[Concatenate[URL, P], Ended], url: URL, *given: P.args, **named: P.kwargs
    ) -> Ended:
        """Run a function of a module in the process, and wait for its end.

        Raises:
            BrokenProcessPool: the process has ended before.
        """
        return self._pool.submit(work, url, *given, **named).result()


def migrate(url: URL, slug: str, direction: str) -> Ended:
    """Run a revision with the guard.

    Args:
        url: the database.
        slug: the revision.
        direction: "upgrade" or "downgrade".
    """
    [revision] = [revision for revision in revisions(_scripts()) if revision.slug == slug]
    begun = time.monotonic()
    try:
        step(make_engine(url, poolclass=NullPool), revision, direction)
    except CommandError as error:
        return Ended(time.monotonic() - begun, str(error), sqlstate(first_cause(error)))
    return Ended(time.monotonic() - begun)


def step(engine: Engine, revision: Revision, direction: str) -> None:
    """Run one revision, one way: of its branch alone, where there are two.

    Raises:
        CommandError: it failed.
    """
    config, scripts = project_config(), _scripts()
    config.attributes["connection"] = engine
    up = direction == "upgrade"
    make = MigrationStep.upgrade_from_script if up else MigrationStep.downgrade_from_script
    steps = [make(scripts.revision_map, revision.script)]
    end = revision.id if up else revision.parents[0]
    with EnvironmentContext(config, scripts, fn=lambda *_: steps, destination_rev=end):
        scripts.run_env()


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(project_config())


def _prepare() -> None:
    """Read the chain, which takes longer than most steps."""
    revisions(_scripts())

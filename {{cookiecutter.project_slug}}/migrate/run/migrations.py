"""The function that an `env.py` calls instead of `context.run_migrations()`.

It works in any project: copy this folder, `migrate/__init__.py` and `migrate/alembic_internals.py`.
"""

import os
from contextlib import suppress
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection

from migrate.run import guard
from migrate.run.given import use
from migrate.run.settings import Settings
from migrate.run.versions import version_table


def run_migrations(
    place: object, settings: Settings | None = None, named_by: str = "sqlalchemy.url", **options: Any
) -> None:
    """Run the steps of Alembic's command: one run at a time, with limits and further tries.

    Args:
        place: an engine or a connection, sync or async.
        settings: by default those of `alembic -x`, the environment and the ini file.
        named_by: the setting that names the database, for an error message.
        options: those of `context.configure()`.

    Raises:
        CommandError: the server cannot be reached or used, another run did not end in time, or a
            revision failed; the message says where the database is now.
    """
    chosen = settings or Settings.load(context.config, context.get_x_argument(as_dictionary=True), os.environ)

    def work(connection: Connection) -> None:
        # No statement may run on it before this and stay uncommitted: Alembic would take the
        # transaction for the caller's, and leave it open at the end.
        _configure(chosen, connection=connection, **options)
        guard.run(context.get_context(), chosen)

    use(place, work, named_by)


def write_migrations(settings: Settings, **options: Any) -> None:
    """Write the steps of Alembic's command as SQL (`--sql`). It needs no database and no URL.

    Args:
        settings: those of the run that the script stands for.
        options: those of `context.configure()`.
    """
    dialect = {"dialect_name": "postgresql", "dialect_opts": {"paramstyle": "named"}, "literal_binds": True}
    _configure(settings, **dialect, **options)
    guard.write(context.get_context())


def _configure(settings: Settings, **options: Any) -> None:
    with suppress(KeyError):  # a command that goes to no revision
        if context.get_revision_argument() == "":  # of a variable that a script has not set
            raise CommandError("the revision is empty: give one, such as head")
    common = {"settings": settings, "transaction_per_migration": True, **version_table(context.config)}
    context.configure(**common | options)

"""What an `env.py` calls in place of `context.run_migrations()`, in this project or any other.

Elsewhere it takes a copy of this folder, of `migrate/__init__.py` and of
`migrate/alembic_internals.py`, and nothing else of the project.
"""

import os
from typing import Any

from alembic import context
from sqlalchemy import Connection

from migrate.run import guard
from migrate.run.given import use
from migrate.run.settings import Settings


def run_migrations(
    place: object, settings: Settings | None = None, named_by: str = "sqlalchemy.url", **options: Any
) -> None:
    """Run what Alembic's command asks for: one run at a time, with limits and another try.

    Args:
        place: an engine or a connection, sync or async.
        settings: by default those of `alembic -x`, the environment and the ini file.
        named_by: what says where the database is, for an error.
        options: those of `context.configure()`.

    Raises:
        CommandError: the server cannot be reached or used, another run did not end in time, or a
            revision failed; the message says where the database is now.
    """
    chosen = settings or Settings.load(context.config, context.get_x_argument(as_dictionary=True), os.environ)

    def work(connection: Connection) -> None:
        # Nothing may run on it before this and stay uncommitted: Alembic would take the
        # transaction for somebody else's, and leave it open at the end.
        context.configure(connection=connection, settings=chosen, transaction_per_migration=True, **options)
        guard.run(context.get_context(), chosen)

    use(place, work, named_by)

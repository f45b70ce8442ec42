"""Alembic's own table: the ini file names it, so that every command reads the same one."""

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection

DEFAULTS = {"version_table": "alembic_version", "version_table_schema": None}


def version_table(config: Config) -> dict[str, str | None]:
    """Return the options of `context.configure()` that name Alembic's table, as the ini file has them."""
    return {name: config.get_main_option(name) or default for name, default in DEFAULTS.items()}


def versions(connection: Connection, config: Config) -> MigrationContext:
    """Return a context that reads from Alembic's table at which revisions a database is."""
    return MigrationContext.configure(connection, opts=version_table(config))


def of_scratch(config: Config) -> Config:
    """Return the configuration, for a scratch database: there the table has its usual name and place."""
    for name in DEFAULTS:
        config.set_main_option(name, "")
    return config


def refuse_another(migration: MigrationContext) -> None:
    """Refuse an `env.py` that names another table than the ini file.

    Raises:
        CommandError: it does; the message says what to write where.
    """
    if not (config := migration.config):
        return
    for name, value in version_table(config).items():
        if (given := getattr(migration, name)) != value:
            raise CommandError(
                f"env.py gives {name} = {given}, and other commands would read another table: write it into "
                f"the section [{config.config_ini_section}] of each ini file, and take it out of env.py"
            )

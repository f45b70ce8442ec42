"""How Alembic connects to the database, and what it compares. The rest is in migrate/."""

import logging
from typing import Any

from alembic import context

from database import Base, environments
from migrate.autogenerate import PLUGINS, Scope, load, render_item, write
from migrate.errors import clear_errors
from migrate.ini import checked, set_up_logging
from migrate.run.migrations import run_migrations, write_migrations
from migrate.run.settings import Settings
from migrate.scripts import read
from migrate.target import target

config = checked(context.config)

# The command line gives options, and has no logging yet. Another program sets up its own logging.
if config.config_file_name is not None and config.cmd_opts is not None and not logging.root.handlers:
    set_up_logging(config)

load()  # puts every table of the models on Base.metadata

OPTIONS: dict[str, Any] = {
    "target_metadata": Base.metadata,
    **Scope(config.get_main_option("exclude_tables", "")).options(),
    "compare_type": True,
    "compare_server_default": True,
    "autogenerate_plugins": PLUGINS,
    "process_revision_directives": write,
    "render_item": render_item,
}


def settings() -> Settings:
    """Return the settings of this run: those that a program gives, else those of the user."""
    given: Settings | None = config.attributes.get("settings")
    return given or Settings.load(config, context.get_x_argument(as_dictionary=True), *environments())


def run_migrations_offline() -> None:
    """Write the SQL to standard output (`--sql`). It needs no database and no URL."""
    write_migrations(settings(), **OPTIONS)


def run_migrations_online() -> None:
    """Run the migrations on the database."""
    place, named_by = target(config)
    run_migrations(place, settings(), named_by, **OPTIONS)


with clear_errors():
    read(context.script)
    if context.is_offline_mode():
        run_migrations_offline()
    else:
        run_migrations_online()

"""The history of a database: `python -m migrate history`."""

import json
from dataclasses import asdict
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, NullPool
from sqlalchemy.exc import DBAPIError

from database import make_engine
from migrate.operate.operation import quiet, read_config
from migrate.run import history
from migrate.run.connection import connect
from migrate.run.failures import one_line
from migrate.run.history import Entry
from migrate.run.versions import versions
from migrate.scripts import scripts_of
from migrate.target import allowed_url


def show(path: Path, *, as_json: bool) -> None:
    """Print every revision that ran, oldest first.

    Args:
        path: the ini file, which says where the revisions are and which URLs are refused.
        as_json: print JSON, for a program.

    Raises:
        CommandError: there is no such file, or the database is out of reach.
    """
    config, engine, scripts = _open(path)
    with quiet(), connect(engine) as connection:
        migration = versions(connection, config)
        entries = history.entries(migration)
        heads = migration.get_current_heads()
    changed = {script.revision for script in history.changed(entries, heads, scripts)}
    last = {entry.revision: entry for entry in entries}
    if as_json:
        print(json.dumps([_row(entry) for entry in entries], indent=2))
        return
    for entry in entries:
        who = f"{entry.role} ({entry.os_user or '?'}@{entry.host})"
        print(
            f"{entry.began.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}  {entry.direction:<9}  {entry.revision:<12}  "
            f"{entry.took.total_seconds():>8.1f} s  {(entry.sha256 or '')[:12]:<12}  {who}"
            + ("  file changed since" if entry.revision in changed and last[entry.revision] is entry else "")
        )
    if not entries:
        print("no history: nothing has run since it began, or the role may not read it")


def accept(path: Path, revision: str) -> None:
    """Record that the file of an applied revision is right as it is now.

    Args:
        path: the ini file.
        revision: the revision's id.

    Raises:
        CommandError: there is no such revision, it is not applied, or the role may not write the history.
    """
    config, engine, scripts = _open(path)
    script = scripts.get_revision(revision)
    with quiet(), connect(engine) as connection:
        migration = versions(connection, config)
        heads = migration.get_current_heads()
        if script.revision not in history.applied_revisions(scripts, heads):
            raise CommandError(f"{script.revision} is not applied: its file may change")
        row = {**history.of(script), "direction": "accept", "took": timedelta()}
        try:
            history.add(migration, row)
            connection.commit()
        except DBAPIError as error:
            raise CommandError(f"the history cannot be written: {one_line(error)}") from error
    print(f"accepted: {script.path}")


def _row(entry: Entry) -> dict[str, Any]:
    began, took = entry.began.astimezone(UTC).isoformat(), entry.took.total_seconds()
    return {**asdict(entry), "began": began, "took": took}


def _open(path: Path) -> tuple[Config, Engine, ScriptDirectory]:
    config = read_config(path)
    return config, make_engine(allowed_url(config), poolclass=NullPool), scripts_of(config)

"""Where a database is, compared with the files of this checkout: `python -m migrate status`."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, text

from database import Base, make_engine
from migrate.autogenerate import load
from migrate.autogenerate.scope import Scope
from migrate.operate.operation import at, counted, development_config, python, quiet, read_config, shown
from migrate.run import history
from migrate.run.connection import address, connect
from migrate.run.history import Entry, applied_revisions
from migrate.run.versions import versions
from migrate.scripts import scripts_of
from migrate.target import allowed_url

load()  # the models; if they cannot be imported, one line says why

# The exit code of each state. As everywhere, 1 is an error, and 2 a wrong command line.
CODES = {"at head": 0, "behind": 3, "ahead": 4, "diverged": 5, "unversioned": 6}

THERE = text("""
    SELECT count(*) FROM unnest(CAST(:schemas AS text[]), CAST(:names AS text[])) AS wanted (schema, name)
    JOIN pg_namespace ON nspname = schema JOIN pg_class ON relnamespace = pg_namespace.oid AND relname = name
""")


@dataclass(frozen=True)
class Status:
    """A database, compared with a chain.

    Attributes:
        state: a key of `CODES`.
        database: its address, without the password.
        at: the revisions that it is at.
        heads: the heads of the files.
        pending: the revisions that have not run, in the order they run.
        unknown: the revisions of `at` that have no file.
        changed: the applied revisions whose files have changed since they ran.
        said: the state in words.
        to_do: what to do.
    """

    state: str
    database: str
    at: Sequence[str]
    heads: Sequence[str]
    pending: Sequence[str]
    unknown: Sequence[str]
    changed: Sequence[str]
    said: str
    to_do: str


def show(config: Path, *, as_json: bool) -> int:
    """Print where a database is, and what to do.

    Args:
        config: the ini file, which says where the revisions are and which URLs are refused.
        as_json: print JSON, for a program.

    Returns:
        The exit code of the state.

    Raises:
        CommandError: there is no such file, or the database is out of reach.
    """
    status = find(config)
    if as_json:
        print(json.dumps(asdict(status), indent=2))
        return CODES[status.state]
    print(f"{status.state}: {status.said}")
    print(f"to do: {status.to_do}")
    for revision in status.changed:
        print(changed_since(revision, accept(revision, config)))
    return CODES[status.state]


def find(path: Path) -> Status:
    """Return where the database is. It raises the errors of `show`."""
    config = read_config(path)
    scripts = scripts_of(config)
    engine = make_engine(allowed_url(config), poolclass=NullPool)
    with quiet(), connect(engine) as connection:
        migration = versions(connection, config)
        heads = tuple(sorted(migration.get_current_heads()))
        entries = history.entries(migration)
        scope = Scope(config.get_main_option("exclude_tables", ""))
        there = not heads and _has_tables_of_the_models(connection, scope)
    known = [script.revision for script in reversed(list(scripts.walk_revisions()))]
    unknown = [head for head in heads if head not in known]
    found, traced = _known_below(heads, known, entries)
    applied = applied_revisions(scripts, found)
    pending = [revision for revision in known if revision not in applied] if traced else []
    changed = [script.revision for script in history.changed(entries, found, scripts)]
    where = f"the database is at {at(heads)}"
    missing = f"{where}, and no file here has {', '.join(unknown)}"
    lookup = f"git log --all -S{unknown[0]} finds it" if unknown else ""
    left = f"{counted(pending)} pending, from {pending[0]} on" if pending else ""
    if _overlap(scripts, heads):
        state = "diverged"
        said = f"{where}, of which one comes before another: the version was written by hand"
        to_do = "find the true revision: docs/RUNBOOK.md, alembic_version edited by hand"
    elif unknown and pending:
        state, said = "diverged", f"{missing}; {left}, which it does not have"
        to_do = f"get the missing file ({lookup}), and merge both with alembic merge heads; never stamp"
    elif unknown:
        why = "newer code has migrated it" + (
            "" if traced else ", or it is of another branch or project, or lost"
        )
        state, said = "ahead", f"{missing}: {why}"
        to_do = f"deploy the code that has the file ({lookup}), or leave the database as it is; never stamp"
        to_do += "" if traced else "; if another project uses the same table, name your own (version_table)"
    elif there:
        state, said = "unversioned", "the database has tables of the models, and no revision"
        to_do = "find its revision, and stamp that: docs/RUNBOOK.md, A table already exists"
    elif pending:
        state, said, to_do = "behind", f"{where}: {left}", _upgrade(scripts, path)
    else:
        state, said, to_do = "at head", where, "nothing"
    return Status(state, address(engine), heads, scripts.get_heads(), pending, unknown, changed, said, to_do)


def accept(revision: str, config: Path) -> str:
    """Return the command that accepts a changed file as it is."""
    return f"{python()} -m migrate {shlex.join(['history', '--accept', revision, *_option(config)])}"


def changed_since(revision: str, command: str) -> str:
    """Return the line about a revision whose file has changed since it ran.

    Args:
        revision: the revision's id.
        command: the command that accepts the file as it is.
    """
    return (
        f"the file of {revision} has changed since it ran here, and does not run again: put it back, and "
        f"change the schema by a new revision; or, where the change makes no difference: {command}"
    )


def _has_tables_of_the_models(connection: Connection, scope: Scope) -> bool:
    tables = Base.metadata.sorted_tables
    scope.look(connection, tables)
    places = [
        scope.place(table.schema, table.name)
        for table in tables
        if not scope.left_alone(table.schema, table.name)
    ]
    values = {"schemas": [schema for schema, _ in places], "names": [name for _, name in places]}
    return bool(connection.scalar(THERE, values))


def _known_below(
    heads: Sequence[str], known: Sequence[str], entries: Sequence[Entry]
) -> tuple[list[str], bool]:
    """Return the nearest revisions with files below the heads, and whether the history found them.

    For a revision without a file, the history has its parents.
    """
    parents = {entry.revision: entry.parents for entry in entries if entry.direction == "upgrade"}
    found, traced, wanted, seen = [], True, list(heads), set[str]()
    while wanted:
        revision = wanted.pop()
        if revision in seen:
            continue
        seen.add(revision)
        if revision in known:
            found.append(revision)
        elif revision in parents:
            wanted += filter(None, parents[revision].split(", "))
        else:
            traced = False
    return found, traced


def _overlap(scripts: ScriptDirectory, heads: Sequence[str]) -> bool:
    """Whether one revision that a database is at comes before another one."""
    return any(head in applied_revisions(scripts, set(heads) - {head}) for head in heads)


def _option(config: Path) -> list[str]:
    """Return the option that names an ini file; none if it is the default one."""
    return [] if config == development_config() else ["--config", shown(config)]


def _upgrade(scripts: ScriptDirectory, config: Path) -> str:
    if option := _option(config):
        return f"{python()} -m migrate {shlex.join(['deploy', *option])}"
    target = "head" if len(scripts.get_heads()) == 1 else "heads"
    return f"{python()} -m alembic upgrade {target}"

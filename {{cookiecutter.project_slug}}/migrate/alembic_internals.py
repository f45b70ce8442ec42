"""Every private name of Alembic that the project uses; a test holds Alembic to them.

`pyproject.toml` keeps Alembic below the next minor version, because these may change with it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.types import TypeEngine

DEFAULT = text("""
    SELECT pg_get_expr(adbin, adrelid)
    FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
    JOIN pg_class AS c ON c.oid = adrelid JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE nspname = :schema AND relname = :table AND attname = :column
""")


class StatementHooks(PostgresqlImpl):
    """Alembic's PostgreSQL, with statements of one's own around each that a revision executes."""

    __dialect__ = "postgresql"  # takes the place of Alembic's own
    step: RevisionStep | None = None  # which is being taken, as far as `replace_plan` was called

    @contextmanager
    def around(self, statement: str) -> Iterator[None]:  # noqa: ARG002
        """Do something before and after a statement, online and in `--sql`."""
        yield

    def plain(self, statement: str) -> None:
        """Execute a statement with nothing around it."""
        super()._exec(statement)

    def _exec(self, construct: Any, *args: Any, **options: Any) -> Any:
        statement = construct if isinstance(construct, str) else str(construct.compile(dialect=self.dialect))
        with self.around(statement):
            return super()._exec(construct, *args, **options)

    def autogen_column_reflect(self, inspector: Any, table: Any, column_info: Any) -> None:
        """Let Alembic look at a column that was reflected, with the sequence that the server knows.

        SQLAlchemy takes a sequence without a schema for one in the schema of the table, where it may
        be one that the search_path finds.
        """
        if table.schema and str(column_info.get("default")).startswith("nextval("):
            names = {"schema": table.schema, "table": table.name, "column": column_info["name"]}
            column_info["default"] = inspector.bind.scalar(DEFAULT, names)
        super().autogen_column_reflect(inspector, table, column_info)  # type: ignore[no-untyped-call]


def planned(migration: MigrationContext) -> list[RevisionStep]:
    """Return the steps that a command would take from where the database is.

    Only upgrade, downgrade and stamp have a destination; for other commands it is empty.
    """
    if "destination_rev" not in migration.opts:
        return []
    assert migration._migrations_fn is not None
    heads = () if migration.purge else migration.get_current_heads()  # as in run_migrations
    return list(migration._migrations_fn(heads, migration))


def in_callers_transaction(migration: MigrationContext) -> bool:
    """Whether the connection was in a transaction already, which Alembic then does not end."""
    return migration._in_external_transaction


def plan(migration: MigrationContext) -> Any:
    """Return what gives `run_migrations` its steps: a function of heads and context."""
    return migration._migrations_fn


def replace_plan(migration: MigrationContext, steps: Any = None) -> None:
    """Have `run_migrations` take these steps, and tell its impl of each.

    Args:
        migration: what is to take them.
        steps: a function of heads and context, as Alembic's own; by default that.
    """
    given = steps or plan(migration)

    def told(heads: Any, context: MigrationContext) -> Iterator[RevisionStep]:
        for step in given(heads, context):
            if isinstance(migration.impl, StatementHooks):
                migration.impl.step = step
            yield step

    migration._migrations_fn = told


def upgrade_steps(scripts: ScriptDirectory, target: str, heads: Iterable[str]) -> list[RevisionStep]:
    """Return the steps from the heads up to a revision.

    Raises:
        CommandError: there is no such revision, or it is not above.
    """
    return scripts._upgrade_revs(target, tuple(heads))  # type: ignore[arg-type]


def downgrade_steps(scripts: ScriptDirectory, target: str, heads: Iterable[str]) -> list[RevisionStep]:
    """Return the steps from the heads down to a revision.

    Raises:
        CommandError: there is no such revision, or it is not below.
    """
    return scripts._downgrade_revs(target, tuple(heads))  # type: ignore[arg-type]


def revision_path(scripts: ScriptDirectory, folder: Path, id_: str, message: str, created: datetime) -> Path:
    """Return the path that `alembic revision` would give to a revision, by `file_template`."""
    return Path(scripts._rev_path(str(folder), id_, message, created))


def render_type(type_: TypeEngine[Any], context: AutogenContext) -> str:
    """Return a type as a revision has it."""
    return _repr_type(type_, context)

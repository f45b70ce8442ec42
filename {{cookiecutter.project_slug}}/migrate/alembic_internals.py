"""Every private name of Alembic that the project uses; a test holds Alembic to them.

`pyproject.toml` keeps Alembic below the next minor version, because these may change with it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from alembic.util.sqla_compat import _get_constraint_final_name, _is_type_bound
from sqlalchemy import CheckConstraint, Constraint, Dialect, Index, text
from sqlalchemy.sql.elements import conv
from sqlalchemy.types import NullType, TypeEngine, UserDefinedType

COLUMN = text("""
    SELECT pg_get_expr(adbin, adrelid), format_type(atttypid, atttypmod)
    FROM pg_attribute LEFT JOIN pg_attrdef ON attrelid = adrelid AND attnum = adnum
    JOIN pg_class AS c ON c.oid = attrelid JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE nspname = coalesce(:schema, current_schema()) AND relname = :table AND attname = :column
""")


class SQLType(UserDefinedType[Any]):
    """A type that SQLAlchemy does not know, by what SQL calls it."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name


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
        """Let Alembic look at a column that was reflected, as the server knows it.

        SQLAlchemy takes a sequence without a schema for one in the schema of the table, where it may
        be one that the search_path finds; a colon for the beginning of a bound value; and some
        types for none.
        """
        unknown = isinstance(column_info["type"], NullType)
        if unknown or str(column_info.get("default")).startswith("nextval("):
            names = {"schema": table.schema, "table": table.name, "column": column_info["name"]}
            default, type_ = inspector.bind.execute(COLUMN, names).one()
            if unknown:
                column_info["type"] = SQLType(type_)
            if table.schema and column_info.get("default"):
                column_info["default"] = default
        super().autogen_column_reflect(inspector, table, column_info)  # type: ignore[no-untyped-call]
        for info, key in ((column_info, "default"), (column_info.get("computed") or {}, "sqltext")):
            if info.get(key):
                info[key] = info[key].replace(":", r"\:")

    def render_ddl_sql_expr(
        self, expr: Any, is_server_default: bool = False, is_index: bool = False, **options: Any
    ) -> str:
        """Return an expression as a revision has it: what is read from there says the same.

        Alembic writes each % twice, as the driver wants it, and leaves a colon to be taken for the
        beginning of a bound value.
        """
        dialect = self.dialect
        self.dialect = undoubled(dialect)
        try:
            sql = super().render_ddl_sql_expr(expr, is_server_default, is_index, **options)
        finally:
            self.dialect = dialect
        return sql if is_index else sql.replace(":", r"\:")


_undoubled: WeakKeyDictionary[Dialect, Dialect] = WeakKeyDictionary()


def undoubled(dialect: Dialect) -> Dialect:
    """Return a dialect that writes SQL as the server reads it: for the driver, each % is written twice."""
    if dialect not in _undoubled:
        make: Any = type(dialect)
        plain: Dialect = make(paramstyle="named")
        plain.server_version_info = dialect.server_version_info
        plain.default_schema_name = dialect.default_schema_name
        _undoubled[dialect] = plain
    return _undoubled[dialect]


def final_name(item: Constraint | Index, dialect: Dialect) -> str | None:
    """Return the name that a constraint or index gets in the database."""
    return _get_constraint_final_name(item, dialect)


def made(item: Constraint | Index, dialect: Dialect) -> bool:
    """Return whether a constraint of a model is one here: the CHECK of a Boolean is not, for one."""
    rule = getattr(item, "_create_rule", None)
    return rule is None or bool(rule(dialect.ddl_compiler(dialect, None)))  # type: ignore[arg-type]


def is_of_type(item: Constraint) -> bool:
    """Return whether a constraint comes of the type of a column, as that of an Enum does."""
    return bool(_is_type_bound(item))


def untyped(check: CheckConstraint, dialect: Dialect) -> CheckConstraint:
    """Return the CHECK of a type as one of its own, in no table."""
    name = conv(str(final_name(check, dialect)))
    return CheckConstraint(check.sqltext, name=name, _autoattach=False)


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

"""Every private name of Alembic that the project uses. A test checks that Alembic still has them.

`pyproject.toml` keeps Alembic below the next minor version, because that may change them.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from threading import Lock, get_ident
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionMap
from alembic.util import CommandError
from alembic.util.sqla_compat import _get_constraint_final_name, _is_type_bound
from sqlalchemy import CheckConstraint, Constraint, Dialect, Index, MetaData, Sequence, Table, text
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateView, ExecutableDDLElement
from sqlalchemy.sql.elements import TextClause, conv
from sqlalchemy.types import NullType, TypeEngine, UserDefinedType

COLUMN = text("""
    SELECT pg_get_expr(adbin, adrelid), format_type(atttypid, atttypmod)
    FROM pg_attribute LEFT JOIN pg_attrdef ON attrelid = adrelid AND attnum = adnum
    JOIN pg_class AS c ON c.oid = attrelid JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE nspname = coalesce(:schema, current_schema()) AND relname = :table AND attname = :column
""")


class SQLType(UserDefinedType[Any]):
    """A type that SQLAlchemy does not know, by its name in SQL."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name


class StatementHooks(PostgresqlImpl):
    """Alembic's PostgreSQL implementation, with hooks around each statement of a revision."""

    __dialect__ = "postgresql"  # replaces Alembic's own
    step: RevisionStep | None = None  # the present step, if `replace_plan` was called

    @contextmanager
    def around(self, statement: str) -> Iterator[None]:  # noqa: ARG002
        """Do something before and after a statement, online and in `--sql`."""
        yield

    def plain(self, statement: str) -> None:
        """Execute a statement without the hooks."""
        super()._exec(statement)

    def _exec(self, construct: Any, *args: Any, **parameters: Any) -> Any:
        statement = construct if isinstance(construct, str) else str(construct.compile(dialect=self.dialect))
        with self.around(statement):
            if self.as_sql and not parameters:
                return self.write(construct)
            return super()._exec(construct, *args, **parameters)

    def write(self, construct: Any) -> None:
        """Write a statement to the script of `--sql`.

        Alembic itself writes four blanks for a tab, even in a literal or in the body of a function.
        """
        construct = text(construct) if isinstance(construct, str) else construct
        binds = {"literal_binds": self.literal_binds and not isinstance(construct, ExecutableDDLElement)}
        compiled = construct.compile(dialect=self.dialect, compile_kwargs=binds)
        self.static_output(str(compiled).strip() + self.command_terminator)

    def autogen_column_reflect(self, inspector: Any, table: Any, column_info: Any) -> None:
        """Correct a reflected column, so that it is as the server knows it.

        SQLAlchemy looks for a sequence without a schema in the table's schema, but the search_path may
        find it in another one. It takes a colon for the beginning of a bound value. And it does not
        know some types.
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
        """Return an expression as code of a revision, so that the revision executes the same expression.

        Alembic itself writes each % twice, as for the driver. It does not escape a colon, which would be
        taken for the beginning of a bound value.
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
    """Return a dialect that writes SQL for the server. For the driver, each % would be written twice."""
    if dialect not in _undoubled:
        make: Any = type(dialect)
        plain: Dialect = make(paramstyle="named")
        plain.server_version_info = dialect.server_version_info
        plain.default_schema_name = dialect.default_schema_name
        _undoubled[dialect] = plain
    return _undoubled[dialect]


def sequences_of(metadata: MetaData) -> list[Sequence]:
    """Return the sequences of models that no column has."""
    return [each for each in metadata._sequences.values() if each.column is None]


def views(tables: Iterable[Table]) -> Iterator[CreateView]:
    """Yield what creates the views among the tables of models, but for temporary ones."""
    for table in tables:
        if isinstance(table._creator_ddl, CreateView) and not table._creator_ddl.temporary:
            yield table._creator_ddl


def final_name(item: Constraint | Index, dialect: Dialect) -> str | None:
    """Return the name that a constraint or index gets in the database."""
    return _get_constraint_final_name(item, dialect)


def made(item: Constraint | Index, dialect: Dialect) -> bool:
    """Return whether a constraint or index of a model is one here.

    The CHECK of a Boolean is not, nor one that its `ddl_if` gives to another database.
    """
    compiler = dialect.ddl_compiler(dialect, None)  # type: ignore[arg-type]
    rule, condition = getattr(item, "_create_rule", None), item._ddl_if
    if condition is not None:
        ddl = CreateIndex(item) if isinstance(item, Index) else AddConstraint(item, isolate_from_table=False)
        if not condition._should_execute(ddl, item, None, compiler=compiler):
            return False
    return rule is None or bool(rule(compiler))


def is_of_type(item: Constraint) -> bool:
    """Return whether a constraint comes of the type of a column, as that of an Enum does."""
    return bool(_is_type_bound(item))


def condition(check: CheckConstraint, dialect: Dialect) -> TextClause:
    """Return the condition of a CHECK as text.

    Of an expression with columns Alembic makes a constraint that joins their table in the models.
    """
    options = {"include_table": False, "literal_binds": True}
    sql = str(check.sqltext.compile(dialect=undoubled(dialect), compile_kwargs=options))
    return text(sql.replace(":", r"\:"))


def untyped(check: CheckConstraint, dialect: Dialect) -> CheckConstraint:
    """Return the CHECK of a type as one of its own, in no table."""
    return CheckConstraint(condition(check, dialect), name=conv(str(final_name(check, dialect))))


def planned(migration: MigrationContext) -> list[RevisionStep]:
    """Return the steps that a command would take from the database's present revision.

    Only upgrade, downgrade and stamp have a destination; for other commands it is empty.
    """
    if "destination_rev" not in migration.opts:
        return []
    assert migration._migrations_fn is not None
    heads = () if migration.purge else migration.get_current_heads()  # as in run_migrations
    return list(migration._migrations_fn(heads, migration))


def in_callers_transaction(migration: MigrationContext) -> bool:
    """Whether the connection was already in a transaction: then Alembic does not end it."""
    return migration._in_external_transaction


def plan(migration: MigrationContext) -> Any:
    """Return the function that gives `run_migrations` its steps, from heads and context."""
    return migration._migrations_fn


def replace_plan(migration: MigrationContext, steps: Any = None) -> None:
    """Make `run_migrations` take these steps, and tell its impl the present one.

    Args:
        migration: the context that takes them.
        steps: a function of heads and context; by default Alembic's own.
    """
    given = steps or plan(migration)

    def told(heads: Any, context: MigrationContext) -> Iterator[RevisionStep]:
        for step in given(heads, context):
            if isinstance(migration.impl, StatementHooks):
                migration.impl.step = step
            yield step

    migration._migrations_fn = told


def revision_files(scripts: ScriptDirectory) -> list[Path]:
    """Return the files in the folders of a chain, in the order in which Alembic reads them.

    Raises:
        CommandError: a folder does not exist, or may not be listed. Alembic would take it for an empty one.
    """

    def refuse(error: OSError) -> NoReturn:
        raise CommandError(f"{error.filename} cannot be read: {error.strerror}") from error

    for folder in scripts._version_locations:
        if not folder.is_dir():
            raise CommandError(f"{folder} does not exist: make it, or correct version_locations")
        for _ in os.walk(folder, onerror=refuse):
            if not scripts.recursive_version_locations:
                break
    files = (path for folder in scripts._version_locations for path in Script._list_py_dir(scripts, folder))
    return list(dict.fromkeys(Path(os.path.realpath(path)) for path in files))  # of a loop of links too


def read_file(scripts: ScriptDirectory, path: Path) -> Script | None:
    """Run the file of a revision; return None if its name is not that of a revision."""
    return Script._from_path(scripts, path)


def replace_revisions(scripts: ScriptDirectory, revisions: Iterable[Script]) -> None:
    """Make these the revisions of a chain, so that Alembic does not run their files once more."""
    scripts.revision_map = RevisionMap(lambda: iter(revisions))


def upgrade_steps(scripts: ScriptDirectory, target: str, heads: Iterable[str]) -> list[RevisionStep]:
    """Return the steps from the heads up to a revision.

    Raises:
        CommandError: there is no such revision, or it is not above the heads.
    """
    return scripts._upgrade_revs(target, tuple(heads))  # type: ignore[arg-type]


def downgrade_steps(scripts: ScriptDirectory, target: str, heads: Iterable[str]) -> list[RevisionStep]:
    """Return the steps from the heads down to a revision.

    Raises:
        CommandError: there is no such revision, or it is not below the heads.
    """
    return scripts._downgrade_revs(target, tuple(heads))  # type: ignore[arg-type]


def revision_path(scripts: ScriptDirectory, folder: Path, id_: str, message: str, created: datetime) -> Path:
    """Return the path that `alembic revision` would give to a revision, by `file_template`."""
    return Path(scripts._rev_path(str(folder), id_, message, created))


def new_path(scripts: ScriptDirectory, folder: Path, id_: str, message: str) -> Path:
    """Return the path that `alembic revision` would give to a revision now."""
    return revision_path(scripts, folder, id_, message, scripts._generate_create_date())


def render_type(type_: TypeEngine[Any], context: AutogenContext) -> str:
    """Return a type as code of a revision."""
    return _repr_type(type_, context)


# `context` and `op` are variables of the whole program: of two runs at once, one would send its statements
# to the other's database. So a run waits for those of other threads.
_turn = Lock()
_runs: dict[EnvironmentContext, int] = {}  # and the thread; a run may have others inside
_inside = ContextVar("inside", default=False)
_install, _remove = EnvironmentContext._install_proxy, EnvironmentContext._remove_proxy


def _begin(environment: EnvironmentContext) -> None:
    """Wait for the runs of other threads, and begin one.

    Raises:
        CommandError: another task of this thread's event loop has not ended its run.
    """
    if not _inside.get():
        if get_ident() in _runs.values():
            raise CommandError("another task of this event loop runs Alembic: await that first")
        _turn.acquire()
    _runs[environment] = get_ident()
    _inside.set(True)
    _install(environment)


def _end(environment: EnvironmentContext) -> None:
    """End a run.

    Raises:
        CommandError: it began before this module was there, beside one of another thread.
    """
    _inside.set(len(_runs) > 1)
    if environment not in _runs:
        raise CommandError("several threads run Alembic at once: import migrate.run.migrations before that")
    del _runs[environment]
    try:
        _remove(environment)
    finally:
        if not _runs:
            _turn.release()


_environments: Any = EnvironmentContext
_environments._install_proxy, _environments._remove_proxy = _begin, _end
if running := getattr(context, "_proxy", None):  # its env.py imports this
    _begin(running)

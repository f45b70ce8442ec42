"""How a revision writes types: as existing types, and without the application's classes.

A revision imports nothing of the application, because that changes later.
"""

from copy import copy
from typing import Any, Literal

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from alembic.operations import ops
from sqlalchemy import ARRAY, Interval, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.dialects.postgresql import DOMAIN, ENUM
from sqlalchemy.schema import DefaultClause
from sqlalchemy.sql.elements import conv
from sqlalchemy.types import TypeDecorator

from migrate.alembic_internals import render_type
from migrate.autogenerate.definitions import included
from migrate.autogenerate.enums import native

# A type that SQLAlchemy does not know. Alembic sorts the lines, so the imports come first.
BY_NAME = '''from sqlalchemy.types import UserDefinedType


class SQLType(UserDefinedType[object]):
    """A type by what SQL calls it."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: object) -> str:
        return self.name
'''


def render_item(kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
    """Write an item of which Alembic would lose a part: the hook `context.configure(render_item=…)`.

    An enum or a domain exists already: revisions create and drop it in statements of their own.
    Without that, `create_table` creates it, even if it exists; `add_column` does not create it, even
    if it is missing; and nothing ever drops it.

    Returns:
        The code, or False for an item that Alembic writes well.
    """
    if kind == "server_default" and isinstance(item, DefaultClause) and isinstance(item.arg, str):
        return repr(item.arg)  # Alembic would remove quotes that are a part of it
    if kind in ("primary_key", "unique"):
        return key(item)
    if kind != "type" or isinstance(item, ARRAY):
        return False
    if getattr(item, "create_constraint", False):  # its CHECK stands in the revision by itself
        plain = copy(item)
        plain.create_constraint = False
        return render_type(plain, context)
    assert context.dialect is not None
    type_ = native(item, context.dialect)
    if isinstance(type_, DOMAIN):
        context.imports.add("from sqlalchemy.dialects import postgresql")
        there = type_.adapt(DOMAIN, create_type=False)  # type: ignore[no-untyped-call]
        return context.migration_context.impl.render_type(there, context)
    if isinstance(type_, ENUM):
        context.imports.add("from sqlalchemy.dialects import postgresql")
        arguments = [*map(repr, type_.enums), f"name={str(type_.name)!r}", "create_type=False"]
        if type_.schema:
            arguments.append(f"schema={str(type_.schema)!r}")
        return f"postgresql.ENUM({', '.join(arguments)})"
    own = not type(item).__module__.startswith("sqlalchemy.")
    if isinstance(item, Interval) or (own and isinstance(item, TypeDecorator)):
        # SQLAlchemy's Interval does not show its precision.
        impl = type_ if isinstance(item, Interval) else item.load_dialect_impl(context.dialect)
        # The class may be the driver's: take the public one that it is derived from.
        public = next(each for each in type(impl).__mro__ if not each.__name__.startswith("_"))
        return render_type(impl if type(impl) is public else impl.adapt(public), context)
    if own:
        context.imports.add(BY_NAME)
        return f"SQLType({item.compile(context.dialect)!r})"
    return False


def key(item: PrimaryKeyConstraint | UniqueConstraint) -> str | Literal[False]:
    """Write a key that has parts that Alembic leaves out, or names by another key; False for any other."""
    options = {name: getattr(item, name) for name in ("deferrable", "initially")} | dict(item.dialect_kwargs)
    options["postgresql_include"] = included(item)
    given = {name: value for name, value in options.items() if value}
    plain = isinstance(item, UniqueConstraint) and "postgresql_include" not in given
    if not given or not item.name or plain:
        return False
    name = f"op.f({str(item.name)!r})" if isinstance(item.name, conv) else repr(str(item.name))
    arguments = [*(repr(str(column.name)) for column in item.columns), f"name={name}"]
    arguments += [f"{name}={value!r}" for name, value in given.items()]
    return f"sa.{type(item).__name__}({', '.join(arguments)})"


# Alembic itself writes the names of these two between quotes as they are, even one that has a quote.


@renderers.dispatch_for(ops.CreateTableCommentOp, replace=True)
def _create_table_comment(_context: AutogenContext, op: ops.CreateTableCommentOp) -> str:
    more = f"existing_comment={op.existing_comment!r}, schema={op.schema!r}"
    return f"op.create_table_comment({op.table_name!r}, {op.comment!r}, {more})"


@renderers.dispatch_for(ops.DropTableCommentOp, replace=True)
def _drop_table_comment(_context: AutogenContext, op: ops.DropTableCommentOp) -> str:
    more = f"existing_comment={op.existing_comment!r}, schema={op.schema!r}"
    return f"op.drop_table_comment({op.table_name!r}, {more})"

"""Check the models themselves: each fault is one line that names the file and the object."""

import importlib
import inspect
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from alembic.util import CommandError
from sqlalchemy import (
    CheckConstraint,
    Column,
    Constraint,
    Dialect,
    Index,
    PrimaryKeyConstraint,
    Table,
    TextClause,
)
from sqlalchemy.exc import (
    CompileError,
    IdentifierError,
    InvalidRequestError,
    NoReferencedColumnError,
    NoReferencedTableError,
    UnsupportedCompilationError,
)
from sqlalchemy.sql.visitors import iterate

from database import ROOT, Base
from migrate.alembic_internals import final_name, made

MODELS = "models"
LONGEST = 63  # bytes of a name; PostgreSQL cuts off the rest, with only a notice


def load() -> None:
    """Import the models.

    Raises:
        CommandError: they cannot be imported.
    """
    try:
        package = importlib.import_module(MODELS)
    except (Exception, SystemExit) as error:
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename).is_relative_to(ROOT) and ".venv" not in frame.filename
        ]
        path, line = (frames[-1].filename, frames[-1].lineno) if frames else ("models", 0)
        if isinstance(error, SyntaxError) and error.filename:
            path, line = error.filename, error.lineno
        elif isinstance(error, SyntaxError | ValueError) and (unread := unreadable()):
            path, line = unread, 1
        place = Path(path).relative_to(ROOT) if Path(path).is_relative_to(ROOT) else path
        said = next(iter(str(error).strip().splitlines()), "")
        raise CommandError(
            f"the models cannot be imported: {place}, line {line}: {type(error).__name__}: {said}"
        ) from error
    if not package.__file__:  # Python takes such a folder for a package too, with nothing in it
        raise CommandError(
            f"{MODELS}/__init__.py is not there, or may not be read: without it there is no model"
        )


def unreadable() -> str | None:
    """Return the file of the models that Python cannot read, as one in UTF-16: the error does not name it."""
    for path in sorted(Path(ROOT, *MODELS.split(".")).parent.rglob("*.py")):
        try:
            compile(path.read_bytes(), path, "exec")
        except (SyntaxError, ValueError):
            return str(path)
    return None


def check(tables: Iterable[Table], dialect: Dialect) -> None:
    """Check the models' tables.

    Raises:
        CommandError: no migration can be written for a table; the message says why.
    """
    for table in tables:
        for fault in faults(table, dialect):
            raise CommandError(f"{where(table)}{fault}")


def faults(table: Table, dialect: Dialect) -> Iterator[str]:
    """Yield the faults of a table."""
    yield from cut(table.name)
    if "." in (table.schema or ""):
        yield f"the schema {table.schema} has a dot in its name, and Alembic takes it for two: choose another"
    for column in table.columns:
        yield from cut(column.name)
    for key in sorted(table.foreign_keys, key=str):
        try:
            _ = key.column
        except (NoReferencedTableError, NoReferencedColumnError):
            yield (
                f"the foreign key of {table.fullname}.{key.parent.name} refers to "
                f"{key.target_fullname}, which no model has: correct it, or import its model in "
                "models/__init__.py"
            )
    for column in table.columns:
        yield from untyped(column, dialect)
    items: list[Constraint | Index] = [*table.constraints, *table.indexes]
    for item in (each for each in items if made(each, dialect)):
        yield from unincluded(item, table)
        yield from unstored(item, table, dialect)
        if not isinstance(item, PrimaryKeyConstraint) or item.comment:
            yield from unnamed(item, table, dialect)
    for expression, place in expressions(table):
        for element in iterate(expression):
            if isinstance(element, TextClause) and (bound := sorted(element.compile().params)):
                yield (
                    f"{place} of {table.fullname} has :{bound[0]} in its text, which SQLAlchemy takes for a "
                    rf"bound value: write \:{bound[0]}"
                )


def cut(name: str) -> Iterator[str]:
    """Yield a fault if PostgreSQL would cut off a part of a name, or write it in lower case."""
    if getattr(name, "quote", None) is False and name != name.lower():
        yield f"the name {name} has quote=False, and PostgreSQL makes it {name.lower()}: write it so"
    if len(name.encode()) > LONGEST:
        yield f"the name {name} has more than {LONGEST} bytes, and PostgreSQL would cut it: choose a shorter"


def untyped(column: Column[Any], dialect: Dialect) -> Iterator[str]:
    """Yield a fault if a column has no type, or none of PostgreSQL."""
    place = f"{column.table.fullname}.{column.name}"
    try:
        column.type.compile(dialect)
    except UnsupportedCompilationError:
        name = type(column.type).__name__
        yield f"{place} has the type {name}, which PostgreSQL does not have: choose another"
    except CompileError as error:
        yield f"{place}: {str(error).splitlines()[0]}"


def unstored(item: Constraint | Index, table: Table, dialect: Dialect) -> Iterator[str]:
    """Yield a fault if an index or a key is on a column that is computed when it is read."""
    known = getattr(dialect, "supports_virtual_generated_columns", False)  # PostgreSQL 18
    for column in [] if isinstance(item, CheckConstraint) else getattr(item, "columns", ()):
        computed = getattr(column, "computed", None)  # a column() has none
        if known and computed is not None and not computed.persisted:
            what = "index" if isinstance(item, Index) else "constraint"
            yield (
                f"the {what} {item.name} of {table.fullname} is on {column.name}, which is computed when it "
                "is read, and PostgreSQL indexes only what is stored: give its Computed persisted=True"
            )


def unincluded(item: Constraint | Index, table: Table) -> Iterator[str]:
    """Yield a fault for each name in the INCLUDE of an index or a key that is no column's."""
    what = "index" if isinstance(item, Index) else "constraint"
    for each in item.dialect_options["postgresql"].get("include") or ():
        if isinstance(each, str) and each not in table.columns:
            yield f"the {what} {item.name} of {table.fullname} includes {each}, which is no column of it"


def unnamed(item: Constraint | Index, table: Table, dialect: Dialect) -> Iterator[str]:
    """Yield a fault if a constraint or index has no name, or a name that is too long."""
    try:
        name = final_name(item, dialect)
    except IdentifierError as error:
        yield f"{str(error).splitlines()[0]}: choose a shorter name"
        return
    except InvalidRequestError:  # the naming convention cannot make a name
        name = None
    else:
        yield from cut(name or "")
    if name is None:
        yield f"{what(item, table)} has no name, by which a revision could drop it: give it one"


def what(item: Constraint | Index, table: Table) -> str:
    """Return what to call a constraint or index that has no name of its own."""
    columns = ", ".join(column.name for column in getattr(item, "columns", ())) or "an expression"
    return f"a {type(item).__name__} of {table.fullname} on {columns}"


def expressions(table: Table) -> Iterator[tuple[Any, str]]:
    """Yield the expressions of a table, each with the name of its place."""
    for column in table.columns:
        argument = getattr(column.server_default, "arg", None)
        if argument is None:
            argument = getattr(column.computed, "sqltext", None)
        if argument is not None and not isinstance(argument, str):
            yield argument, f"the default of the column {column.name}"
    for item in table.constraints:
        if (condition := getattr(item, "sqltext", None)) is not None:
            yield condition, f"the constraint {item.name}"
    for index in table.indexes:
        where = index.dialect_options["postgresql"]["where"]
        for each in (*index.expressions, where):
            if each is not None and not isinstance(each, str):
                yield each, f"the index {index.name}"


def where(table: Table) -> str:
    """Return the file of a table's model, as the beginning of a line; empty if it is not known."""
    for mapper in Base.registry.mappers:
        if mapper.local_table is table and mapper.class_.__module__ in sys.modules:
            path = Path(inspect.getsourcefile(mapper.class_) or "")
            return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name}: "
    return ""

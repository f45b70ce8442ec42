"""Ask the server, on an empty table that is dropped at once.

Only the server knows how it prints an expression, and whether it rewrites a table.
"""

from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager

from alembic.util import CommandError
from sqlalchemy import (
    Column,
    Connection,
    Constraint,
    Dialect,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    TextClause,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import AddConstraint, CreateIndex, DefaultClause, ExecutableDDLElement

from migrate.alembic_internals import final_name, made, undoubled
from migrate.autogenerate.catalogue import Definition, Key, State, state

SCHEMA = "pg_temp"

FORBIDDEN = ("25006", "42501")  # a read-only server, a role without the right
UNKNOWN = ("42704", "42883")  # undefined object, undefined function
UNFIT = ("22001", "22003")  # too long, out of range

# If pg_temp is named, and last, a temporary table hides no other, and no type with the name of its row type.
ALSO_FOUND = text("""
    SELECT set_config('search_path',
        concat_ws(', ', nullif(current_setting('search_path'), ''), quote_ident(:schema)), true)
""")

# Those that most often are what is lacking come first: each is tried.
AVAILABLE = text("""
    SELECT name FROM pg_available_extensions WHERE installed_version IS NULL
    ORDER BY array_position('{btree_gist,pg_trgm,btree_gin,pgcrypto,unaccent}'::text[], name::text), name
""")


def quoted(connection: Connection, schema: str | None, name: str) -> str:
    """Return the name of a table or type as SQL."""
    quote = connection.dialect.identifier_preparer.quote
    return unescaped(f"{quote(schema)}.{quote(name)}" if schema else quote(name))


def plain(sql: str) -> TextClause:
    """Return SQL in which a colon is a colon, not the beginning of a bound value."""
    return text(sql.replace(":", r"\:"))


def literal(value: str) -> str:
    """Return a string as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def unescaped(sql: str) -> str:
    """Return SQL for the server: in SQL that is made for the driver, each % is written twice."""
    return sql.replace("%%", "%")


def sql(connection: Connection, statement: ExecutableDDLElement) -> str:
    """Return a statement of SQLAlchemy as SQL for the server."""
    return str(statement.compile(dialect=undoubled(connection.dialect))).strip()


def run(connection: Connection, statement: str) -> bool:
    """Run a statement, and return whether the server accepted it. A refused one has changed nothing."""
    return refusal(connection, statement) is None


def answer(connection: Connection, query: str) -> object:
    """Return the one value of a query; None if the server refuses it."""
    try:
        with connection.begin_nested():
            return connection.scalar(plain(query))
    except DBAPIError:
        return None


def refusal(connection: Connection, statement: str) -> DBAPIError | None:
    """Run a statement, and return why the server refused it, or None. A refused one has changed nothing."""
    savepoint = connection.begin_nested()
    try:
        connection.execute(plain(statement))
    except DBAPIError as error:
        savepoint.rollback()
        return error
    savepoint.commit()
    return None


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """Roll back at the end all changes that were made meanwhile. Until then temporary tables hide nothing."""
    savepoint = connection.begin_nested()
    try:
        connection.execute(ALSO_FOUND, {"schema": SCHEMA})
        yield
    finally:
        savepoint.rollback()


@contextmanager
def copied(
    connection: Connection, schema: str | None, table: str, *, without: Container[str] = ()
) -> Iterator[str]:
    """Make a temporary copy of a table, with the same name and without rows, and drop it at the end.

    It has the columns with their defaults, the constraints except foreign keys, and the indexes.

    Args:
        connection: the database.
        schema: the schema of the table.
        table: its name.
        without: the constraints and indexes that the copy does not get.

    Yields:
        The name of the copy, as SQL.

    Raises:
        CommandError: the role may not create temporary tables.
    """
    copy, original = quoted(connection, SCHEMA, table), quoted(connection, schema, table)
    like = "INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING IDENTITY"
    with undone(connection):
        definitions = state(connection, original).definitions
        create(connection, f"CREATE TEMPORARY TABLE {copy} (LIKE {original} {like})")
        for key, definition in definitions.items():
            name = quoted(connection, None, key.name)
            if key.name in without:
                continue
            if key.kind == "index":
                unique = "UNIQUE " * definition.unique
                run(connection, f"CREATE {unique}INDEX {name} ON {copy} {definition.sql}")
            else:
                run(connection, f"ALTER TABLE {copy} ADD CONSTRAINT {name} {definition.sql}")
        yield copy


def again(connection: Connection, table: str) -> dict[Key, Definition]:
    """Return the definitions of a temporary table after the server has read its own output.

    It may then print another form. A database that was restored from a dump has that form.
    """
    with undone(connection):
        for key, definition in state(connection, table).definitions.items():
            name = quoted(connection, None, key.name)
            if key.kind == "check":
                run(connection, f"ALTER TABLE {table} DROP CONSTRAINT {name}")
                run(connection, f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition.sql}")
            elif key.kind == "index":
                run(connection, f"DROP INDEX {SCHEMA}.{name}")
                unique = "UNIQUE " * definition.unique
                run(connection, f"CREATE {unique}INDEX {name} ON {table} {definition.sql}")
        return state(connection, table).definitions


def create(connection: Connection, statement: str) -> None:
    """Create a temporary table.

    Raises:
        CommandError: the role may not create one.
    """
    try:
        connection.execute(plain(statement))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in FORBIDDEN:
            raise CommandError(
                "to compare, the server makes temporary copies of the tables, without their rows, and "
                "this role or server does not allow it: GRANT TEMPORARY ON DATABASE, or compare with a "
                "database of your own"
            ) from error
        raise


def modelled(
    connection: Connection, model: Table, needed: Iterable[str] = ()
) -> tuple[State, dict[Key, Definition]]:
    """Return a model's table as the server describes it.

    Its definitions are returned twice, the second time as `again` gives them. A definition that the
    server refuses, because it has a label that the enum does not have yet, is left out.

    Args:
        connection: the database.
        model: the table of the models.
        needed: statements that first create what the table needs: schemas, types, sequences.

    Raises:
        CommandError: the role may not create temporary tables.
    """
    table = _temporary(model, connection.dialect)
    name = quoted(connection, SCHEMA, model.name)
    with undone(connection):
        for statement in needed:
            run(connection, statement)
        for column in filled(connection, name, table):
            run(connection, add(name, [_bare(connection, column)]))
        for _, statement in _defined(connection, table):
            run(connection, statement)
        return state(connection, name), again(connection, name)


def refused(connection: Connection, model: Table) -> dict[str, DBAPIError]:
    """Return what the server refuses of a model's table, each with why: columns, constraints, indexes.

    Args:
        connection: the database, with what the table needs.
        model: the table of the models.

    Raises:
        CommandError: the role may not create temporary tables.
    """
    table, name = _temporary(model, connection.dialect), quoted(connection, SCHEMA, model.name)
    with undone(connection):
        found = {f"the column {each.name}": why for each, why in filled(connection, name, table).items()}
        found |= {f"the default of {column.name}": why for column, why in unfit(connection, name, table)}
        if found:
            return found
        for item, statement in _defined(connection, table):
            if why := refusal(connection, statement):
                found[f"the {type(item).__name__} {final_name(item, connection.dialect)}"] = why
        return found


def filled(connection: Connection, name: str, table: Table) -> dict[Column[object], DBAPIError]:
    """Create a temporary table with the columns that the server accepts; return why it refuses the others.

    Raises:
        CommandError: the role may not create temporary tables.
    """
    left = {column: specification(connection, column) for column in table.columns}
    accepted: list[str] = []

    def refusing(*columns: str) -> DBAPIError | None:
        return refusal(connection, f"CREATE TEMPORARY TABLE {name} ({', '.join(columns)})")

    if refusing(*left.values()) is None:
        return {}
    why: dict[Column[object], DBAPIError] = {}
    number = -1
    while number < len(accepted):  # a generated column needs others
        number = len(accepted)
        for column, specified in list(left.items()):
            with undone(connection):
                error = refusing(*accepted, specified)
            if error is None:
                accepted.append(left.pop(column))
            else:
                why[column] = error
    create(connection, f"CREATE TEMPORARY TABLE {name} ({', '.join(accepted)})")
    return {column: why[column] for column in left}


def unfit(connection: Connection, name: str, table: Table) -> Iterator[tuple[Column[object], DBAPIError]]:
    """Yield the columns whose default does not fit their type, each with why.

    CREATE TABLE and SET DEFAULT accept it; ADD COLUMN does not.
    """
    with undone(connection):
        run(connection, f"DROP TABLE {name}")
        create(connection, f"CREATE TEMPORARY TABLE {name} ()")
        for column in table.columns:
            if isinstance(column.server_default, DefaultClause):
                why = refusal(connection, add(name, [specification(connection, column)]))
                if why and getattr(why.orig, "sqlstate", None) in UNFIT:
                    yield column, why


def lacking(connection: Connection, model: Table, needed: Iterable[str], hopeless: set[str]) -> list[str]:
    """Return which extensions a model's table needs: they have what the server does not know without.

    That may be a type, a function, or an operator class, also one that no model names: an exclusion
    constraint on an integer needs btree_gist.

    Args:
        connection: the database; it may lack the right to make extensions, and then none is found.
        model: the table of the models.
        needed: statements that create what is known to be needed.
        hopeless: complaints of the server that no extension ends; more are added.

    Raises:
        CommandError: the role may make no temporary tables.
    """
    table, name = _temporary(model, connection.dialect), quoted(connection, SCHEMA, model.name)
    found: list[str] = []
    with undone(connection):
        create(connection, f"CREATE TEMPORARY TABLE {name} ()")
        columns = [add(name, [specification(connection, column)]) for column in table.columns]
        defined = (statement for _, statement in _defined(connection, table))
        for statement in [*needed, *columns, *defined]:
            while complaint := _unknown(refusal(connection, statement)):
                extension = None if complaint in hopeless else _remedy(connection, statement, complaint)
                if not extension:
                    hopeless.add(complaint)
                    break
                found.append(extension)
    return found


def _unknown(error: DBAPIError | None) -> str:
    """Return what the server says if it does not know an object or a function, or nothing."""
    unknown = error is not None and getattr(error.orig, "sqlstate", None) in UNKNOWN
    return str(error.orig) if error is not None and unknown else ""


def _remedy(connection: Connection, statement: str, complaint: str) -> str | None:
    """Create the extension with which the server complains no more, or of something else."""
    for extension in connection.scalars(AVAILABLE).all():
        savepoint = connection.begin_nested()
        if run(connection, f"CREATE EXTENSION {quoted(connection, None, extension)}"):
            with undone(connection):
                again = _unknown(refusal(connection, statement))
            if again != complaint:
                savepoint.commit()
                return str(extension)
        savepoint.rollback()
    return None


def _temporary(model: Table, dialect: Dialect) -> Table:
    """Return a model's table as a temporary one."""
    naming = MetaData(naming_convention=model.metadata.naming_convention)
    known = model.constraints, model.indexes
    model.constraints = {item for item in model.constraints if made(item, dialect)}
    model.indexes = {item for item in model.indexes if made(item, dialect)}
    try:
        table = model.to_metadata(naming)  # a copy forgets the `ddl_if` of its parts
    finally:
        model.constraints, model.indexes = known
    table.schema = SCHEMA  # now, because a convention may make names of the schema
    for column in table.columns:
        original = model.columns[column.key]
        column.type = original.type  # which must not be copied into the schema of the table
        if original is not model.autoincrement_column:  # a foreign key of another database counts too
            column.autoincrement = False
    for index in table.indexes:
        index.dialect_options["postgresql"]["concurrently"] = False
    return table


def _defined(connection: Connection, table: Table) -> Iterator[tuple[Constraint | Index, str]]:
    """Yield the constraints of a table, but for foreign keys, and its indexes, each with its statement."""
    key = table.primary_key
    others = [
        item
        for item in table.constraints
        if not isinstance(item, ForeignKeyConstraint | PrimaryKeyConstraint)
        and made(item, connection.dialect)
    ]
    for item in [*([key] if key.columns else []), *others]:
        yield item, sql(connection, AddConstraint(item, isolate_from_table=False))
    for index in table.indexes:
        yield index, sql(connection, CreateIndex(index))


def add(table: str, columns: list[str]) -> str:
    return f"ALTER TABLE {table} {', '.join(f'ADD COLUMN {column}' for column in columns)}"


def specification(connection: Connection, column: Column[object]) -> str:
    """Return a column of a model as in CREATE TABLE."""
    dialect = undoubled(connection.dialect)
    compiler = dialect.ddl_compiler(dialect, None)  # type: ignore[arg-type]
    return compiler.get_column_specification(column)


def _bare(connection: Connection, column: Column[object]) -> str:
    return f"{quoted(connection, None, column.name)} {type_of(connection, column)}"


def type_of(connection: Connection, column: Column[object]) -> str:
    """Return the type of a column of a model as SQL."""
    return column.type.compile(undoubled(connection.dialect))


def rewrites(connection: Connection, copy: str, statement: str) -> bool | None:
    """Return whether a statement would rewrite the table; None if it fails."""
    filenode = text("SELECT pg_relation_filenode(CAST(:copy AS regclass))")
    before = connection.scalar(filenode, {"copy": copy})
    if not run(connection, statement):
        return None
    return bool(connection.scalar(filenode, {"copy": copy}) != before)


def linked(connection: Connection, child: str, parent: str) -> bool:
    """Return whether a column of one type may refer to a column of another."""
    return unlinked(connection, child, parent) is None


def unlinked(connection: Connection, child: str, parent: str) -> DBAPIError | None:
    """Return why a column of one type may not refer to a column of another, or None."""
    names = [quoted(connection, SCHEMA, name) for name in ("child", "parent")]
    with undone(connection):
        return refusal(connection, f"CREATE TEMPORARY TABLE {names[1]} (n {parent} UNIQUE)") or refusal(
            connection, f"CREATE TEMPORARY TABLE {names[0]} (n {child} REFERENCES {names[1]} (n))"
        )

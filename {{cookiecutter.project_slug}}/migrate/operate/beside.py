"""A new database beside the one in use: how to make it the same, and which role may make it."""

import shlex
import shutil
from contextlib import suppress
from itertools import chain
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from migrate.operate.operation import Operation, paragraph, quiet, shown
from migrate.run.connection import connect
from postgres import client

# The properties of the database itself, which a backup does not have.
LIKE_THE_ORIGINAL = text("""
    SELECT concat_ws(' ', 'ENCODING', quote_literal(pg_encoding_to_char(d.encoding)),
        'LC_COLLATE', quote_literal(d.datcollate), 'LC_CTYPE', quote_literal(d.datctype),
        CASE d.datlocprovider WHEN 'i' THEN 'LOCALE_PROVIDER icu ICU_LOCALE' || quote_literal(l.name)
            WHEN 'b' THEN 'LOCALE_PROVIDER builtin BUILTIN_LOCALE' || quote_literal(l.name) END,
        'ICU_RULES' || quote_literal(to_jsonb(d) ->> 'daticurules'))
    FROM pg_database AS d,
        LATERAL (SELECT coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')) AS l (name)
    WHERE datname = current_database()
""")
# In a list, each name is quoted already. A value may be a secret, so it must not be logged.
SETTINGS = """
    SELECT name, format('ALTER %s SET %I TO %s',
        CASE setrole WHEN 0 THEN format('DATABASE %I', CAST(:new AS text))
            ELSE format('ROLE %I IN DATABASE %I', pg_get_userbyid(setrole), CAST(:new AS text)) END,
        name, CASE WHEN name IN ('search_path', 'temp_tablespaces', 'local_preload_libraries',
            'session_preload_libraries') THEN value ELSE quote_literal(value) END) AS statement
    FROM pg_db_role_setting JOIN pg_database AS d ON d.oid = setdatabase,
        unnest(setconfig) WITH ORDINALITY AS s (setting, number),
        LATERAL (SELECT split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1))
            AS parts (name, value)
    WHERE datname = current_database() ORDER BY setrole, number
"""
GRANTS = text("""
    SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', CAST(:new AS text))
    FROM pg_database WHERE datname = current_database() AND datacl IS NOT NULL
    UNION ALL
    SELECT format('GRANT %s ON DATABASE %I TO %s', string_agg(privilege_type, ', '), CAST(:new AS text),
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
    FROM pg_database, aclexplode(datacl) WHERE datname = current_database() GROUP BY grantee
""")
# Extensions that only a superuser can create, and their schemas that a new database does not have.
EXTENSIONS = text("""
    SELECT extname, statement FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
    JOIN pg_available_extension_versions AS available ON name = extname AND version = extversion,
        unnest(ARRAY[
            CASE WHEN nspname NOT IN ('public', 'pg_catalog') AND available.schema IS NULL
                THEN format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', nspname, current_user) END,
            format('CREATE EXTENSION %I SCHEMA %I', extname, nspname)
        ]) AS statement
    WHERE NOT trusted AND superuser AND extname <> 'plpgsql' AND statement IS NOT NULL
""")
MAY_CREATE = text("SELECT rolsuper OR rolcreatedb, rolsuper FROM pg_roles WHERE rolname = current_user")
MAY_RENAME = text("""
    SELECT rolsuper OR rolcreatedb AND NOT EXISTS (
        SELECT FROM pg_database WHERE datname = ANY (:databases) AND NOT pg_has_role(datdba, 'USAGE')
    ) FROM pg_roles WHERE rolname = current_user
""")
# A role that may create, give away and rename these databases: this one's owner, else a superuser.
ADMINISTRATOR = text("""
    SELECT rolname FROM pg_roles AS r, pg_database
    WHERE datname = current_database() AND rolcanlogin AND (rolsuper OR rolcreatedb AND NOT :superuser
        AND pg_has_role(r.oid, datdba, 'MEMBER') AND pg_has_role(r.oid, current_user, 'MEMBER'))
    ORDER BY r.oid <> datdba, NOT rolsuper, r.oid LIMIT 1
""")

LONGEST = 63  # bytes of a name

# A note for each psql command.
PASSWORD = "psql asks for the password, or takes PGPASSWORD"  # noqa: S105


def create_like(connection: Connection, name: str) -> None:
    """Create an empty database with the locale of the connection's database.

    Args:
        connection: in autocommit mode.
        name: the name of the new one.
    """
    execute(connection, _creation(connection, name))


def settle(connection: Connection, name: str) -> list[str]:
    """Copy the settings and grants of the connection's database to a new one.

    Returns:
        The names of the settings that the role could not set.
    """
    for grant in connection.scalars(GRANTS, {"new": name}).all():
        execute(connection, grant)
    refused = []
    for setting, statement in connection.execute(text(SETTINGS), {"new": name}).all():
        try:
            execute(connection, statement)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            refused.append(setting)
    return refused


def copy_settings(name: str) -> str:
    """Return the statement with which a superuser copies this database's settings to a new one."""
    literal = "'" + name.replace("'", "''") + "'"
    query = " ".join(SETTINGS.replace("CAST(:new AS text)", literal).split())
    return f"DO $$ DECLARE r record; BEGIN FOR r IN {query} LOOP EXECUTE r.statement; END LOOP; END $$"


def obstacle(connection: Connection) -> str:
    """Return why the role cannot make a database like this one and restore into it; empty if it can."""
    role, (may_create, superuser) = _role(connection), connection.execute(MAY_CREATE).one()
    if not may_create:
        return f"the role {role} may not create databases"
    found = set() if superuser else {name for name, _ in connection.execute(EXTENSIONS)}
    return f"the role {role} may not create the extension {', '.join(sorted(found))}" if found else ""


def creation(connection: Connection, url: URL, name: str) -> list[str]:
    """Return the commands with which an administrator makes an empty database for the connection's role.

    Args:
        connection: a connection to the database to copy the properties from.
        url: the URL of the same database.
        name: the name of the new one.
    """
    grants = connection.scalars(GRANTS, {"new": name}).all()
    statements = [f"{_creation(connection, name)} OWNER {quoted(_role(connection))}", *grants]
    if settings := connection.execute(text(SETTINGS), {"new": name}).all():
        statements.append(copy_settings(name))
    extensions = [statement for _, statement in connection.execute(EXTENSIONS)]
    by = administrator(connection, superuser=bool(settings or extensions))
    commands = [psql(url, *statements, by=by)]
    return [*commands, psql(url.set(database=name), *extensions, by=by)] if extensions else commands


def may_rename(connection: Connection, *databases: str) -> bool:
    """Whether the role may rename databases."""
    return bool(connection.scalar(MAY_RENAME, {"databases": list(databases)}))


def way_back(operation: Operation, introduction: str, backup: str | Path) -> str:
    """Return the commands that restore a backup, and those that an administrator must run first.

    Args:
        operation: the operation that has failed.
        introduction: the sentence before the commands.
        backup: the file.
    """
    name = named(operation.database, "restored", operation.stamp)
    with suppress(CommandError, SQLAlchemyError), quiet(), connect(operation.engine) as connection:
        if obstacle(connection):
            prepare = creation(connection, operation.url, name)
            command = operation.command("rollback", "--backup", backup, "--into", name)
            return paragraph(f"{introduction}, have an administrator make that ({PASSWORD}):", *prepare) + (
                paragraph("and then:", command)
            )
    return paragraph(f"{introduction}:", operation.command("rollback", "--backup", backup))


def named(database: str, what: str, stamp: str) -> str:
    """Return a name for a database beside another one, which PostgreSQL does not cut.

    Args:
        database: the other one.
        what: what became of the new one: restored, replaced.
        stamp: the time.
    """
    end = f"_{what}_{stamp.lower()}"
    return database.encode()[: LONGEST - len(end)].decode(errors="ignore") + end


def administrator(connection: Connection, *, superuser: bool = False) -> str:
    """Return the name of a role that may do with databases what the connection's role may not.

    Args:
        connection: a connection to the database in use.
        superuser: it must be a superuser; the databases' owner is not enough.
    """
    return connection.scalar(ADMINISTRATOR, {"superuser": superuser}) or "postgres"


def psql(url: URL, *statements: str, by: str | None = None) -> str:
    """Return the psql command that runs statements.

    Args:
        url: the database.
        statements: the statements; each runs in its own transaction, and psql stops at the first error.
        by: the role, if it is not the URL's.
    """
    program = "psql" if shutil.which("psql") else shown(client.binary("psql"))
    options = ["--set=ON_ERROR_STOP=1"] if len(statements) > 1 else []
    place = address(url.set(username=by) if by else url)
    return shlex.join([program, place, *options, *chain(*(("-c", each) for each in statements))])


def address(url: URL, password: str | None = None) -> str:
    """Return a URL for libpq without secrets; this text replaces the password."""
    plain = client.without_secrets(url)
    if password is not None:
        plain = plain.set(password=password)
    return client.libpq_url(plain)


def quoted(name: str) -> str:
    """Return a name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def execute(connection: Connection, statement: str) -> None:
    """Execute a statement without parameters, which may have a % in it."""
    connection.exec_driver_sql(statement.replace("%", "%%"))


def _creation(connection: Connection, name: str) -> str:
    return f"CREATE DATABASE {quoted(name)} TEMPLATE template0 {connection.scalar(LIKE_THE_ORIGINAL)}"


def _role(connection: Connection) -> str:
    return str(connection.scalar(text("SELECT current_user")))

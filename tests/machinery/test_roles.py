"""Least privilege: what docs/roles.sql gives to whom, on a real server."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import delete, inspect, select, text, update
from sqlalchemy.exc import InternalError, ProgrammingError
from sqlalchemy.orm import Session

from database import ROOT, Base
from models import Mechanic, Repair, Visit
from postgres import client
from tests.machinery.support import HEAD, Database, run, start

SCRIPT = ROOT / "docs/roles.sql"
PASSWORD = "p@ss 'word\" %$"


class Roles:
    """The roles of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        suffix = uuid4().hex[:12]
        self.names = {kind: f"{kind.title()}-{suffix}" for kind in ("owner", "app", "plan", "admin")}

    def grant(self, monkeypatch: pytest.MonkeyPatch, admin: Database | None = None) -> None:
        """Run the script, as the page says."""
        monkeypatch.setenv("OWNER_PASSWORD", PASSWORD)
        monkeypatch.setenv("APP_PASSWORD", PASSWORD)
        monkeypatch.setenv("PLAN_PASSWORD", PASSWORD)
        names = [f"--set={kind}={self.names[kind]}" for kind in ("owner", "app", "plan")]
        names.append("--set=append_only=visits")
        client.output("psql", (admin or self.database).url, "--no-psqlrc", f"--file={SCRIPT}", *names)

    def as_(self, kind: str) -> Database:
        """Return the database as the role sees it."""
        return Database(self.database.url.set(username=self.names[kind], password=PASSWORD))

    def drop(self) -> None:
        """Drop the roles: they are the server's, not the database's."""
        for name in self.names.values():
            if self.database.query("SELECT FROM pg_roles WHERE rolname = :name", name=name):
                self.database.execute(f'DROP OWNED BY "{name}" CASCADE')
                self.database.execute(f'DROP ROLE "{name}"')


@pytest.fixture
def make_roles(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Database], Roles]]:
    """`make_roles(database)`: the roles, as the script makes them."""
    made = []

    def make(database: Database) -> Roles:
        made.append(Roles(database))
        made[-1].grant(monkeypatch)
        return made[-1]

    yield make
    for roles in made:
        roles.drop()


@pytest.fixture
def roles(head: Database, make_roles: Callable[[Database], Roles]) -> Roles:
    """The roles of a database at head, with sample rows, that another role has migrated."""
    return make_roles(head)


def refused(database: Database, statement: str) -> bool:
    """Whether the statement fails, for want of a privilege."""
    try:
        database.execute(statement)
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != "42501":
            raise
        return True
    return False


def test_the_owner_takes_an_empty_database_to_head_and_the_application_fills_it(
    empty: Database, make_roles: Callable[[Database], Roles], monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = make_roles(empty)
    owner = roles.as_("owner").url.render_as_string(hide_password=False)
    code, errors = run(roles.as_("app"), "upgrade", "head", MIGRATION_DATABASE_URL=owner)
    assert code == 0, errors
    roles.grant(monkeypatch)
    assert empty.heads() == [HEAD]
    roles.as_("app").fill()
    assert all(empty.rows().values())
    assert PASSWORD not in errors


def test_no_role_may_more_than_its_database(roles: Roles) -> None:
    attributes = "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
    for kind in ("owner", "app", "plan"):
        name = roles.names[kind]
        assert not roles.database.value(f"SELECT {attributes} FROM pg_roles WHERE rolname = :n", n=name)


def test_the_application_reads_and_changes_the_rows_of_every_table(roles: Roles) -> None:
    with Session(roles.as_("app").engine) as session:
        for entity in sorted((mapper.class_ for mapper in Base.registry.mappers), key=str):
            with session.begin_nested() as savepoint:
                reads_and_changes(session, entity, append_only=entity is Visit)
                savepoint.rollback()


def reads_and_changes(session: Session, entity: type[Base], *, append_only: bool) -> None:
    mapper = inspect(entity)
    changed = min((c for c in mapper.columns if not c.primary_key), key=lambda c: len(c.foreign_keys))
    attribute = mapper.get_property_by_column(changed).key
    row = session.scalars(select(entity).order_by(mapper.primary_key[0].desc()).limit(1)).one()
    key = [column == getattr(row, str(column.key)) for column in mapper.primary_key]
    statements = (
        select(entity).where(*key).with_for_update(),
        update(entity).where(*key).values({attribute: getattr(row, attribute)}),
        delete(entity).where(*key),
    )
    for statement in statements:
        if append_only:
            denied = pytest.raises(ProgrammingError, match="permission denied for table visits")
            with denied, session.begin_nested():
                session.execute(statement)
        else:
            session.execute(statement)
    session.flush()
    session.expire_all()
    assert (session.scalar(select(1).where(*key)) is None) == (not append_only), entity


def test_a_row_that_the_application_may_not_change_outlives_what_it_refers_to(roles: Roles) -> None:
    app = roles.as_("app")
    with Session(app.engine) as session, session.begin():
        mechanic = Mechanic(name="Jim")
        session.add(mechanic)
        session.flush()
        visit = Visit(repair_id=session.scalars(select(Repair.id).limit(1)).one(), mechanic_id=mechanic.id)
        session.add(visit)
        session.flush()
        key = visit.id, visit.at
        session.execute(delete(Mechanic).where(Mechanic.id == mechanic.id))
    with Session(app.engine) as session:
        assert session.get_one(Visit, key).mechanic_id is None


REFUSED = [
    "CREATE TABLE t (n integer)",
    "CREATE TEMPORARY TABLE t (n integer)",
    "CREATE SCHEMA s",
    "CREATE EXTENSION hstore",
    "CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE INDEX ON repairs (title)",
    "ALTER TABLE repairs ADD COLUMN n integer",
    "ALTER TABLE repairs DISABLE TRIGGER ALL",
    "ALTER TYPE repair_state ADD VALUE 'lost'",
    "DROP TABLE repairs",
    "DROP FUNCTION close_repair()",
    "TRUNCATE repairs CASCADE",
    "TRUNCATE visits",
    "SELECT setval('parts_id_seq', 1)",
    "UPDATE visits SET at = now()",
    "UPDATE visits SET mechanic_id = NULL",
    "DELETE FROM visits",
    "INSERT INTO alembic_version VALUES ('x')",
    "UPDATE alembic_version SET version_num = 'x'",
    "DELETE FROM alembic_version",
    "SET ROLE {owner}",
    "ALTER ROLE {owner} PASSWORD 'mine'",
    "COPY repairs TO PROGRAM 'cat'",
]


def test_the_application_is_refused_all_else(roles: Roles) -> None:
    before = roles.database.snapshot()
    app, owner = roles.as_("app"), f'"{roles.names["owner"]}"'
    assert [statement for statement in REFUSED if not refused(app, statement.format(owner=owner))] == []
    assert roles.database.snapshot() == before


def test_who_plans_may_not_even_read_a_row(roles: Roles) -> None:
    before = roles.database.snapshot()
    plan, owner = roles.as_("plan"), f'"{roles.names["owner"]}"'
    rows = ["TABLE repairs", "INSERT INTO repairs DEFAULT VALUES", "UPDATE repairs SET title = ''"]
    with plan.engine.connect() as connection:
        with pytest.raises(InternalError, match="in a read-only transaction"):
            connection.execute(text("CREATE TABLE t (n integer)"))
        connection.rollback()
    # Nor where it takes off what its sessions begin with.
    read_write = plan.url.update_query_dict({"options": "-c default_transaction_read_only=off"})
    allowed = [
        statement
        for statement in [*rows, *REFUSED]
        if not refused(Database(read_write), statement.format(owner=owner))
    ]
    assert allowed == []
    assert roles.database.snapshot() == before


def test_the_application_may_know_at_which_revision_it_is(roles: Roles) -> None:
    code, errors = run(roles.as_("app"), "current", "--check-heads")
    assert code == 0, errors


def test_what_a_later_revision_makes_is_open_to_the_application_at_once(
    empty: Database, make_roles: Callable[[Database], Roles], chain: Callable[..., Path]
) -> None:
    roles = make_roles(empty)
    ini = chain(
        "CREATE TABLE plain (id serial, n integer)",
        "CREATE TABLE parts (n integer) PARTITION BY RANGE (n)",
        "CREATE TABLE parts_0 PARTITION OF parts FOR VALUES FROM (0) TO (9); CREATE VIEW v AS TABLE plain",
        "AUTOCOMMIT CREATE TABLE IF NOT EXISTS later (id integer GENERATED ALWAYS AS IDENTITY, n integer)",
    )
    code, errors = run(roles.as_("owner"), "upgrade", "head", ini=ini)
    assert code == 0, errors
    app = roles.as_("app")
    for name in ("plain", "parts", "parts_0", "v", "later"):
        app.execute(f"INSERT INTO {name} (n) VALUES (1)")
        app.execute(f"UPDATE {name} SET n = n + 1")
        assert set(app.column(f"SELECT n FROM {name}")) == {2}
        app.execute(f"DELETE FROM {name}")
        assert refused(app, f"ALTER TABLE {name} RENAME TO mine")


def test_the_owner_sees_and_ends_the_session_that_holds_a_migration_up(
    empty: Database, make_roles: Callable[[Database], Roles], chain: Callable[..., Path]
) -> None:
    roles = make_roles(empty)
    owner, app = roles.as_("owner"), roles.as_("app")
    ini = chain("CREATE TABLE t (n integer)", "ALTER TABLE t ADD COLUMN m integer")
    run(owner, "upgrade", "r0", ini=ini)
    with app.engine.connect() as connection:
        connection.execute(text("SET application_name = 'the service'"))
        connection.execute(text("INSERT INTO t VALUES (1)"))
        process = start(owner, "-x", "lock_timeout=2s", "-x", "attempts=99", "upgrade", "head", ini=ini)
        assert process.stderr
        line = next(line for line in process.stderr if "try 2" in line)
        assert re.search(r"blocked by pid \d+ \(idle in transaction for \d+ s, the service\)", line)
        assert owner.value("SELECT pg_terminate_backend(:pid)", pid=re.findall(r"pid (\d+)", line)[0])
        connection.invalidate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    with owner.engine.connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        assert refused(app, f"SELECT pg_terminate_backend({pid})")


def test_others_on_the_server_are_not_let_in(roles: Roles, head: Database) -> None:
    stranger = roles.names["admin"]
    head.execute(f"CREATE ROLE \"{stranger}\" LOGIN PASSWORD 'stranger'")
    url = head.url.set(username=stranger, password="stranger")
    with pytest.raises(Exception, match="permission denied for database"):
        Database(url).query("SELECT 1")


def test_run_again_it_changes_nothing(roles: Roles, monkeypatch: pytest.MonkeyPatch) -> None:
    def privileges() -> list[tuple[object, ...]]:
        return roles.database.query(
            "SELECT relname, relowner::regrole::text, relacl::text FROM pg_class ORDER BY oid"
        )

    before, dump = privileges(), roles.database.schema()
    roles.grant(monkeypatch)
    assert privileges() == before
    assert roles.database.schema() == dump


def test_no_superuser_is_needed(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a managed service: a role with CREATEROLE that owns the database."""
    roles = Roles(empty)
    admin = roles.names["admin"]
    empty.execute(f"CREATE ROLE \"{admin}\" LOGIN CREATEROLE PASSWORD 'admin'")
    empty.execute(f'ALTER DATABASE "{empty.url.database}" OWNER TO "{admin}"')
    as_admin = Database(empty.url.set(username=admin, password="admin"))
    try:
        roles.grant(monkeypatch, as_admin)
        code, errors = run(roles.as_("owner"), "upgrade", "head")
        assert code == 0, errors
        roles.grant(monkeypatch, as_admin)
        assert refused(roles.as_("app"), "DELETE FROM visits")
        assert not refused(roles.as_("app"), "DELETE FROM repairs")
    finally:
        empty.execute(f'ALTER DATABASE "{empty.url.database}" OWNER TO CURRENT_USER')
        roles.drop()

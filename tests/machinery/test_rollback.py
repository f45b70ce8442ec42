"""The ways back: by downgrades, and from a backup into a new database."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import Connection, text

from migrate.operate import beside
from migrate.operate.rollback import Downgrade
from migrate.run.connection import major_version
from postgres import client
from postgres.url import parse_url
from tests.machinery.production import Site, command, commands, dump, site, steps
from tests.machinery.support import Chain, Database, Server
from tests.machinery.test_roles import PASSWORD, Roles, make_roles

__all__ = ["make_roles"]  # a fixture

FIRST = "CREATE TABLE t (n integer PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)"


@pytest.fixture
def done(empty: Database, chain: Chain) -> Site:
    """A database with rows that was deployed from r0 to r2."""
    made = site(
        empty,
        chain(FIRST, *(f"ALTER TABLE t ADD COLUMN {column} integer DEFAULT 7" for column in "ab")),
    )
    made.document("r1", undo="ALTER TABLE t DROP COLUMN a", Rollback="loses t.a")
    made.document("r2", undo="ALTER TABLE t DROP COLUMN b", Rollback="lossless")
    for options in (["--to", "r0", "--no-backup", str(empty.url.database)], []):
        code, output = made.deploy(*options)
        assert code == 0, output
    return made


def rollback(made: Site, *arguments: str) -> tuple[int, str]:
    return made.migrate("rollback", "--config", str(made.ini), *arguments)


# By downgrades


@pytest.mark.parametrize(
    ("to", "reached", "undone"),
    [("r0", ["r0"], 2), ("-1", ["r1"], 1), ("-2", ["r0"], 2), ("base", [], 3), ("r2", ["r2"], 0)],
)
def test_it_undoes_what_is_above_and_says_what_that_loses(
    to: str, reached: list[str], undone: int, done: Site
) -> None:
    code, output = rollback(done, "--to", to, "--yes")
    assert code == 0, output
    assert done.heads() == reached
    assert len(re.findall("undo . of", output)) == undone
    assert ("rollback: loses t.a" in output) == (undone >= 2)
    assert steps(output) == ([str(number) for number in range(1, 7)] if undone else ["1"])


@pytest.mark.slow
def test_the_hooks_are_around_it(done: Site) -> None:
    done.configure(on_start="echo start", on_finish="echo finish $DEPLOY_RESULT")
    _, output = rollback(done, "--to", "r1", "--yes")
    assert re.findall(r"    \| (.*)", output) == ["start", "finish succeeded"]


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_it_asks_and_tells_the_price(answer: str, code: int, done: Site) -> None:
    exit_code, output = done.typed(f"python -m migrate rollback --to r0 --config {done.ini}", answer)
    assert exit_code == code, output
    assert "Undo 2 revisions of " in output
    assert "1 of them lose what is said above. [y/N]" in output
    assert ("Nothing has been changed" in output) == (code == 1)
    assert done.heads() == (["r2"] if code else ["r0"])


def test_without_a_terminal_it_wants_yes(done: Site) -> None:
    code, output = rollback(done, "--to", "r0")
    assert code == 1
    assert "give --yes" in output
    assert done.heads() == ["r2"]


def test_over_an_irreversible_revision_only_the_backup_leads_back(done: Site) -> None:
    path = done.folder / "versions/r1.py"
    path.write_text(path.read_text().replace("loses t.a", "irreversible: t.a is gone"))
    code, output = rollback(done, "--to", "r0", "--yes")
    assert code == 1
    assert "step 1/6 (preflight): no downgrade leads back over r1: irreversible" in output
    assert "Nothing has been changed" in output
    assert done.heads() == ["r2"]  # nor is r2 undone
    assert "(this is of revision r0)" in output
    code, output = done.typed(command(output, "--backup"))
    assert code == 0, output
    assert "at r0" in output


@pytest.mark.slow
def test_without_a_backup_it_still_says_how(done: Site) -> None:
    path = done.folder / "versions/r1.py"
    path.write_text(path.read_text().replace("loses t.a", "irreversible: t.a is gone"))
    for backup in done.files(".dump"):
        backup.unlink()
    _, output = rollback(done, "--to", "r0", "--yes")
    assert "python -m migrate rollback --backup FILE" in commands(output)[0]


@pytest.mark.slow
def test_a_downgrade_that_fails_leaves_what_is_undone_and_shows_the_ways(done: Site) -> None:
    path = done.folder / "versions/r1.py"
    whole = path.read_text()
    path.write_text(whole.replace("DROP COLUMN a", "DROP COLUMN nothing"))
    code, output = rollback(done, "--to", "r0", "--yes")
    assert code == 1
    assert "rollback stopped in step 4/6 (downgrade)" in output
    assert "is at r1. The rollback began at r2." in output
    assert "Undone: r2." in output
    assert done.heads() == ["r1"]
    up = command(output, "deploy", "--to", "r2")
    code, printed = done.typed(up, "y")
    assert code == 0, printed
    assert done.heads() == ["r2"]
    path.write_text(whole)
    code, printed = done.typed(command(output, "rollback", "--to", "r0"))
    assert code == 0, printed
    assert done.heads() == ["r0"]


@pytest.mark.slow
@pytest.mark.parametrize("to", ["nowhere", "-9"])
def test_a_target_that_is_none_is_refused(to: str, done: Site) -> None:
    code, output = rollback(done, "--to", to, "--yes")
    assert code == 1
    assert "Traceback" not in output
    assert "Nothing has been changed" in output
    assert done.heads() == ["r2"]


@pytest.mark.slow
def test_where_the_database_cannot_be_asked_nothing_is_said_to_be_undone(
    done: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Downgrade, "state", lambda _self: (None, "Where it is now is not known."))
    monkeypatch.setattr(Downgrade, "verify", lambda _self: 1 / 0)
    code, output = rollback(done, "--to", "r0", "--yes")
    assert code == 1
    assert "Where it is now is not known. The rollback began at r2." in output
    assert "Undone:" not in output
    assert commands(output)[-1].endswith(f"--to r0 --yes --config {done.ini}")


# From a backup


@pytest.fixture
def backup(done: Site) -> Path:
    """The backup of the deploy: the database at r0."""
    [path] = done.files(".dump")
    return path


def name_of(output: str) -> str:
    [name] = re.findall(r"restored into (\S+)$", output, re.MULTILINE)
    return str(name)


def test_it_is_restored_beside_the_database_with_the_same_rights_and_settings(
    done: Site, backup: Path
) -> None:
    database = str(done.database.url.database)
    done.database.execute(f"ALTER DATABASE \"{database}\" SET statement_timeout = '7min'")
    done.database.execute(f'ALTER DATABASE "{database}" SET search_path = "$user", public')
    done.database.execute(f'REVOKE CONNECT ON DATABASE "{database}" FROM PUBLIC')
    done.database.execute(f'ALTER DATABASE "{database}" SET default_transaction_read_only = on')
    before = dump(done.database)
    code, output = rollback(done, "--backup", str(backup))
    assert code == 0, output
    assert steps(output) == ["1", "2", "3", "4"]
    assert "rows of 3 tables, at r0" in output
    assert f"The database {database} is as it was." in output
    assert dump(done.database) == before
    new = Database(done.database.url.set(database=name_of(output)))
    assert new.column("SELECT count(*) FROM t") == [1000]
    assert new.column("SELECT reltuples FROM pg_class WHERE relname = 't'") == [1000]  # analyzed
    code, _ = rollback(done, "--to", "r0", "--yes")
    assert dump(new) == dump(done.database)
    about = (
        "SELECT ARRAY(SELECT unnest(datacl)::text ORDER BY 1), encoding, datcollate, datctype, "
        "datlocprovider, setconfig FROM pg_database "
        "LEFT JOIN pg_db_role_setting ON setdatabase = oid WHERE datname = current_database()"
    )
    assert new.query(about) == done.database.query(about)


@pytest.mark.slow
@pytest.mark.parametrize("lost", [False, True], ids=["beside", "lost"])
def test_the_switch_works_as_printed(lost: bool, done: Site, backup: Path) -> None:
    database = str(done.database.url.database)
    spare = Database(done.database.url.set(database="postgres"))
    if lost:
        spare.engine.connect().execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(
            f'DROP DATABASE "{database}" WITH (FORCE)'
        )
    code, output = rollback(done, "--backup", str(backup))
    assert code == 0, output
    address, *renames = commands(output)
    # Either by the URL …
    plain = address.removeprefix("DATABASE_URL=").replace("PASSWORD", str(done.database.url.password))
    done.environment["DATABASE_URL"] = plain
    code, current = done.typed(f"python -m alembic -c {done.ini} current")
    assert code == 0, current
    assert "r0" in current
    # … or by the names.
    assert len(renames) == (1 if lost else 2)
    for rename in renames:
        code, printed = done.typed(rename)
        assert code == 0, printed
    assert done.database.column("SELECT count(*) FROM t") == [1000]
    assert done.heads() == ["r0"]
    if not lost:
        aside = re.findall(r'RENAME TO "(\S+_replaced_\S+)"', output)[0]
        assert Database(done.database.url.set(database=aside)).column("SELECT DISTINCT b FROM t") == [7]


def broken(kind: str, backup: Path) -> Path:
    path = backup.with_name("other.dump")
    content = backup.read_bytes()
    contents = {"cut off": content[: len(content) * 2 // 3], "text": b"CREATE TABLE t ();\n", "empty": b""}
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes(contents[kind])
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cut off", "text", "empty", "missing", "pipe", "folder"])
def test_what_is_no_backup_is_refused_before_anything(kind: str, done: Site, backup: Path) -> None:
    code, output = rollback(done, "--backup", str(broken(kind, backup)))
    assert code == 1
    assert "restore stopped in step 1/4 (preflight)" in output
    assert "Traceback" not in output
    assert restored(done) == []


def restored(made: Site) -> list[str]:
    return made.database.column(
        "SELECT datname FROM pg_database WHERE starts_with(datname, :name)",
        name=f"{made.database.url.database}_restored",
    )


@pytest.mark.slow
def test_a_restore_that_fails_takes_its_database_with_it_and_nothing_else(done: Site) -> None:
    owner = f"{done.database.url.database}_owner"
    done.database.execute(f'CREATE ROLE "{owner}"')
    done.database.execute(f'ALTER TABLE t OWNER TO "{owner}"')
    code, output = done.deploy("--to", "r2", "--dry-run")
    path = done.folder / "versions/r3.py"
    path.write_text((done.folder / "versions/r2.py").read_text().replace("r2", "r3").replace("r1", "r2"))
    code, output = done.deploy("--dry-run")
    assert code == 0, output
    done.database.execute("ALTER TABLE t OWNER TO CURRENT_USER")
    done.database.execute(f'DROP ROLE "{owner}"')
    before = dump(done.database)
    code, output = rollback(done, "--backup", str(done.files(".dump")[-1]))
    assert code == 1
    assert "restore stopped in step 3/4 (restore): pg_restore: " in output
    assert f'role "{owner}" does not exist' in output
    assert restored(done) == []
    assert dump(done.database) == before


def drop_copies(database: Database) -> None:
    """Drop what was restored of a database, and what a restored one has replaced."""
    copies = "SELECT datname FROM pg_database WHERE starts_with(datname, :name)"
    names = database.column(copies, name=f"{database.url.database}_re")
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in names:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def owner(done: Site) -> Iterator[str]:
    """A role that owns what is in the database at r0, as migrations should, and may no more."""
    name, database = f"{done.database.url.database}_o", done.database.url.database
    assert rollback(done, "--to", "r0", "--yes")[0] == 0
    done.database.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{name}'")
    for table in ("t", "alembic_version", "migrate_history"):
        done.database.execute(f'ALTER TABLE {table} OWNER TO "{name}"')
    done.database.execute(f'ALTER DATABASE "{database}" OWNER TO "{name}"')
    url = done.database.url.set(username=name, password=name)
    done.environment["DATABASE_URL"] = url.render_as_string(hide_password=False)
    yield name
    drop_copies(done.database)
    for statement in (f'REASSIGN OWNED BY "{name}" TO CURRENT_USER', f'DROP OWNED BY "{name}"'):
        done.database.execute(statement)
    done.database.execute(f'DROP ROLE "{name}"')


ABOUT = """
    SELECT ARRAY(SELECT grantee::regrole || ' ' || privilege_type FROM aclexplode(datacl) ORDER BY 1),
        encoding, datcollate, datctype, datlocprovider,
        ARRAY(SELECT setrole::regrole || ' ' || unnest(setconfig) FROM pg_db_role_setting
            WHERE setdatabase = pg_database.oid ORDER BY 1)
    FROM pg_database WHERE datname = current_database()
"""


def typed(made: Site, *lines: str) -> str:
    """Run commands as printed, which have to succeed, and return what the last one printed."""
    output = ""
    for line in lines:
        code, output = made.typed(line)
        assert code == 0, f"{line}\n{output}"
    return output


@pytest.mark.slow
def test_what_only_a_superuser_may_set_does_not_stop_it(done: Site, owner: str) -> None:
    database = str(done.database.url.database)
    done.database.psql(f"""
        ALTER ROLE "{owner}" CREATEDB;
        ALTER DATABASE "{database}" SET log_min_duration_statement = '5s';
        ALTER DATABASE "{database}" SET session_preload_libraries = 'auto_explain', 'pg_stat_statements';
        ALTER DATABASE "{database}" SET app.secret = 'a=%b';
        ALTER ROLE "{owner}" IN DATABASE "{database}" SET work_mem = '5MB';
    """)
    assert done.deploy("--dry-run")[0] == 0
    code, output = rollback(done, "--backup", str(done.files(".dump")[-1]))
    assert code == 0, output
    names = "log_min_duration_statement, session_preload_libraries, app.secret"
    assert f"not set, a superuser has to: {names}\n" in output
    assert "a=%b" not in output
    new = Database(done.database.url.set(database=name_of(output)))
    assert dump(new) == dump(done.database)
    assert new.query(ABOUT) != done.database.query(ABOUT)
    typed(done, command(output, "EXECUTE"))
    assert new.query(ABOUT) == done.database.query(ABOUT)
    done.environment["PGPASSWORD"] = owner
    typed(done, *(each for each in commands(output) if "RENAME" in each))
    assert done.heads() == ["r0"]


@pytest.mark.slow
def test_what_is_restored_stays_when_it_cannot_be_verified(
    done: Site, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migrate.operate.rollback.TABLES_WITH_ROWS", text("SELECT 7"))
    code, output = rollback(done, "--backup", str(backup))
    assert code == 1
    assert "restore stopped in step 4/4 (verify)" in output
    [new] = restored(done)
    assert f"The backup is restored in {new}, which stays: look at it." in output
    assert Database(done.database.url.set(database=new)).column("SELECT count(*) FROM t") == [1000]
    typed(done, command(output, "DROP DATABASE"))
    assert restored(done) == []


@pytest.mark.slow
def test_what_a_database_works_without_does_not_stop_it(done: Site, owner: str) -> None:
    lost = f"{owner}_lost"
    done.database.psql(f"""
        CREATE ROLE "{lost}"; GRANT SELECT ON t TO "{lost}"; CREATE PUBLICATION every FOR ALL TABLES;
        COMMENT ON TABLE t IS 'ours';
        CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM t;
        ALTER TABLE counted OWNER TO "{owner}";
        ALTER ROLE "{owner}" CREATEDB;
    """)
    assert done.deploy("--dry-run")[0] == 0
    done.database.psql(f'REVOKE ALL ON t FROM "{lost}"; DROP ROLE "{lost}"; DROP PUBLICATION every')
    code, output = rollback(done, "--backup", str(done.files(".dump")[-1]))
    assert code == 0, output
    assert f'not restored: role "{lost}" does not exist: GRANT SELECT ON TABLE public.t TO' in output
    assert re.search("not restored: .*superuser.*: CREATE PUBLICATION every FOR ALL TABLES", output)
    assert "COMMENT" not in output
    new = Database(done.database.url.set(database=name_of(output)))
    assert dump(new) == dump(done.database)
    assert new.column("SELECT n FROM counted") == [1000]


@pytest.mark.slow
def test_a_database_that_is_given_has_to_be_empty(done: Site, backup: Path) -> None:
    database = str(done.database.url.database)
    code, output = rollback(done, "--backup", str(backup), "--into", database)
    assert code == 1
    assert f"{database} is not empty" in output


@pytest.mark.slow
@pytest.mark.parametrize(
    "made",
    [
        "CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE TYPE mood AS ENUM ('good')",
        "CREATE VIEW v AS SELECT 1",
        "CREATE SEQUENCE s",
    ],
)
def test_of_tables_alone_that_is_not_said(made: str, done: Site, backup: Path, server: Server) -> None:
    other = server.create()
    for statement in ("CREATE SCHEMA mine", "CREATE EXTENSION hstore", made):
        other.execute(statement)
    code, output = rollback(done, "--backup", str(backup), "--into", str(other.url.database))
    assert code == 1
    assert "restore stopped in step 2/4 (create a database): " in output
    assert f"{other.url.database} is not empty" in output
    assert "DROP DATABASE" not in output


def test_a_name_beside_another_is_never_cut() -> None:
    stamp = "20250106T090000000Z"
    assert beside.named("ocr_db", "restored", stamp) == "ocr_db_restored_20250106t090000000z"
    for name in ("x" * 63, "文" * 21, "é" * 31):
        new = beside.named(name, "restored", stamp)
        assert new.endswith("_restored_20250106t090000000z")
        assert 60 < len(new.encode()) < 64


@pytest.mark.slow
def test_a_database_that_may_be_there_is_named(
    done: Site, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is lost while the server creates it."""

    def lost(connection: Connection, name: str) -> None:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        pytest.fail(f"{name} was not lost")

    monkeypatch.setattr(beside, "create_like", lost)
    code, output = rollback(done, "--backup", str(backup))
    assert code == 1
    assert "restore stopped in step 2/4 (create a database): " in output
    assert done.typed(command(output, "DROP DATABASE IF EXISTS", "_restored_"))[0] == 0


@pytest.fixture
def two_roles(done: Site, make_roles: Callable[[Database], Roles]) -> Iterator[Roles]:
    """The roles of docs/roles.sql, on a database at r0 with an extension that neither can create."""
    assert rollback(done, "--to", "r0", "--yes")[0] == 0
    done.database.psql("""
        CREATE SCHEMA tools;
        CREATE EXTENSION amcheck SCHEMA tools;
    """)
    roles = make_roles(done.database)
    for name, kind in (("MIGRATION_DATABASE_URL", "owner"), ("DATABASE_URL", "app")):
        done.environment[name] = roles.as_(kind).url.render_as_string(hide_password=False)
    yield roles
    drop_copies(done.database)
    done.database.execute(f'ALTER DATABASE "{done.database.url.database}" OWNER TO CURRENT_USER')


@pytest.mark.slow
def test_two_roles_walk_the_ways_back_that_a_deploy_prints(done: Site, two_roles: Roles) -> None:
    path = done.folder / "versions/r2.py"
    path.write_text(path.read_text().replace("ADD COLUMN b", "ADD COLUMN a"))
    before, about = dump(done.database), done.database.query(ABOUT)
    code, output = done.deploy()
    assert code == 1
    assert "Applied: r1." in output
    *_, create, extension, restore = commands(output)
    output = typed(done, create, extension, restore)
    as_app, as_owner, *renames = commands(output)
    # By the URLs: the application's is its own, and not the owner's.
    for line, name, kind in (
        (as_app, "DATABASE_URL", "app"),
        (as_owner, "MIGRATION_DATABASE_URL", "owner"),
    ):
        setting, _, url = line.replace("PASSWORD", quote(PASSWORD, safe="")).partition("=")
        new = Database(parse_url(url))
        assert (setting, new.url.username) == (name, two_roles.names[kind])
        assert new.column("SELECT count(*) FROM t") == [1000]
    assert Database(done.database.url.set(database=new.url.database)).query(ABOUT) == about
    # By the names, which an administrator gives.
    typed(done, *renames)
    assert dump(done.database) == before


@pytest.mark.slow
def test_two_roles_walk_the_ways_on_that_a_restore_prints(done: Site, two_roles: Roles) -> None:
    assert done.deploy("--dry-run")[0] == 0
    # Without a database that is given, it says how to come by one.
    code, output = rollback(done, "--backup", str(done.files(".dump")[-1]))
    assert code == 1
    assert f"{two_roles.names['owner']} may not create databases: an administrator has to" in output
    assert restored(done) == []
    create, extension, restore = commands(output)
    typed(done, create, extension)
    # It fails half-way, and says how to begin anew.
    [name] = restored(done)
    new = Database(done.database.url.set(database=name))
    new.execute("CREATE TYPE t AS ENUM (); ALTER EXTENSION plpgsql ADD TYPE t")  # so it counts as empty
    code, output = done.typed(restore)
    assert code == 1
    assert 'type "t" already exists' in output
    assert f"{name} is no longer empty" in output
    typed(done, *commands(output))
    assert dump(new) == dump(done.database)


@pytest.mark.slow
def test_newer_client_programs_restore_into_an_older_server(
    done: Site, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with done.database.engine.connect() as connection:
        if major_version(connection) >= client.version(client.binary("pg_restore")):
            pytest.skip("the embedded package's are not newer")
    for program in ("sh", "psql"):
        (done.folder / program).symlink_to(shutil.which(program) or "/bin/sh")
    done.environment["PATH"] = str(done.folder)  # no other pg_restore
    code, output = rollback(done, "--backup", str(backup))
    assert code == 0, output
    new = Database(done.database.url.set(database=name_of(output)))
    assert rollback(done, "--to", "r0", "--yes")[0] == 0
    assert dump(new) == dump(done.database)
    # What is wrong for another reason is still wrong.
    monkeypatch.setattr("migrate.operate.backup.JOBS", "many")
    code, output = rollback(done, "--backup", str(backup))
    assert code == 1, output
    assert "restore stopped in step 3/4 (restore): pg_restore: " in output
    assert restored(done) == [new.url.database]


def test_one_way_at_a_time(done: Site, backup: Path) -> None:
    code, output = rollback(done, "--to", "r0", "--backup", str(backup))
    assert code == 2
    assert "not allowed with" in output

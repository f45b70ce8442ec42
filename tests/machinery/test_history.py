"""The history of a database: what ran, when, by whom, and from which file."""

import io
import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

from migrate.run import history
from migrate.run.history import Entry
from migrate.sample import fill
from tests.machinery.production import Site, site
from tests.machinery.production import command as printed_command
from tests.machinery.support import Chain, Database, program, run
from tests.machinery.test_roles import Roles, make_roles

__all__ = ["make_roles"]  # a fixture

TABLE = "CREATE TABLE t (n integer)"
SLOW = "AUTOCOMMIT SELECT pg_sleep(0.4)"


def rows(database: Database) -> list[Entry]:
    with database.engine.connect() as connection:
        return history.entries(MigrationContext.configure(connection))


def done(database: Database) -> list[tuple[str, str]]:
    return [(entry.direction, entry.revision) for entry in rows(database)]


def calling(ini: Path, database: Database, **options: Any) -> Config:
    return Config(ini, attributes={"connection": database.engine}, **options)


def test_each_step_is_a_row_with_when_how_long_who_where_and_which_file(
    empty: Database, chain: Chain
) -> None:
    ini = chain(TABLE, SLOW)
    config = calling(ini, empty)
    before = empty.value("SELECT clock_timestamp()")
    command.upgrade(config, "head")
    command.downgrade(config, "r0")
    command.stamp(config, "r1")
    command.stamp(config, "base")
    assert done(empty) == [
        ("upgrade", "r0"), ("upgrade", "r1"), ("downgrade", "r1"), ("stamp", "r1"), ("stamp", "base"),
    ]  # fmt: skip
    first, second, *_, stamp, _ = rows(empty)
    assert before < first.began < first.began + first.took < second.began
    assert second.took > timedelta(seconds=0.4)
    assert second.parents == "r0"
    assert second.role == empty.url.username
    assert second.host
    assert second.sha256 == sha256((ini.parent / "versions/r1.py").read_bytes()).hexdigest()
    assert stamp.sha256 is None


def test_a_revision_that_fails_leaves_no_row(empty: Database, chain: Chain) -> None:
    with pytest.raises(CommandError):
        command.upgrade(calling(chain(TABLE, "SELECT 1; SELECT 1/0"), empty), "head")
    assert done(empty) == [("upgrade", "r0")]


def test_a_row_lives_and_dies_with_the_transaction_of_the_caller(empty: Database, chain: Chain) -> None:
    config = calling(chain(TABLE, "SELECT 1"), empty)
    command.upgrade(config, "r0")
    first = [("upgrade", "r0")]
    for end, expected in (("rollback", first), ("commit", [*first, ("upgrade", "r1")])):
        with empty.engine.connect() as connection:
            connection.begin()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            getattr(connection, end)()
        assert done(empty) == expected


def test_no_table_is_made_in_the_transaction_of_the_caller(empty: Database, chain: Chain) -> None:
    config = Config(chain(TABLE))
    with empty.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    assert "migrate_history" not in empty.column("SELECT relname FROM pg_class")


def test_a_script_writes_no_history(chain: Chain) -> None:
    output = io.StringIO()
    command.upgrade(Config(chain(TABLE), output_buffer=output), "head", sql=True)
    assert "migrate_history" not in output.getvalue()


@pytest.mark.parametrize("kind", ["create", "write", "another table"])
def test_where_it_cannot_be_kept_the_run_goes_on_without_and_says_so_once(
    kind: str, empty: Database, chain: Chain, make_roles: Callable[[Database], Roles]
) -> None:
    roles = make_roles(empty)
    owner = roles.as_("owner")
    ini = chain("SELECT 1", "SELECT 2", "SELECT 3")
    assert run(owner, "upgrade", "r0", ini=ini)[0] == 0
    if kind == "write":
        empty.execute("ALTER TABLE migrate_history OWNER TO CURRENT_USER")
    else:
        owner.execute("DROP TABLE migrate_history")
        if kind == "create":
            empty.execute(f'REVOKE CREATE ON SCHEMA public FROM "{roles.names["owner"]}"')
        else:
            owner.execute("CREATE TABLE migrate_history (mine integer)")
    code, errors = run(owner, "upgrade", "head", ini=ini)
    assert code == 0, errors
    assert errors.count("migrate_history is not written, and the run goes on without it: ") == 1
    assert empty.heads() == ["r2"]
    kept = "upgrade    r0" if kind == "write" else "no history"
    for arguments, expected in ((["status"], "at head"), (["history"], kept)):
        shown = program("migrate", *arguments, "--config", str(ini), url=owner.url)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert expected in shown.stdout


def test_the_application_may_read_it_and_not_rewrite_it(
    empty: Database, make_roles: Callable[[Database], Roles]
) -> None:
    roles = make_roles(empty)
    roles.as_("owner").upgrade()
    app = roles.as_("app")
    assert done(app) == done(empty) != []
    for privilege in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
        assert not app.value("SELECT has_table_privilege('migrate_history', :kind)", kind=privilege)


def test_it_is_no_part_of_the_schema_nor_of_the_rows(head: Database) -> None:
    assert rows(head)
    assert "migrate_history" not in head.schema()
    command.check(head.alembic())
    head.execute("DELETE FROM migrate_history")
    with head.engine.begin() as connection:
        assert "migrate_history" not in fill(connection, 10)
    assert rows(head) == []


def test_it_stands_beside_the_version_table_wherever_that_is(empty: Database, chain: Chain) -> None:
    empty.execute('CREATE SCHEMA "An other:x"')
    there = Database(empty.url.update_query_dict({"options": '-csearch_path="An\\ other:x",public'}))
    command.upgrade(calling(chain("SET LOCAL search_path = 'An other:x', public"), there), "head")
    assert done(there) == [("upgrade", "r0")]
    assert empty.column(
        "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'migrate_history'"
    ) == ['"An other:x"']


def test_it_is_listed_for_people_and_for_programs(head: Database) -> None:
    listed = program("migrate", "history", url=head.url)
    assert listed.returncode == 0, listed.stderr
    entries = rows(head)
    assert len(listed.stdout.splitlines()) == len(entries)
    for line, entry in zip(listed.stdout.splitlines(), entries, strict=True):
        assert f"{entry.began:%Y-%m-%d %H:%M:%SZ}  upgrade    {entry.revision}" in line
        assert f"{entry.role} ({entry.os_user}@{entry.host})" in line
    as_json = json.loads(program("migrate", "history", "--json", url=head.url).stdout)
    assert [row["revision"] for row in as_json] == [entry.revision for entry in entries]
    assert as_json[0].keys() == Entry.__dataclass_fields__.keys()


@pytest.fixture
def deployed(empty: Database, chain: Chain) -> Site:
    """A database that was deployed to r1."""
    made = site(empty, chain(TABLE, "ALTER TABLE t ADD COLUMN m integer"))
    code, output = made.deploy("--no-backup", str(empty.url.database))
    assert code == 0, output
    return made


def changed_line(output: str) -> str:
    [line] = [line for line in output.splitlines() if "has changed since it ran here" in line]
    return line


def test_a_file_that_has_changed_since_is_named_until_it_is_back_or_accepted(deployed: Site) -> None:
    path = deployed.folder / "versions/r0.py"
    before = path.read_bytes()
    deploy = ["deploy", "--config", str(deployed.ini), "--yes"]
    status = ["status", "--config", str(deployed.ini)]
    for same in (before, before.replace(b"\n", b"\r\n")):
        path.write_bytes(same)
        for arguments in (deploy, status):
            assert "has changed since" not in deployed.migrate(*arguments)[1]
    path.write_bytes(before + b"# an afterthought\n")
    for arguments in (deploy, status):
        code, output = deployed.migrate(*arguments)
        assert code == 0, output
        assert "the file of r0 has changed" in changed_line(output)
        accept = changed_line(output).rpartition(": ")[2]
    assert "r0" in deployed.migrate("history", "--config", str(deployed.ini))[1].partition("changed since")[0]
    code, output = deployed.typed(accept)
    assert code == 0, output
    for arguments in (deploy, status):
        assert "has changed since" not in deployed.migrate(*arguments)[1]
    assert done(deployed.database)[-1] == ("accept", "r0")
    path.write_bytes(before)
    assert "has changed since" in deployed.migrate(*status)[1]


def test_a_file_that_is_not_applied_may_change(deployed: Site) -> None:
    path = deployed.folder / "versions/r1.py"
    code, output = deployed.migrate("rollback", "--to", "r0", "--config", str(deployed.ini), "--yes")
    assert code == 0, output
    path.write_text(path.read_text() + "# better\n")
    code, output = deployed.migrate("status", "--config", str(deployed.ini))
    assert "has changed since" not in output
    code, output = deployed.migrate("history", "--accept", "r1", "--config", str(deployed.ini))
    assert (code, output) == (1, "error: r1 is not applied: its file may change\n")
    # A script applies it, of which the history knows nothing.
    script = io.StringIO()
    command.upgrade(Config(deployed.folder / "alembic.ini", output_buffer=script), "r0:r1", sql=True)
    path.write_text(path.read_text() + "# better still\n")
    deployed.database.psql(f"ALTER TABLE t DROP COLUMN m;\n{script.getvalue()}")
    assert deployed.heads() == ["r1"]
    assert "has changed since" not in deployed.migrate("status", "--config", str(deployed.ini))[1]


def test_a_squash_is_no_change(deployed: Site) -> None:
    path = deployed.folder / "versions/r1.py"
    path.write_text("# built anew\n" + path.read_text().replace("'r0'", "None"))
    (deployed.folder / "versions/r0.py").unlink()
    code, output = deployed.migrate("status", "--config", str(deployed.ini))
    assert (code, output) == (0, "at head: the database is at r1\nto do: nothing\n")


def test_a_restored_database_has_its_history(deployed: Site) -> None:
    deployed.document("r1", undo="ALTER TABLE t DROP COLUMN m")
    code, output = deployed.migrate("rollback", "--to", "r0", "--config", str(deployed.ini), "--yes")
    assert code == 0, output
    code, output = deployed.deploy()
    assert code == 0, output
    [backup] = deployed.files(".dump")
    code, output = deployed.migrate("rollback", "--backup", str(backup), "--config", str(deployed.ini))
    assert code == 0, output
    address = printed_command(output, "DATABASE_URL=").partition("=")[2]
    restored = Database(deployed.database.url.set(database=address.rpartition("/")[2].partition("?")[0]))
    assert done(restored) == done(deployed.database)[:-1]

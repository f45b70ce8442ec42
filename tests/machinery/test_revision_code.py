"""Whatever the code of a revision does: its end is told as it is, and nothing hangs."""

import subprocess

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from postgres import client
from tests.machinery.production import site, steps
from tests.machinery.support import Chain, Database, python, run, start


@pytest.mark.parametrize(
    "code", ["import sys\nop.execute('CREATE TABLE u ()')\nsys.exit()", "raise SystemExit('no')"]
)
def test_a_revision_that_ends_the_program_has_failed(code: str, empty: Database, chain: Chain) -> None:
    ini = python(chain("CREATE TABLE t ()", "SELECT 1"), code)
    ended, errors = run(empty, "upgrade", "head", ini=ini)
    assert ended not in (0, None)
    assert "was called: the database is at r0, upgrade to r1 (" in errors
    assert errors.endswith("rolled back\n")
    assert empty.tables() == ["t"]


def test_so_has_a_file_that_does_so_when_it_is_read(empty: Database, chain: Chain) -> None:
    ini = chain("CREATE TABLE t ()", "SELECT 1")
    path = ini.parent / "versions/r1.py"
    path.write_text(f"import sys\nsys.exit(0)\n{path.read_text()}")
    ended, errors = run(empty, "upgrade", "head", ini=ini)
    assert ended != 0
    assert "versions/r1.py, line 2: SystemExit: 0: repair the file" in errors


@pytest.mark.parametrize("commit", ["op.get_bind().commit()", "op.execute('COMMIT')"])
def test_what_a_revision_commits_itself_is_not_said_to_be_rolled_back(
    commit: str, empty: Database, chain: Chain
) -> None:
    code = f"op.execute('CREATE TABLE u ()')\n{commit}\nop.execute('SELECT 1 / 0')"
    ini = python(chain("CREATE TABLE t ()", "SELECT 1"), code)
    ended, errors = run(empty, "upgrade", "head", ini=ini)
    assert ended != 0
    assert "the database is at r0, upgrade to r1" in errors
    assert "has committed in the middle, and that stands" in errors
    assert "rolled back" not in errors
    assert empty.tables() == ["t", "u"]


def test_what_comes_after_a_commit_of_the_last_revision_is_kept(empty: Database, chain: Chain) -> None:
    code = "op.execute('CREATE TABLE t ()')\nop.get_bind().commit()\nop.execute('CREATE TABLE u ()')"
    ini = python(chain("SELECT 1"), code, "r0")
    assert run(empty, "upgrade", "head", ini=ini)[0] == 0
    assert (empty.heads(), empty.tables()) == (["r0"], ["t", "u"])


def test_what_a_revision_has_committed_is_not_tried_again(empty: Database, chain: Chain) -> None:
    code = "op.get_bind().commit()\nop.execute(\"DO $$ BEGIN RAISE SQLSTATE '40001'; END $$\")"
    ini = python(chain("SELECT 1"), f"op.execute('CREATE TABLE t ()')\n{code}", "r0")
    _, errors = run(empty, "-x", "pause=10ms", "upgrade", "head", ini=ini)
    assert "already exists" not in errors
    assert "has committed in the middle" in errors


def test_a_revision_may_not_commit_its_callers_transaction(empty: Database, chain: Chain) -> None:
    config = Config(
        python(chain("SELECT 1"), "op.execute('CREATE TABLE t ()')\nop.get_bind().commit()", "r0")
    )
    with empty.engine.begin() as connection:
        config.attributes["connection"] = connection
        with pytest.raises(CommandError, match="this revision commits"):
            command.upgrade(config, "head")
        connection.rollback()
    assert empty.tables() == []


@pytest.mark.parametrize("code", ["op.get_bind().close()", "op.get_bind().invalidate()"])
def test_a_revision_that_gives_its_connection_away_has_failed(
    code: str, empty: Database, chain: Chain
) -> None:
    ini = python(chain("CREATE TABLE t ()", "SELECT 1"), f"op.execute('CREATE TABLE u ()')\n{code}")
    ended, errors = run(empty, "upgrade", "head", ini=ini)
    assert ended != 0
    assert "the database is at r0, upgrade to r1" in errors
    assert empty.tables() == ["t"]


@pytest.mark.parametrize(
    "second",
    [
        "with op.get_bind().engine.begin() as other:\n    other.exec_driver_sql('SELECT n FROM t')",
        "import os, psycopg\npsycopg.connect(os.environ['PLAIN_URL']).execute('SELECT n FROM t')",
    ],
    ids=["engine", "psycopg"],
)
def test_a_second_connection_that_waits_for_the_first_does_not_hang(
    second: str, empty: Database, chain: Chain
) -> None:
    ini = python(chain("CREATE TABLE t (n integer)", "SELECT 1"), f"op.execute('LOCK TABLE t')\n{second}")
    process = start(empty, "upgrade", "head", ini=ini, PLAIN_URL=client.libpq_url(empty.url))
    try:
        _, errors = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail("it hangs")
    assert process.returncode != 0
    assert "a second connection of the revision waited for a lock that its own transaction holds" in errors
    assert "upgrade to r1" in errors
    assert "rolled back" in errors


@pytest.mark.parametrize(
    "code",
    [
        "import sqlalchemy as sa\nop.get_bind().execute(sa.text('SELECT n FROM t')).all()",
        "import sqlalchemy as sa\nsa.inspect(op.get_bind()).get_table_names()",
        "if op.get_context().as_sql:\n    raise SystemExit('not as SQL')",
    ],
    ids=["select", "inspect", "refusal"],
)
def test_a_revision_that_cannot_be_written_as_sql_is_deployed(
    code: str, empty: Database, chain: Chain
) -> None:
    made = site(empty, python(chain("CREATE TABLE t (n integer)", "SELECT 1"), code))
    ended, output = made.deploy()
    assert ended == 0, output
    assert made.heads() == ["r1"]
    assert "not written: it depends on what is in the database (" in output
    assert "versions/r1.py:8: " in output or "versions/r1.py:9: " in output
    assert made.files(".sql") == []


def test_a_setting_that_cannot_be_read_stops_a_deploy_before_its_first_step(
    empty: Database, chain: Chain
) -> None:
    made = site(empty, chain("CREATE TABLE t ()"))
    made.environment["MIGRATE_LOCK_TIMEOUT"] = "soon"
    code, output = made.deploy()
    assert code == 1
    assert "MIGRATE_LOCK_TIMEOUT: 'soon' is not" in output
    assert steps(output) == []


def test_a_deploy_of_a_revision_that_ends_the_program_fails(empty: Database, chain: Chain) -> None:
    made = site(empty, python(chain("CREATE TABLE t ()", "SELECT 1"), "import sys\nsys.exit()"))
    code, output = made.deploy()
    assert code == 1
    assert "deploy stopped in step 7/10 (upgrade): sys.exit() was called: the database is at r0" in output
    assert "Applied: r0." in output

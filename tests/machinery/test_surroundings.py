"""What surrounds a run: streams and terminals that are not there, a full server, a table that is locked."""

import errno
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import text

from database import ROOT
from migrate.operate import hooks
from migrate.operate.operation import read_config
from migrate.run import connection
from migrate.run.signals import interruptible
from postgres import client
from tests.machinery.production import Site, site
from tests.machinery.support import (
    Chain,
    Database,
    OwnServer,
    database_of,
    program,
    python,
    run,
    start,
    wait_for,
)

SLOW = "SELECT pg_sleep(1.5)"  # long enough for progress to be shown


def shell(made: Site, command: str) -> tuple[int, str]:
    """Run a command line; return its exit code and what it said, where it could."""
    process = made.popen(["bash", "-c", command])
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_change_nothing(closed: str, empty: Database, chain: Chain) -> None:
    made = site(empty, chain("CREATE TABLE t ()", SLOW))
    code, output = shell(made, f"python -m alembic -c {made.folder}/alembic.ini upgrade r0 {closed}")
    assert (code, empty.heads()) == (0, ["r0"]), output
    code, output = shell(made, f"python -m migrate deploy --config {made.ini} {closed}")
    assert (code, empty.heads()) == (1, ["r0"]), output
    assert "give --yes" in made.files(".log")[-1].read_text()
    code, output = shell(made, f"python -m migrate deploy --config {made.ini} --yes {closed}")
    assert (code, empty.heads()) == (0, ["r1"]), output


@pytest.mark.parametrize("command", ["upgrade head --sql", "current"])
def test_alembic_takes_a_closed_output_too(command: str, head: Database, chain: Chain) -> None:
    made = site(head, chain("SELECT 1"))
    assert shell(made, f"python -m alembic {command} >&-")[0] == 0


@pytest.mark.parametrize(
    "command", ["alembic upgrade head --sql", "alembic current", "migrate status", "unbuffered"]
)
def test_a_full_disk_behind_the_output_gets_one_line(command: str, head: Database, chain: Chain) -> None:
    made = site(head, chain("SELECT 1"))
    unbuffered, command = command == "unbuffered", command.replace("unbuffered", "alembic upgrade head --sql")
    made.environment["PYTHONUNBUFFERED"] = "1" if unbuffered else ""
    code, output = shell(made, f"python -m {command} 2>&1 >/dev/full | grep -v INFO; exit ${{PIPESTATUS[0]}}")
    assert code not in (0, 120), output
    assert "the output cannot be written: No space left on device" in output
    assert "Traceback" not in output
    assert "ignored" not in output


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["alembic -c {}/alembic.ini upgrade head", "migrate deploy --config {} --yes"]
)
def test_a_run_goes_on_when_its_terminal_is_gone(command: str, empty: Database, chain: Chain) -> None:
    notices = "FOR i IN 1..20 LOOP RAISE NOTICE '% of 20 rows', i; PERFORM pg_sleep(0.05); END LOOP"
    made = site(empty, chain(SLOW, f"DO $$ BEGIN {notices}; END $$", "CREATE TABLE t ()"))
    master, slave = pty.openpty()
    command = command.format(made.ini if "deploy" in command else made.folder)
    process = subprocess.Popen(
        ["bash", "-c", f"trap '' HUP; python -m {command}"],
        cwd=ROOT, env=made.env(), stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    wait_for(lambda: empty.running(f"{SLOW}%"))
    os.close(master)
    assert process.wait(60) == 0
    assert empty.heads() == ["r2"]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["status"], ["deploy", "--dry-run", "--json"], ["history"], ["smoke"]])
def test_a_name_that_the_terminals_encoding_lacks_is_printed(
    arguments: list[str], empty: Database, chain: Chain
) -> None:
    made = site(empty, chain("CREATE TABLE t ()"))
    made.document("r0", Locks="文")
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    made.environment.update(locale)
    done = subprocess.run(
        [sys.executable, "-m", "migrate", *arguments, "--config", str(made.ini)],
        cwd=ROOT, env=made.env(), capture_output=True, text=True,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    if "--json" in arguments:
        assert json.loads(done.stdout)["pending"][0]["locks"] == "文 (not measured)"


def test_what_a_revision_prints_is_no_part_of_the_plan(empty: Database, chain: Chain) -> None:
    ini = python(chain("CREATE TABLE t ()", "SELECT 1"), "print('hello')")
    made = site(empty, ini)
    done = program(
        "migrate", "deploy", "--config", str(made.ini), "--dry-run", "--json",
        url=empty.url, MIGRATE_LOG=os.devnull,
    )  # fmt: skip
    assert [each["revision"] for each in json.loads(done.stdout)["pending"]] == ["r0", "r1"]
    assert "hello" in done.stderr


@pytest.mark.parametrize("table", ["alembic_version", "migrate_history"])
def test_a_lock_on_its_own_tables_is_told(
    table: str, empty: Database, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LOCK_TIMEOUT", "SET lock_timeout = '100ms'")
    ini = chain("CREATE TABLE t ()", "CREATE TABLE u ()")
    assert run(empty, "upgrade", "r0", ini=ini)[0] == 0
    made = site(empty, ini)
    with empty.engine.begin() as other:
        other.execute(text(f"LOCK TABLE {table}"))
        code, output = made.migrate("status", "--config", str(made.ini))
        assert code == 1
        assert output == (
            "error: canceling statement due to lock timeout; "
            "end the session that holds the lock, or run again when it has ended\n"
        )
        if table == "alembic_version":
            code, errors = run(empty, "upgrade", "head", ini=ini)
            assert code != 0
            assert "end the session that holds the lock" in errors
            assert "Traceback" not in errors
    assert empty.heads() == ["r0"]


def test_a_role_that_may_have_one_connection_is_told_that_it_needs_two(empty: Database, chain: Chain) -> None:
    role = f"{empty.url.database}_one"
    empty.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'x' CONNECTION LIMIT 1")
    empty.execute(f'GRANT ALL ON SCHEMA public TO "{role}"')
    try:
        one = Database(empty.url.set(username=role, password="x"))
        code, errors = run(one, "upgrade", "head", ini=chain("CREATE TABLE t ()"))
    finally:
        empty.execute(f'DROP OWNED BY "{role}"')
        empty.execute(f'DROP ROLE "{role}"')
    assert code != 0
    assert "too many connections for role" in errors
    assert "a run needs two connections" in errors


def test_where_a_revision_without_a_file_appears_the_failure_is_told_too(
    empty: Database, chain: Chain
) -> None:
    made = site(empty, chain("CREATE TABLE t ()", "SELECT 1"))
    assert made.deploy("--to", "r0")[0] == 0
    psql = f"{client.binary('psql', empty.url)} {client.libpq_url(empty.url)}"
    made.configure(on_start=f"{psql} -c \"UPDATE alembic_version SET version_num = 'newer'\"")
    code, output = made.deploy()
    assert code == 1
    assert "deploy stopped in step 7/10 (upgrade): the database is at newer, and no file here has" in output
    assert f"The database {empty.url.database} is at newer, and no file here has that revision." in output
    assert "pplied:" not in output


def test_no_room_for_the_output_of_on_finish_hides_no_failure(
    empty: Database, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = site(empty, chain("SELECT 1 / 0"))
    made.configure(on_finish="true")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hooks, "execute", full)
    code, output = made.deploy()
    assert code == 1
    assert "deploy stopped in step 7/10 (upgrade): division by zero" in output
    assert "on_finish failed too, so maintenance mode may still be on: [Errno 28] No space left" in output


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_a_hook_that_ignores_the_end_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(client, "END_SECONDS", 0.2)
    pid = tmp_path / "pid"
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        with interruptible():
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            with pytest.raises(KeyboardInterrupt):
                hooks.execute(f"trap '' TERM; echo $$ > {pid}; sleep 60")
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"nonsense\n", "File contains no section headers."),
        (b"[alembic]\nnonsense\n", "Source contains parsing errors: "),
        (b"[alembic]\na = 1\na = 2\n", "option 'a' in section 'alembic' already exists"),
        (b"[alembic]\na = \xff\n", "codec can't decode byte 0xff"),
        (b"", "No 'script_location' key found in configuration"),
    ],
)
def test_what_is_no_ini_file_gets_one_line(
    content: bytes, complaint: str, head: Database, tmp_path: Path
) -> None:
    path = tmp_path / "odd.ini"
    path.write_bytes(content)
    done = program("migrate", "status", "--config", str(path), url=head.url)
    [line] = done.stderr.splitlines()
    assert done.returncode == 1
    assert complaint in line


def test_an_ini_file_that_is_not_there_is_not_taken_for_one_without_rules(head: Database) -> None:
    done = program("migrate", "smoke", "--config", "production.in", url=head.url)
    assert done.returncode == 1
    assert "production.in is not there" in done.stderr


def test_nor_is_one_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "production.ini"
    path.write_text("[database]\nrequire_tls = yes\n")

    def denied(*_: object, **__: object) -> None:  # root may read any file
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    monkeypatch.setattr("builtins.open", denied)
    with pytest.raises(CommandError, match=r"production\.ini cannot be read: Permission denied"):
        read_config(path)


def test_a_failure_before_the_first_statement_of_a_revision_commits_nothing(
    empty: Database, chain: Chain
) -> None:
    empty.execute(f'ALTER DATABASE "{empty.url.database}" SET search_path = nowhere')
    code, errors = run(empty, "upgrade", "head", ini=chain("CREATE TABLE t ()"))
    assert code != 0
    assert "no schema has been selected to create in: the database is at base, upgrade to r0" in errors
    assert "rolled back" in errors


def test_a_password_in_the_command_of_a_hook_is_not_shown(empty: Database, chain: Chain) -> None:
    made = site(empty, chain("SELECT 1"))
    made.configure(on_start=f"true {empty.url.password}", on_finish=f"false {empty.url.password}")
    _, output = made.deploy()
    assert "done: true ***" in output
    assert "`false ***` failed with exit code 1" in output
    made.ini.write_text("")
    assert str(empty.url.password) not in output + made.written()


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [False, True])
def test_a_commit_that_waits_for_a_standby_is_told(
    stopped: bool, own_server: OwnServer, chain: Chain
) -> None:
    database = database_of(own_server)
    ini = chain("CREATE TABLE t ()", "CREATE TABLE u ()")
    assert run(database, "upgrade", "r0", ini=ini)[0] == 0
    require(database, "nobody")
    process = start(database, "upgrade", "head", ini=ini)
    wait_for(lambda: database.query("SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))
    time.sleep(6)
    if stopped:
        process.send_signal(signal.SIGINT)
    else:
        require(database, "")
    _, errors = process.communicate(timeout=60)
    assert "the commit waits for a standby of synchronous_standby_names" in errors
    assert (process.returncode == 0) is not stopped
    if stopped:  # the server has committed, and says that no standby has it
        assert "stopped on request: the database is at r1" in errors
    require(database, "")
    assert database.heads() == ["r1"]


def require(database: Database, standby: str) -> None:
    """Have every commit wait for a standby; "" for none."""
    engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'"))
        connection.execute(text("SELECT pg_reload_conf()"))


@pytest.mark.slow
@pytest.mark.parametrize("patient", [False, True])
def test_of_two_deploys_the_second_waits_before_its_on_start(
    patient: bool, empty: Database, chain: Chain
) -> None:
    empty.execute("CREATE TABLE go ()")
    until = "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM go) LOOP PERFORM pg_sleep(0.1); END LOOP; END $$"
    made = site(empty, chain(until))
    trail = made.folder / "trail"
    made.configure(on_start=f"echo start $WHO >> {trail}", on_finish=f"echo finish $WHO >> {trail}")
    made.environment["WHO"] = "first"
    first = made.start("deploy", "--config", str(made.ini), "--yes")
    wait_for(lambda: empty.running("DO $$ BEGIN WHILE%"))
    made.environment |= {"WHO": "second", "MIGRATE_RUNNER_WAIT": "1min" if patient else "100ms"}
    second = made.start("deploy", "--config", str(made.ini), "--yes")
    if patient:
        wait_for(lambda: "waiting for another run" in made.files(".log")[-1].read_text())
    else:
        said, _ = second.communicate(timeout=60)
        assert second.returncode == 1
        assert "stopped in step 6/10 (on_start): another run of the migrations has not ended in 0.1 s" in said
        assert "Nothing has been changed." in said
    empty.execute("INSERT INTO go DEFAULT VALUES")
    output, _ = first.communicate(timeout=60)
    assert first.returncode == 0, output
    done = ["start first", "finish first"]
    if patient:
        said, _ = second.communicate(timeout=60)
        assert second.returncode == 0, said
        done += ["start second", "finish second"]
    assert trail.read_text().splitlines() == done


@pytest.mark.parametrize("arguments", [["status"], ["history"]])
def test_a_role_without_rights_gets_one_line(arguments: list[str], head: Database) -> None:
    role = f"{head.url.database}_none"
    head.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'x'")
    try:
        done = program("migrate", *arguments, url=head.url.set(username=role, password="x"))
    finally:
        head.execute(f'DROP ROLE "{role}"')
    [line] = done.stderr.splitlines()
    assert done.returncode == 1
    assert "permission denied for table alembic_version; grant it to the role" in line


def test_where_the_revision_may_not_be_read_the_server_is_not_said_to_be_gone(
    head: Database, chain: Chain
) -> None:
    role = f"{head.url.database}_none"
    made = site(Database(head.url.set(username=role, password="x")), chain("SELECT 1"))
    head.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'x'")
    try:
        code, output = made.migrate("rollback", "--to", "base", "--yes", "--config", str(made.ini))
    finally:
        head.execute(f'DROP ROLE "{role}"')
    assert code == 1
    assert "current tells the revision of the database" in output
    assert "cannot be reached" not in output


@pytest.mark.slow
def test_a_database_that_closes_meanwhile_is_told_by_the_settings_of_the_user(
    empty: Database, chain: Chain
) -> None:
    made = site(empty, chain("SELECT 1"))
    other = client.libpq_url(empty.url.set(database="postgres"))
    close = f'ALTER DATABASE \\"{empty.url.database}\\" ALLOW_CONNECTIONS false'
    made.configure(on_start=f'{client.binary("psql", empty.url)} {other} -c "{close}"')
    code, output = made.deploy()
    assert code == 1
    assert "stopped in step 7/10 (upgrade): cannot connect to" in output
    assert "DATABASE_URL or MIGRATION_DATABASE_URL)" in output
    assert "config.attributes" not in output

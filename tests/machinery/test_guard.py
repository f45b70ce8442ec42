"""What happens around a migration, with real processes on a real server."""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text

from database import ROOT, environments
from migrate.run import progress
from migrate.run.runner import single_runner
from migrate.run.settings import Settings
from migrate.run.statements import PATIENT
from tests.machinery.support import (
    SESSIONS,
    Database,
    OwnServer,
    Server,
    database_of,
    run,
    start,
    upgrade_despite_kills,
    wait_for,
)

# A statement that waits until the test has let go of the same lock.
GATE = "SELECT pg_advisory_lock(1)"


@contextmanager
def transaction(database: Database, statement: str) -> Iterator[Connection]:
    """A session that has run the statement, and stays in its transaction."""
    with database.engine.connect() as connection:
        connection.execute(text(statement))
        yield connection
        connection.rollback()


def failure(database: Database, ini: Path) -> str:
    """Upgrade, which fails, and return the one line that says so."""
    code, errors = run(database, "upgrade", "head", ini=ini)
    assert code != 0
    assert "Traceback" not in errors
    [line] = [line for line in errors.splitlines() if line.startswith("ERROR")]
    return line


def applied(errors: list[str]) -> list[str]:
    return re.findall(r"Running upgrade \S* ?-> (\w+)", "\n".join(errors))


# One runner


def test_of_five_runs_at_once_one_works_and_all_succeed(empty: Database, chain: Callable[..., Path]) -> None:
    ini = chain(
        "CREATE TABLE t (n integer); INSERT INTO t SELECT generate_series(1, 100000)",
        "AUTOCOMMIT CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (n)",
        "ALTER TABLE t ADD COLUMN m integer",
    )
    assert run(empty, "upgrade", "r0", ini=ini)[0] == 0
    processes = [start(empty, "upgrade", "head", ini=ini) for _ in range(5)]
    errors = [process.communicate(timeout=180)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 5, errors
    # A waiting run that held a snapshot would keep the build from ending.
    assert sorted(applied(errors)) == ["r1", "r2"]
    assert empty.heads() == ["r2"]


def test_a_run_that_has_found_nothing_to_do_does_nothing(
    empty: Database, chain: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # In the moment after it has looked, another run goes down.
    monkeypatch.setattr("migrate.run.guard.planned", lambda _migration: [])
    config = Config(chain("CREATE TABLE t (n integer)"))
    config.attributes["connection"] = empty.engine
    command.upgrade(config, "head")
    assert empty.query("SELECT to_regclass('t'), to_regclass('alembic_version')") == [(None, None)]


def test_who_waits_says_for_whom(empty: Database) -> None:
    with single_runner(empty.engine, "alembic_version", wait=0):
        process = start(empty, "upgrade", "head")
        assert process.stderr
        line = next(line for line in process.stderr if "waiting" in line)
    _, errors = process.communicate(timeout=60)
    assert re.search(
        r"waiting for another run of the migrations: pid \d+ \(alembic \S+:\d+\), since 20\d\d-", line
    )
    assert process.returncode == 0, errors


def test_waiting_ends_in_a_clear_error(empty: Database) -> None:
    with single_runner(empty.engine, "alembic_version", wait=0):
        code, errors = run(empty, "-x", "runner_wait=500ms", "upgrade", "head")
    assert code != 0
    assert re.search(r"ERROR .* another run of the migrations has not ended in 0.5 s: pid \d+", errors)
    assert empty.tables() == []


@pytest.mark.parametrize(
    "command",
    [["upgrade", "head"], ["current"], ["history"], ["heads"], ["check"], ["upgrade", "head", "--sql"]],
    ids=" ".join,
)
def test_what_changes_nothing_does_not_wait(command: list[str], head: Database) -> None:
    with single_runner(head.engine, "alembic_version", wait=0):
        code, errors = run(head, "-x", "runner_wait=0", *command)
    assert code == 0, errors


def test_runs_on_different_version_tables_do_not_wait_for_each_other(empty: Database) -> None:
    with single_runner(empty.engine, "one", wait=0), single_runner(empty.engine, "other", wait=0):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("who", ["waiter", "holder"])
def test_a_session_that_is_ended_while_one_waits_for_the_other_is_no_traceback(
    who: str, empty: Database, chain: Callable[..., Path]
) -> None:
    ini = chain("CREATE TABLE t (n integer)")
    with suppress(CommandError), single_runner(empty.engine, "alembic_version", wait=0) as holder:
        process = start(empty, "upgrade", "head", ini=ini)
        assert process.stderr
        next(line for line in process.stderr if "waiting" in line)
        named = empty.query(
            "SELECT application_name, pid FROM pg_stat_activity WHERE application_name LIKE 'alembic %:%' "
            "AND datname = current_database()"
        )
        own = f":{os.getpid()}"
        [pid] = [pid for name, pid in named if name.endswith(own) == (who == "holder")]
        empty.query("SELECT pg_terminate_backend(:pid)", pid=pid)
        _, errors = process.communicate(timeout=60)
        if who == "waiter":
            holder.check()
        else:
            with pytest.raises(CommandError, match="is lost"):
                holder.check()
    assert "Traceback" not in errors
    assert (process.returncode == 0) == (who == "holder"), errors
    if who == "waiter":
        assert re.search(
            r"ERROR .* this run was waiting for its turn, and has changed nothing; run again", errors
        )
    assert empty.tables() == ([] if who == "waiter" else ["t"])


# Short waits, and another try


def test_readers_go_on_while_a_run_waits_for_its_lock(empty: Database, chain: Callable[..., Path]) -> None:
    ini = chain("CREATE TABLE t (n integer)", "ALTER TABLE t ADD COLUMN m integer")
    assert run(empty, "upgrade", "r0", ini=ini)[0] == 0
    with (
        transaction(empty, "LOCK TABLE t IN ROW EXCLUSIVE MODE"),
        transaction(empty, "SET lock_timeout = '30s'") as reader,
    ):
        process = start(empty, "-x", "lock_timeout=300ms", "-x", "pause=10ms", "upgrade", "head", ini=ini)
        for _ in range(3):  # behind the waiting ALTER, and let through though the transaction is open
            wait_for(lambda: empty.running("ALTER TABLE t ADD COLUMN%"))
            reader.execute(text("SELECT n FROM t"))
            reader.commit()
        assert process.poll() is None
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "blocked by pid" in errors


def test_a_blocking_session_is_named_but_not_its_query(empty: Database, chain: Callable[..., Path]) -> None:
    ini = chain("CREATE TABLE t (n integer)", "ALTER TABLE t ADD COLUMN m integer")
    run(empty, "upgrade", "r0", ini=ini)
    arguments = ["-x", "lock_timeout=1s", "-x", "attempts=2", "-x", "pause=10ms", "upgrade", "head"]
    with transaction(empty, "INSERT INTO t VALUES (4711)"):
        code, errors = run(empty, *arguments, ini=ini)
        _, with_queries = run(empty, "-x", "show_queries=yes", *arguments, ini=ini)
    assert code != 0
    assert re.search(r"blocked by pid \d+ \(idle in transaction for \d+ s, no name\): try 2 of 2 in", errors)
    last = errors.splitlines()[-1]
    assert "canceling statement due to lock timeout, 2 times, blocked by pid" in last
    assert "the database is at r0, upgrade to r1" in last
    assert "rolled back; end what blocks it" in last
    assert "4711" not in errors
    assert "INSERT INTO t VALUES (4711)" in with_queries


@pytest.fixture
def owner(empty: Database) -> Iterator[Database]:
    """The database as a role that owns its tables, and may not look into the sessions of others."""
    name = f"{empty.url.database}_owner"
    empty.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{name}'")
    empty.execute(f'GRANT CREATE ON SCHEMA public TO "{name}"')
    yield Database(empty.url.set(username=name, password=name))
    empty.execute(f'DROP OWNED BY "{name}"')
    empty.execute(f'DROP ROLE "{name}"')


def test_a_session_that_one_may_not_look_into_is_said_to_be_that(
    owner: Database, empty: Database, chain: Callable[..., Path]
) -> None:
    ini = chain("CREATE TABLE t (n integer)", "ALTER TABLE t ADD COLUMN m integer")
    assert run(owner, "upgrade", "r0", ini=ini)[0] == 0
    with transaction(empty, "LOCK TABLE t IN ROW EXCLUSIVE MODE") as other:
        other.execute(text("SET application_name = 'report'"))
        code, errors = run(owner, "-x", "lock_timeout=1s", "-x", "attempts=1", "upgrade", "head", ini=ini)
    assert code != 0
    assert re.search(
        r"blocked by pid \d+ \(report, of the role postgres, whose sessions this one may not look into\):",
        errors,
    )


@pytest.mark.slow
def test_a_prepared_transaction_that_blocks_is_named(
    own_server: OwnServer, chain: Callable[..., Path]
) -> None:
    own_server.stop()
    with (own_server.data / "postgresql.auto.conf").open("a") as settings:
        settings.write("max_prepared_transactions = 1\n")
    own_server.start()
    database = database_of(own_server)
    ini = chain("CREATE TABLE t (n integer)", "ALTER TABLE t ADD COLUMN m integer")
    assert run(database, "upgrade", "r0", ini=ini)[0] == 0
    with transaction(database, "INSERT INTO t VALUES (1)") as other:
        other.execute(text("PREPARE TRANSACTION 'forgotten'"))
    code, errors = run(database, "-x", "lock_timeout=1s", "-x", "attempts=1", "upgrade", "head", ini=ini)
    assert code != 0
    assert re.search(r"blocked by prepared transaction 'forgotten' \(of postgres, for \d+ s\):", errors)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
        other.execute(text("ROLLBACK PREPARED 'forgotten'"))
    assert run(database, "upgrade", "head", ini=ini)[0] == 0


@pytest.mark.slow
def test_a_deadlock_is_tried_again(empty: Database, chain: Callable[..., Path]) -> None:
    ini = chain(
        "CREATE TABLE a (n integer); CREATE TABLE b (n integer)",
        f"ALTER TABLE a ADD COLUMN m integer; {GATE}; ALTER TABLE b ADD COLUMN m integer",
    )
    run(empty, "upgrade", "r0", ini=ini)
    with transaction(empty, GATE) as other:
        process = start(empty, "-x", "lock_timeout=60s", "-x", "pause=10ms", "upgrade", "head", ini=ini)
        wait_for(lambda: empty.running(GATE))
        other.execute(text("SET deadlock_timeout = '60s'"))  # so that it is the run that gives way
        other.execute(text("LOCK TABLE b"))
        other.execute(text("SELECT pg_advisory_unlock(1)"))
        other.execute(text("LOCK TABLE a"))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "deadlock detected" in errors


@pytest.mark.slow
def test_after_a_failed_try_a_relative_target_means_the_same(
    empty: Database, chain: Callable[..., Path]
) -> None:
    ini = chain(
        "CREATE TABLE t (n integer)", "SELECT 1", "ALTER TABLE t ADD COLUMN m integer", "SELECT 1", "SELECT 1"
    )
    run(empty, "upgrade", "r0", ini=ini)
    with transaction(empty, "INSERT INTO t VALUES (1)"):
        process = start(empty, "-x", "lock_timeout=200ms", "-x", "pause=10ms", "upgrade", "+2", ini=ini)
        assert process.stderr
        next(line for line in process.stderr if "try 2" in line)
    process.communicate(timeout=60)
    assert empty.column("SELECT version_num FROM alembic_version") == ["r2"]


def test_limits_hold_inside_an_autocommit_block(empty: Database, chain: Callable[..., Path]) -> None:
    ini = chain("CREATE TABLE t (n integer)", "AUTOCOMMIT ALTER TABLE t ADD COLUMN IF NOT EXISTS m integer")
    run(empty, "upgrade", "r0", ini=ini)
    with transaction(empty, "INSERT INTO t VALUES (1)"):
        code, errors = run(empty, "-x", "lock_timeout=100ms", "-x", "attempts=1", "upgrade", "head", ini=ini)
    assert code != 0
    assert "stopped half-way, and can be run again as it is" in errors


@pytest.mark.slow
def test_a_build_waits_longer_than_the_limit_for_locks(empty: Database, chain: Callable[..., Path]) -> None:
    ini = chain("CREATE TABLE t (n integer)", "AUTOCOMMIT CREATE INDEX CONCURRENTLY i ON t (n)")
    run(empty, "upgrade", "r0", ini=ini)
    with transaction(empty, "INSERT INTO t VALUES (1)"):
        process = start(empty, "-x", "lock_timeout=100ms", "upgrade", "head", ini=ini)
        wait_for(lambda: empty.running("CREATE INDEX CONCURRENTLY%"))
        patient = f"{SESSIONS} AND now() - query_start > interval '500 ms' AND query LIKE 'CREATE INDEX%'"
        wait_for(lambda: process.poll() is not None or empty.query(patient))
        assert process.poll() is None
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "try 2" not in errors


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX CONCURRENTLY i ON t (n)",
        "\n  create unique index concurrently i on t (n)",
        "DROP INDEX CONCURRENTLY IF EXISTS i",
        "REINDEX INDEX CONCURRENTLY i",
        "REINDEX (VERBOSE) TABLE CONCURRENTLY t",
        "ALTER TABLE t VALIDATE CONSTRAINT c",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
    ],
)
def test_statements_that_hold_up_nobody_are_patient(statement: str) -> None:
    assert PATIENT.match(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX i ON t (n)",
        "DROP INDEX i",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (n > 0) NOT VALID",
        "ALTER TABLE t DETACH PARTITION p",
        "DROP TABLE t",
        "DO $$ BEGIN UPDATE t SET n = 1; END $$",
        "ALTER TABLE done ADD COLUMN n integer",
    ],
)
def test_statements_that_traffic_queues_behind_are_not(statement: str) -> None:
    assert not PATIENT.match(statement)


def test_the_sql_sets_the_limits_too(chain: Callable[..., Path]) -> None:
    ini = chain("CREATE TABLE t (n integer)", "AUTOCOMMIT CREATE INDEX CONCURRENTLY i ON t (n)", "SELECT 1")
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "-c", ini, "-x", "lock_timeout=3s", "upgrade", "head", "--sql"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    limits = done.stdout.partition("BEGIN;")[0]
    assert "'idle_in_transaction_session_timeout', '0'" in limits
    assert "SET lock_timeout = '3000ms';" in limits
    build = done.stdout.index("CREATE INDEX CONCURRENTLY")
    before, after = done.stdout[:build], done.stdout[build:]
    assert before.rstrip().endswith("SET lock_timeout = '0ms';")
    assert re.match(r"[^;]*;\s*SET lock_timeout = '3000ms';", after)


# When something ends in the middle


def test_a_revision_that_fails_is_named_with_where_the_database_is(
    empty: Database, chain: Callable[..., Path]
) -> None:
    ini = chain("CREATE TABLE t (n integer)", "CREATE TABLE u (n integer); SELECT 1 / 0", "SELECT 1")
    line = failure(empty, ini)
    assert "division by zero: the database is at r0, upgrade to r1 (" in line
    assert line.endswith("r1.py) rolled back")
    assert empty.tables() == ["t"]


@pytest.mark.slow
@pytest.mark.parametrize("who", ["the migration", "the lock"])
def test_a_lost_connection_stops_the_run_before_the_next_revision(
    who: str, empty: Database, chain: Callable[..., Path]
) -> None:
    ini = chain("CREATE TABLE t (n integer)", GATE, "CREATE TABLE u (n integer)")
    with transaction(empty, GATE):
        process = start(empty, "-x", "lock_timeout=60s", "upgrade", "head", ini=ini)
        wait_for(lambda: empty.running(GATE))
        victims = {
            "the migration": empty.running(GATE),
            "the lock": empty.column(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name LIKE 'alembic %:%'"
            ),
        }[who]
        assert len(victims) == 1
        empty.query("SELECT pg_terminate_backend(:pid)", pid=victims[0])
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in errors
    assert {"the migration": "the database is at r0", "the lock": "is lost: stopped"}[who] in errors
    assert empty.tables() == ["t"]
    code, errors = run(empty, "upgrade", "head", ini=ini)
    assert code == 0, errors
    assert empty.tables() == ["t", "u"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "mode"), [("", "fast"), ("AUTOCOMMIT", "immediate")], ids=["transactional", "autocommit"]
)
def test_a_server_that_restarts_in_the_middle_stops_the_run_and_the_next_one_goes_on(
    kind: str, mode: str, own_server: OwnServer, chain: Callable[..., Path]
) -> None:
    database = database_of(own_server)
    ini = chain(
        "CREATE TABLE t (n integer); CREATE TABLE pause AS SELECT 60 AS seconds",
        f"{kind} CREATE TABLE IF NOT EXISTS u (n integer); SELECT pg_sleep(seconds) FROM pause;"
        "INSERT INTO t VALUES (1)",
    )
    process = start(database, "upgrade", "head", ini=ini)
    wait_for(lambda: database.running("%pg_sleep%"))
    own_server.execute("pg_ctl", "stop", "--wait", f"--mode={mode}", f"--pgdata={own_server.data}")
    own_server.start()
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in errors
    assert "the database is at r0, upgrade to r1" in errors
    assert "run again when the server is back" in errors
    assert database.tables() == (["pause", "t", "u"] if kind else ["pause", "t"])
    database.execute("UPDATE pause SET seconds = 0")
    code, errors = run(database, "upgrade", "head", ini=ini)
    assert code == 0, errors
    assert database.column("SELECT n FROM t") == [1]


AUTOVACUUM = "SELECT pid FROM pg_stat_progress_vacuum WHERE relid = CAST('t' AS regclass)"


def test_no_traffic_queues_behind_a_statement_that_waits_for_autovacuum(
    own_server: OwnServer, chain: Callable[..., Path]
) -> None:
    database = database_of(own_server)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ALTER SYSTEM SET autovacuum_naptime = '1s'"))
        connection.execute(text("SELECT pg_reload_conf()"))
    # Autovacuum begins with t at once, again and again, and would take minutes each time.
    database.execute(
        "CREATE TABLE t (n integer PRIMARY KEY, m integer) WITH (autovacuum_vacuum_threshold = 0, "
        "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100, "
        "autovacuum_vacuum_cost_limit = 1)"
    )
    database.execute("CREATE TABLE u (n integer REFERENCES t)")
    database.execute("INSERT INTO t SELECT generate_series(1, 100000)")
    database.execute("DELETE FROM t WHERE n % 2 = 0")
    statements = (
        "ALTER TABLE t ADD COLUMN x integer",
        "CREATE INDEX i ON t (m)",
        "DROP TABLE u",
        "DROP INDEX i",
        "AUTOCOMMIT ALTER TABLE IF EXISTS public.t ADD COLUMN y integer",
    )
    ini = chain(*statements)
    for statement in statements:
        wait_for(lambda: database.query(AUTOVACUUM), seconds=60)
        waits: set[str] = set()
        process = start(database, "upgrade", "+1", ini=ini)
        while process.poll() is None:
            waits.update(
                database.column("SELECT mode FROM pg_locks WHERE NOT granted AND locktype = 'relation'")
            )
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert waits == {"ShareUpdateExclusiveLock"}, statement


@pytest.mark.slow
def test_an_autovacuum_that_does_not_give_way_is_named_to_any_role(
    own_server: OwnServer, chain: Callable[..., Path]
) -> None:
    own_server.stop()
    with (own_server.data / "postgresql.auto.conf").open("a") as settings:
        settings.write("autovacuum_naptime = 1\nautovacuum_freeze_max_age = 100000\n")
    own_server.start()
    database = database_of(own_server)
    database.execute("CREATE ROLE owner LOGIN PASSWORD 'owner'")
    database.execute("GRANT CREATE ON SCHEMA public TO owner")
    owner = Database(database.url.set(username="owner", password="owner"))
    ini = chain(
        "CREATE TABLE t (n integer) WITH (autovacuum_vacuum_cost_delay = 100, "
        "autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_insert_threshold = -1, "
        "autovacuum_analyze_threshold = 1000000)",
        "ALTER TABLE t ADD COLUMN m integer",
    )
    assert run(owner, "upgrade", "r0", ini=ini)[0] == 0
    database.execute("INSERT INTO t SELECT generate_series(1, 100000)")
    database.execute("CREATE TABLE writes ()")
    database.execute(  # each block is a subtransaction, with a number of its own
        "DO $$ BEGIN FOR i IN 1..101000 LOOP BEGIN INSERT INTO writes DEFAULT VALUES; EXCEPTION "
        "WHEN others THEN END; END LOOP; END $$"
    )
    wait_for(lambda: database.query(AUTOVACUUM), seconds=120)
    for who in (owner, database):
        arguments = ["-x", "patient_lock_timeout=3s", "-x", "attempts=1", "upgrade", "head"]
        code, errors = run(who, *arguments, ini=ini)
        assert code != 0
        assert re.search(
            r"blocked by pid \d+ \(autovacuum of t( for \d+ s)?, to prevent wraparound", errors
        ), errors


@pytest.mark.parametrize("known_by", ["text", "ledger"])
def test_before_traffic_is_held_up_all_tables_are_asked_for_parents_first(
    known_by: str, empty: Database, chain: Callable[..., Path]
) -> None:
    statements = {
        "text": "LOCK TABLE child, parent",
        "ledger": "DO $$ BEGIN EXECUTE 'LOCK TABLE child'; EXECUTE 'LOCK TABLE parent'; END $$",
    }
    ini = chain("CREATE TABLE parent (n integer PRIMARY KEY)", statements[known_by])
    assert run(empty, "upgrade", "r0", ini=ini)[0] == 0
    empty.execute("CREATE TABLE child (n integer REFERENCES parent)")
    if known_by == "ledger":
        did = {"blocks": {"child": "reads", "parent": "reads"}}
        ledger = {"revisions": {"r1": {"upgrade": did, "downgrade": None}}}
        (ini.parent / "versions/ledger.json").write_text(json.dumps(ledger))
    locks = (
        "SELECT relation::regclass::text, mode FROM pg_locks WHERE granted = :granted AND relation > 16383"
    )
    with transaction(empty, "LOCK TABLE parent IN SHARE UPDATE EXCLUSIVE MODE"):
        process = start(empty, "-x", "lock_timeout=100ms", "upgrade", "head", ini=ini)
        wait_for(lambda: process.poll() is not None or empty.query(locks, granted=False))
        for _ in range(5):  # it waits longer than its limit
            assert empty.query(locks, granted=False) == [("parent", "ShareUpdateExclusiveLock")]
            assert not [held for held in empty.query(locks, granted=True) if held[0] == "child"]
            time.sleep(0.1)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


LIMITS = {
    "statement_timeout": "1s",
    "transaction_timeout": "1s",
    "idle_in_transaction_session_timeout": "1s",
    "idle_session_timeout": "1s",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "quote_all_identifiers": "on",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_that_somebody_has_set_on_the_database_does_not_end_a_run(
    name: str, empty: Database, chain: Callable[..., Path]
) -> None:
    if not empty.query("SELECT FROM pg_settings WHERE name = :name", name=name):
        pytest.skip(f"this server does not know {name}")
    ini = chain("CREATE TABLE t (n integer); SELECT pg_sleep(2)", "AUTOCOMMIT SELECT pg_sleep(2)")
    empty.execute(f"ALTER DATABASE \"{empty.url.database}\" SET {name} = '{LIMITS[name]}'")
    code, errors = run(empty, "upgrade", "head", ini=ini)
    assert code == 0, errors
    assert run(empty, "current", "--check-heads", ini=ini)[0] == 0


@pytest.fixture
def small_disk(own_server: OwnServer) -> Iterator[Path]:
    """A disk of 16 MB that the server can write to."""
    folder = own_server.home / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs to mount a small disk, which only root may do")
    try:
        if own_server.user:
            shutil.chown(folder, own_server.user)
        yield folder
    finally:
        own_server.stop()
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(
    own_server: OwnServer, small_disk: Path, chain: Callable[..., Path]
) -> None:
    database = database_of(own_server)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE TABLESPACE small LOCATION '{small_disk}'"))
    ini = chain(
        "CREATE TABLE t (n text) TABLESPACE small",
        "INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 5000)",
    )
    (small_disk / "filler").write_bytes(bytes(12_000_000))
    line = failure(database, ini)
    assert "No space left on device: the database is at r0, upgrade to r1 (" in line
    assert line.endswith("r1.py) rolled back; make room on the server's disk, and run again")
    (small_disk / "filler").unlink()
    code, errors = run(database, "upgrade", "head", ini=ini)
    assert code == 0, errors
    assert database.value("SELECT count(*) FROM t") == 5000


@pytest.mark.parametrize(
    ("kind", "end"), [("", signal.SIGINT), ("AUTOCOMMIT", signal.SIGTERM)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_run_that_is_told_to_stop_cancels_its_statement_and_says_where_it_is(
    kind: str, end: signal.Signals, empty: Database, chain: Callable[..., Path]
) -> None:
    ini = chain(
        "CREATE TABLE t (n integer)", f"{kind} CREATE TABLE IF NOT EXISTS u (n integer); SELECT pg_sleep(60)"
    )
    process = start(empty, "upgrade", "head", ini=ini)
    wait_for(lambda: empty.running("%pg_sleep%"))
    process.send_signal(end)
    _, errors = process.communicate(timeout=20)
    assert process.returncode != 0
    assert "Traceback" not in errors, errors
    assert "stopped on request: the database is at r0, upgrade to r1" in errors
    assert not empty.running("%pg_sleep%")
    assert empty.tables() == (["t", "u"] if kind else ["t"])


@pytest.mark.slow
def test_who_waits_for_a_lock_can_be_told_to_stop(empty: Database) -> None:
    with single_runner(empty.engine, "alembic_version", wait=0):
        process = start(empty, "upgrade", "head")
        assert process.stderr
        next(line for line in process.stderr if "waiting" in line)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode != 0
    assert "Traceback" not in errors
    assert "stopped on request" in errors


@pytest.mark.slow
def test_killed_again_and_again_it_comes_to_the_same_end(server: Server, chain: Callable[..., Path]) -> None:
    fill = [f"UPDATE t SET m = n WHERE n % 10 = {batch} AND m IS NULL" for batch in range(10)]
    ini = chain(
        "CREATE TABLE t (n integer); INSERT INTO t SELECT generate_series(1, 10000)",
        "ALTER TABLE t ADD COLUMN m integer; SELECT pg_sleep(0.3)",
        "AUTOCOMMIT " + "; SELECT pg_sleep(0.1); ".join(fill),
        "AUTOCOMMIT DROP INDEX CONCURRENTLY IF EXISTS i; CREATE UNIQUE INDEX CONCURRENTLY i ON t (m)",
        "ALTER TABLE t ALTER m SET NOT NULL; ALTER TABLE t DROP n; SELECT pg_sleep(0.3)",
    )
    database, undisturbed = server.create(), server.create()
    assert run(undisturbed, "upgrade", "head", ini=ini)[0] == 0
    upgrade_despite_kills(database, 1, ini)
    assert database.schema() == undisturbed.schema()
    assert database.rows() == undisturbed.rows()


def test_a_backfill_reports_what_is_done_and_what_is_left(
    empty: Database, chain: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ini = chain(
        "DO $$ BEGIN FOR i IN 1..12 LOOP RAISE NOTICE 'r0: % of % rows', i * 1000, 12000; END LOOP; END $$"
    )
    ticks = itertools.count(step=0.5)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    _, errors = run(empty, "upgrade", "head", ini=ini)
    lines = re.findall(r"r0: ([\d,]+) of 12,000 rows, [\d,]+/s, (\d+) s left", errors)
    assert len(lines) == 2  # one in five seconds, not one for each notice
    assert re.search(r"upgrade to r0 took \d+\.\d s", errors)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal_one_line_moves_and_never_wraps(empty: Database, chain: Callable[..., Path]) -> None:
    import pty

    ini = chain(
        "DO $$ BEGIN FOR i IN 1..9 LOOP RAISE NOTICE '% % of %', repeat('x', 200), i, 9; END LOOP; END $$"
    )
    controller, terminal = pty.openpty()
    url = empty.url.render_as_string(hide_password=False)
    process = subprocess.Popen(
        [sys.executable, "-m", "alembic", "-c", str(ini), "upgrade", "head"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "DATABASE_URL": url, "COLUMNS": "60"},
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    with suppress(OSError):  # Linux says EIO at the end
        while part := os.read(controller, 4096):
            shown += part
    os.close(controller)
    assert process.wait(timeout=60) == 0
    moving = re.findall(r"\r\x1b\[K(x+[^\r\n]*)", shown.decode())
    assert len(moving) == 9
    assert {len(line) for line in moving} == {59}


# Settings


def test_x_beats_the_environment_beats_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ini = tmp_path / "alembic.ini"
    ini.write_text(
        "[alembic]\n[migrate]\nlock_timeout = 1s\nattempts = 3\npause = 1min\nshow_queries = yes\n"
    )
    monkeypatch.setattr("database.ROOT", tmp_path)
    (tmp_path / ".env").write_text("MIGRATE_LOCK_TIMEOUT=2s\nMIGRATE_ATTEMPTS=4\n")
    monkeypatch.setenv("MIGRATE_LOCK_TIMEOUT", "300ms")
    settings = Settings.load(Config(ini), {}, *environments())
    assert settings == Settings(lock_timeout=0.3, attempts=4, pause=60, show_queries=True)
    assert Settings.load(Config(ini), {"lock_timeout": "4"}, *environments()).lock_timeout == 4


def test_without_settings_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("database.ROOT", tmp_path)
    assert Settings.load(Config(), {}, *environments()) == Settings()


def test_the_runbook_names_every_setting_with_its_default() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| `(\S+)` \|", (ROOT / "docs/RUNBOOK.md").read_text(), re.M))
    assert table.keys() == {field.name for field in fields(Settings)}
    assert Settings.load(Config(), table) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lock_timeout", "soon"),
        ("lock_timeout", "-1s"),
        ("lock_timeout", "0.4ms"),  # the server would round it to 0, which is no limit
        ("statement_timeout", "597h"),
        ("attempts", "0"),
        ("attempts", "1.5"),
        ("show_queries", "2"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: str, head: Database) -> None:
    variable = f"MIGRATE_{name.upper()}"
    by_x = run(head, "-x", f"{name}={value}", "upgrade", "head")
    by_environment = run(head, "upgrade", "head", ini=ROOT / "alembic.ini", **{variable: value})
    for shown, (code, errors) in [(name, by_x), (variable, by_environment)]:
        assert code != 0
        assert f"{shown}: '{value}' is not " in errors
        assert "Traceback" not in errors


def test_an_unknown_setting_is_refused(head: Database) -> None:
    code, errors = run(head, "-x", "lock_timout=1s", "upgrade", "head")
    assert code != 0
    assert "-x lock_timout: no such setting; there are lock_timeout," in errors


@pytest.mark.parametrize("argument", ["show_queries", "lock_timeout=", "lock_timeout= "])
def test_an_argument_without_a_value_is_not_passed_over(argument: str, head: Database) -> None:
    code, errors = run(head, "-x", argument, "upgrade", "head")
    assert code != 0
    assert f"-x {argument.split('=')[0]} has no value: write -x NAME=VALUE" in errors


def test_a_program_may_bring_its_own_settings(empty: Database) -> None:
    with (
        single_runner(empty.engine, "alembic_version", wait=0),
        pytest.raises(CommandError, match="has not ended"),
    ):
        empty.upgrade("head", Settings(runner_wait=0))

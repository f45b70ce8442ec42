"""Debian's extensions of PostgreSQL 15, where they are installed: pg_cron, pg_partman and pg_repack."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from postgres import client
from postgres.errors import ClientError
from tests.conftest import BACKEND, blocks
from tests.machinery.support import Database, OwnServer, database_of, server_of_ones_own, wait_for

BINARIES = Path("/usr/lib/postgresql/15/bin")
EXTENSIONS = Path("/usr/share/postgresql/15/extension")
NEEDED = ("pg_cron", "pg_partman", "pg_repack")
MISSING = [name for name in NEEDED if not (EXTENSIONS / f"{name}.control").exists()]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(MISSING), reason=f"Debian's {', '.join(MISSING)} for PostgreSQL 15 is not installed"
    ),
]

# What the chain's function works on, and a row of this month for which there is no partition.
DELIVERIES = """
    DROP TABLE IF EXISTS webhook_deliveries, webhooks;
    CREATE TABLE webhooks (id uuid PRIMARY KEY DEFAULT gen_random_uuid());
    CREATE TABLE webhook_deliveries (
        id uuid DEFAULT gen_random_uuid(),
        webhook_id uuid NOT NULL REFERENCES webhooks,
        delivered_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_webhook_deliveries PRIMARY KEY (id, delivered_at)
    ) PARTITION BY RANGE (delivered_at);
    CREATE TABLE webhook_deliveries_default PARTITION OF webhook_deliveries DEFAULT;
    INSERT INTO webhooks DEFAULT VALUES;
    INSERT INTO webhook_deliveries (webhook_id) TABLE webhooks;
"""
PARTITIONS = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'webhook_deliveries'::regclass"
IN_DEFAULT = "SELECT count(*) FROM webhook_deliveries_default"
PARTMAN = """
    SELECT partman.create_parent(
        'public.webhook_deliveries', 'delivered_at', 'native', 'monthly', p_premake := 3
    );
"""
BLOATED = """
    DROP TABLE IF EXISTS t, keyless;
    CREATE TABLE t (id integer PRIMARY KEY, n integer NOT NULL, wide text) WITH (autovacuum_enabled = off);
    INSERT INTO t SELECT n, 0, repeat('x', 200) FROM generate_series(1, 50000) AS n;
    UPDATE t SET n = 0;
    UPDATE t SET n = 0;
    CREATE TABLE keyless (n integer);
"""
# The locks that pg_repack has on the table.
HELD = """
    SELECT mode FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE application_name = 'pg_repack' AND relation = 't'::regclass AND granted
"""


def function() -> str:
    """Return the chain's function, as PostgreSQL gets it."""
    [path] = BACKEND.glob("alembic/versions/*_make_webhook_deliveries_partitions.py")
    [found] = re.findall(r'op\.execute\("""(.*?)"""\)', path.read_text(encoding="utf-8"), re.S)
    return f"{found.replace('CREATE FUNCTION', 'CREATE OR REPLACE FUNCTION')};"


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    options = "-c shared_preload_libraries=pg_cron -c cron.use_background_workers=on"
    with server_of_ones_own("debian", binaries=BINARIES, options=options) as server:
        database_of(server).psql("""
            CREATE EXTENSION pg_cron; CREATE EXTENSION pg_repack;
            CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman;
        """)
        yield server


@pytest.fixture
def database(server: OwnServer) -> Database:
    return database_of(server)


def test_pg_cron_makes_the_partitions_as_the_runbook_says(database: Database) -> None:
    database.psql(DELIVERIES + function())
    [statement] = [block for block in blocks(BACKEND / "docs/RUNBOOK.md", "sql") if "cron.schedule" in block]
    every_minute = statement.replace("17 3 * * *", "* * * * *")
    database.psql(every_minute.replace("{{ cookiecutter.database_name }}", str(database.url.database)))
    wait_for(lambda: database.query("SELECT FROM cron.job_run_details WHERE status = 'succeeded'"), 150)
    database.psql("SELECT cron.unschedule('partitions');")
    assert database.value(PARTITIONS) == 5
    assert database.value(IN_DEFAULT) == 0


def test_pg_partman_moves_no_row_out_of_default_and_takes_over_no_partition_of_ours(
    database: Database,
) -> None:
    database.psql(DELIVERIES + function())
    with pytest.raises(ClientError, match="would be violated by some row"):
        database.psql(PARTMAN)
    assert database.value("SELECT make_webhook_deliveries_partitions(3)") == 4
    assert database.value(IN_DEFAULT) == 0
    with pytest.raises(ClientError, match="would overlap partition"):
        database.psql(PARTMAN)


class Writer(threading.Thread):
    """An application that changes rows, one transaction each, until it is told to stop."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.url, self.stopped = database.url, threading.Event()
        self.written: dict[int, int] = {}
        self.longest = 0.0  # of the times that an UPDATE took, in seconds
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with psycopg.connect(**client.parameters(self.url), autocommit=True) as connection:
                for n in range(1, 1_000_000):
                    if self.stopped.is_set():
                        return
                    begun = time.monotonic()
                    connection.execute("UPDATE t SET n = %s WHERE id = %s", [n, n % 997 + 1])
                    self.longest = max(self.longest, time.monotonic() - begun)
                    self.written[n % 997 + 1] = n
        except psycopg.Error as error:
            self.error = error


@contextmanager
def writing(database: Database) -> Iterator[Writer]:
    """Make a bloated table, and write to it beside a block."""
    database.psql(BLOATED)
    writer = Writer(database)
    writer.start()
    try:
        wait_for(lambda: writer.written or writer.error)
        yield writer
    finally:
        writer.stopped.set()
        writer.join()


def assert_small_and_complete(database: Database, before: int, writer: Writer) -> None:
    """Check that the table has lost what was dead, and nothing else."""
    assert writer.error is None
    assert database.value("SELECT pg_table_size('t')") < 0.5 * before
    assert dict(database.query("SELECT id, n FROM t WHERE n > 0")) == writer.written
    assert not database.query("SELECT FROM pg_trigger WHERE tgrelid = 't'::regclass")


def test_pg_repack_makes_a_bloated_table_small_and_loses_no_write(database: Database) -> None:
    with writing(database) as writer, ThreadPoolExecutor(1) as thread:
        before = database.value("SELECT pg_table_size('t')")
        begun, held = time.monotonic(), set()
        run = thread.submit(repack, database, "t")
        while not run.done():
            held |= {mode for (mode,) in database.query(HELD)}
        code, said = run.result()
        took = time.monotonic() - begun
    assert code == 0, said
    assert_small_and_complete(database, before, writer)
    print(f"pg_repack: {took:.1f} s, the longest wait {writer.longest:.3f} s")
    assert writer.longest < took / 2
    assert "AccessShareLock" in held  # for which an ALTER waits
    _, said = repack(database, "keyless")
    assert 'relation "public.keyless" must have a primary key or not-null unique keys' in said


def test_vacuum_full_makes_it_small_too_and_keeps_the_application_out(database: Database) -> None:
    with (
        writing(database) as writer,
        psycopg.connect(**client.parameters(database.url), autocommit=True) as connection,
    ):
        before = database.value("SELECT pg_table_size('t')")
        begun = time.monotonic()
        connection.execute("VACUUM FULL t")
        took = time.monotonic() - begun
        wrote = len(writer.written)
        wait_for(lambda: writer.error or len(writer.written) > wrote or writer.longest > took / 2)
    assert_small_and_complete(database, before, writer)
    print(f"VACUUM FULL: {took:.1f} s, the longest wait {writer.longest:.3f} s")
    assert writer.longest > took / 2


def repack(database: Database, table: str) -> tuple[int, str]:
    """Run pg_repack, and return its exit code and what it said."""
    url = database.url
    done = subprocess.run(
        [
            BINARIES / "pg_repack", f"--table={table}", f"--host={url.host}", f"--port={url.port}",
            f"--username={url.username}", "--no-kill-backend", str(url.database),
        ],
        env=os.environ | {"PGPASSWORD": str(url.password)},
        capture_output=True,
        text=True,
        timeout=120,
    )  # fmt: skip
    return done.returncode, done.stderr

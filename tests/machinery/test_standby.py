"""A backfill and a change of the schema beside a streaming replica that is read from, on two servers."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from database import ROOT
from lab.backfill import block
from postgres import client
from tests.conftest import BACKEND
from tests.machinery.production import site
from tests.machinery.support import Chain, Database, OwnServer, database_of, server_of_ones_own, wait_for

pytestmark = pytest.mark.slow

TABLE = """
    DROP TABLE IF EXISTS users;
    CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), role_id integer);
    INSERT INTO users SELECT FROM generate_series(1, 20000);
    VACUUM ANALYZE users;
"""
COUNT = "SELECT count(*) FROM users"
BACKFILL = block(BACKEND, "assign_user_roles")
# What the backfill works on that keeps its state in a table, and that table.
PAGES = """
    DROP TABLE IF EXISTS document_pages, characters_backfill;
    CREATE TABLE document_pages (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), text text, characters integer
    );
    CREATE TABLE characters_backfill (
        next_key text, filled bigint DEFAULT 0, batch_at timestamptz, ended_at timestamptz, waits_for text,
        paused boolean DEFAULT false, rest float8 DEFAULT 0.1,
        max_lag interval DEFAULT '5 s', max_wal bigint DEFAULT 1000000
    );
    INSERT INTO document_pages (text) SELECT repeat('x', n % 100) FROM generate_series(1, 3000) AS n;
    INSERT INTO characters_backfill DEFAULT VALUES;
"""
THROTTLED = block(BACKEND, "backfill_document_page_characters")
LAG = "SELECT max(replay_lag) FROM pg_stat_replication"


class Replicated:
    """A primary, its standby, and the table that both have."""

    def __init__(self, primary: OwnServer, standby: OwnServer) -> None:
        self.primary, self.standby = database_of(primary), database_of(standby)

    def prepare(self, **settings: str) -> None:
        """Give the standby these settings, and both the table."""
        lines = [f"ALTER SYSTEM SET {name} = '{value}';" for name, value in settings.items()]
        self.standby.psql("\n".join([*lines, "SELECT pg_reload_conf();"]))
        self.primary.psql(TABLE)
        self.catch_up()

    def catch_up(self) -> None:
        """Wait until the standby has all that the primary has written, and tells it so."""
        written = self.primary.value("SELECT pg_current_wal_lsn()::text")
        there = "SELECT pg_last_wal_replay_lsn() >= CAST(:written AS pg_lsn)"
        wait_for(lambda: self.standby.value(there, written=written))

    def hold_back(self) -> None:
        """Have the primary remove row versions that a query on the standby may still need."""
        self.primary.psql("UPDATE users SET role_id = 1; VACUUM users; UPDATE users SET role_id = NULL;")

    def backfill(self) -> float:
        """Run the backfill, and return how long it took."""
        began = time.monotonic()
        self.primary.psql(f"{BACKFILL};")
        assert not self.primary.value("SELECT count(*) FROM users WHERE role_id IS NULL")
        return time.monotonic() - began


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[OwnServer, OwnServer]]:
    with (
        server_of_ones_own("primary", options="-c autovacuum=off") as primary,
        server_of_ones_own(
            "standby", standby_of=primary, options="-c wal_receiver_status_interval=1s"
        ) as standby,
    ):
        yield primary, standby


@pytest.fixture
def replicated(servers: tuple[OwnServer, OwnServer]) -> Replicated:
    return Replicated(*servers)


@contextmanager
def report(database: Database) -> Iterator[psycopg.Connection]:
    """A query of some minutes: one snapshot, of which more and more is asked."""
    with psycopg.connect(**client.parameters(database.url)) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute(COUNT)
        yield connection


def test_without_feedback_a_long_query_on_the_replica_is_cancelled(replicated: Replicated) -> None:
    replicated.prepare(hot_standby_feedback="off", max_standby_streaming_delay="1s")
    with report(replicated.standby) as query:
        replicated.backfill()  # a batch clears a page of the old versions that one before it has left
        with pytest.raises(psycopg.errors.SerializationFailure, match="conflict with recovery") as raised:
            query.execute("SELECT pg_sleep(30)")
    assert raised.value.sqlstate == "40001"


def test_with_feedback_it_lives_and_the_primary_keeps_the_old_rows(replicated: Replicated) -> None:
    replicated.prepare(hot_standby_feedback="on", max_standby_streaming_delay="1s")
    with report(replicated.standby) as query:
        wait_for(lambda: replicated.primary.value("SELECT count(xmin) FROM pg_replication_slots"))
        replicated.backfill()
        replicated.primary.psql("VACUUM users;")
        replicated.catch_up()
        assert query.execute(f"{COUNT} WHERE role_id IS NULL").fetchone() == (20_000,)
        dead = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'users'"
        assert replicated.primary.value(dead) >= 20_000


def test_a_replica_that_waits_for_its_queries_falls_behind_and_the_backfill_slows_down(
    replicated: Replicated,
) -> None:
    replicated.prepare(hot_standby_feedback="off", max_standby_streaming_delay="-1")
    in_step = replicated.backfill()
    replicated.hold_back()
    replicated.catch_up()
    with report(replicated.standby) as query:
        replicated.hold_back()
        wait_for(lambda: replicated.primary.value(f"SELECT ({LAG}) > interval '6 s'"))
        behind = replicated.backfill()
        assert query.execute(COUNT).fetchone() == (20_000,)
        assert replicated.standby.value(f"{COUNT} WHERE role_id = 2") == 0
    replicated.catch_up()  # it ends, and the replica has it all
    assert replicated.standby.value(f"{COUNT} WHERE role_id = 2") == 20_000
    print(f"backfill: {in_step:.1f} s, beside a replica that is behind {behind:.1f} s")
    assert behind > 3 * in_step


def assert_waits(primary: Database, reason: str, until: Callable[[], object]) -> None:
    """Check that the backfill with a state waits, says for what, and fills all rows after that is over."""
    filled = "SELECT count(characters) FROM document_pages"
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(primary.psql, f"{THROTTLED};")
        try:
            wait_for(
                lambda: run.done() or primary.value("SELECT waits_for FROM characters_backfill") == reason
            )
            time.sleep(2)
            assert primary.value(filled) == 0
        finally:
            until()
        run.result()
    assert primary.value(filled) == 3000


def test_a_backfill_with_a_state_waits_for_a_replica_that_is_behind(replicated: Replicated) -> None:
    replicated.prepare(hot_standby_feedback="off", max_standby_streaming_delay="-1")
    replicated.primary.psql(PAGES)
    replicated.hold_back()
    replicated.catch_up()
    with report(replicated.standby) as query:
        replicated.hold_back()
        wait_for(lambda: replicated.primary.value(f"SELECT ({LAG}) > interval '6 s'"))
        assert_waits(replicated.primary, "a replica that is behind", query.close)
    replicated.catch_up()
    assert replicated.standby.value("SELECT ended_at IS NOT NULL FROM characters_backfill")


def test_a_backfill_with_a_state_waits_for_a_slot_whose_replica_is_away(replicated: Replicated) -> None:
    replicated.prepare(hot_standby_feedback="on")
    primary = replicated.primary
    primary.psql("SELECT pg_create_physical_replication_slot('away', true);")
    primary.psql(PAGES)
    replicated.hold_back()  # writes some megabytes
    replicated.catch_up()
    gone = "SELECT pg_drop_replication_slot('away');"
    assert_waits(primary, "a slot that keeps too much WAL", lambda: primary.psql(gone))


def test_readers_of_the_replica_wait_behind_the_lock_of_a_revision_that_waits_for_a_query(
    replicated: Replicated,
) -> None:
    replicated.prepare(hot_standby_feedback="on", max_standby_streaming_delay="4s")
    with (
        report(replicated.standby) as query,
        psycopg.connect(**client.parameters(replicated.standby.url), autocommit=True) as reader,
    ):
        began = time.monotonic()
        replicated.primary.psql("SET lock_timeout = '2s'; ALTER TABLE users ADD COLUMN note text;")
        assert time.monotonic() - began < 2
        wait_for(lambda: replicated.standby.query("SELECT FROM pg_locks WHERE NOT granted"))
        reader.execute("SET statement_timeout = '500ms'")
        with pytest.raises(psycopg.errors.QueryCanceled) as raised:
            reader.execute(COUNT)
        assert raised.value.sqlstate == "57014"
        reader.execute("SET statement_timeout = 0")
        assert reader.execute("SELECT count(note) FROM users").fetchone() == (0,)  # once the report is ended
        with pytest.raises(psycopg.OperationalError, match="conflict with recovery"):
            query.execute(COUNT)


def test_the_owner_of_roles_sql_sees_how_far_a_replica_is_behind(
    replicated: Replicated, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    replicated.prepare(hot_standby_feedback="on")
    monkeypatch.setenv("OWNER_PASSWORD", "owner")
    primary = replicated.primary
    owner = Database(primary.url.set(username="keeper", password="owner"))
    roles = "\\set owner keeper\n\\set app clerk\n" + (ROOT / "docs/roles.sql").read_text()
    primary.psql(roles)
    primary.psql("REVOKE pg_read_all_stats FROM keeper;")
    production = site(owner, chain("CREATE TABLE t (n integer)"))
    blind = "a replica follows, and the role keeper does not see how far it is behind"
    assert owner.value("SELECT replay_lag IS NULL FROM pg_stat_replication")
    assert blind in production.deploy("--dry-run")[1]
    primary.psql(roles)
    # A replica that has nothing to do has no lag.
    wait_for(lambda: primary.execute("UPDATE users SET role_id = 3") and owner.value(LAG))
    code, output = production.deploy("--dry-run")
    assert code == 0, output
    assert "replica" not in output

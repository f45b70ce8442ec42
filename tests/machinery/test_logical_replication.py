"""A change of the schema while a subscriber follows: on which side first, what stops it; on two servers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError, ProgrammingError

from database import ROOT
from postgres import client
from postgres.errors import ClientError
from tests.machinery.support import Database, OwnServer, database_of, server_of_ones_own, wait_for

pytestmark = pytest.mark.slow

TABLE = "CREATE TABLE t (id integer PRIMARY KEY, a text NOT NULL, n integer)"
COLUMNS = (
    "SELECT attname FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped"
)
ERRORS = "SELECT apply_error_count FROM pg_stat_subscription_stats"


@dataclass
class Pair:
    """A publisher and a subscriber, each with a table, of which the first sends its rows to the second."""

    servers: tuple[OwnServer, OwnServer]
    publisher: Database = field(init=False)
    subscriber: Database = field(init=False)

    def __post_init__(self) -> None:
        self.publisher, self.subscriber = map(database_of, self.servers)
        self.log = self.servers[1].log
        self.seen = self.log.stat().st_size
        for side in (self.publisher, self.subscriber):
            side.psql(f"{TABLE};")
        self.publisher.psql("CREATE PUBLICATION p FOR TABLE t; INSERT INTO t VALUES (1, 'x', 1);")
        self.subscriber.psql(
            f"CREATE SUBSCRIPTION s CONNECTION '{client.libpq_url(self.publisher.url)}' PUBLICATION p;"
        )
        wait_for(lambda: self.has(1))

    def has(self, key: int, table: str = "t") -> bool:
        """Whether a row has come to the subscriber."""
        return bool(self.subscriber.query(f"SELECT FROM {table} WHERE id = :key", key=key))

    def errors(self) -> str:
        """Return what the subscriber has logged as errors."""
        with self.log.open() as log:
            log.seek(self.seen)
            return "\n".join(line for line in log if "ERROR" in line)

    def end(self) -> None:
        """Remove all of it, whatever has become of it."""
        self.subscriber.psql(
            "ALTER SUBSCRIPTION s DISABLE; DROP SUBSCRIPTION s; DROP TABLE IF EXISTS t, u CASCADE;"
        )
        self.publisher.psql("DROP PUBLICATION p; DROP TABLE IF EXISTS t, u CASCADE;")


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[OwnServer, OwnServer]]:
    with (
        server_of_ones_own("publisher", options="-c wal_level=logical") as publisher,
        server_of_ones_own("subscriber", options="-c wal_retrieve_retry_interval=200ms") as subscriber,
    ):
        yield publisher, subscriber


@pytest.fixture
def pair(servers: tuple[OwnServer, OwnServer]) -> Iterator[Pair]:
    made = Pair(servers)
    yield made
    made.end()


@dataclass(frozen=True)
class Stop:
    """A change on one side that stops the subscription at the next write, and what has it go on."""

    error: str
    mend: str  # on the subscriber
    publisher: str = ""
    subscriber: str = ""
    write: str = "INSERT INTO t VALUES (2, 'y', 2)"


STOPS = {
    "column added on the publisher first": Stop(
        publisher="ALTER TABLE t ADD b text",
        write="INSERT INTO t VALUES (2, 'y', 2, 'b')",
        error='"public.t" is missing replicated column: "b"',
        mend="ALTER TABLE t ADD b text",
    ),
    "column dropped on the subscriber first": Stop(
        subscriber="ALTER TABLE t DROP n",
        error='"public.t" is missing replicated column: "n"',
        mend="ALTER TABLE t ADD n integer",
    ),
    "NOT NULL column dropped on the publisher first": Stop(
        publisher="ALTER TABLE t DROP a",
        write="INSERT INTO t VALUES (2, 2)",
        error='null value in column "a" of relation "t" violates not-null constraint',
        mend="ALTER TABLE t ALTER a DROP NOT NULL",
    ),
    "column renamed on the publisher": Stop(
        publisher="ALTER TABLE t RENAME a TO b",
        error='"public.t" is missing replicated column: "b"',
        mend="ALTER TABLE t RENAME a TO b",
    ),
    "column renamed on the subscriber": Stop(
        subscriber="ALTER TABLE t RENAME a TO b",
        error='"public.t" is missing replicated column: "a"',
        mend="ALTER TABLE t RENAME b TO a",
    ),
    "table renamed on the publisher": Stop(
        publisher="ALTER TABLE t RENAME TO u",
        write="INSERT INTO u VALUES (2, 'y', 2)",
        error='relation "public.u" does not exist',
        mend="ALTER TABLE t RENAME TO u",
    ),
    "type made wider on the publisher first, and a value that needs it": Stop(
        publisher="ALTER TABLE t ALTER n TYPE bigint",
        write="INSERT INTO t VALUES (2, 'y', 3000000000)",
        error='value "3000000000" is out of range for type integer',
        mend="ALTER TABLE t ALTER n TYPE bigint",
    ),
    "constraint added on the subscriber that the publisher's rows break": Stop(
        subscriber="ALTER TABLE t ADD CONSTRAINT small CHECK (n < 2)",
        error='violates check constraint "small"',
        mend="ALTER TABLE t DROP CONSTRAINT small",
    ),
    "key dropped on the subscriber": Stop(
        subscriber="ALTER TABLE t DROP CONSTRAINT t_pkey",
        write="UPDATE t SET id = 2",
        error="neither REPLICA IDENTITY index nor PRIMARY KEY",
        mend="ALTER TABLE t ADD PRIMARY KEY (id)",
    ),
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
def test_it_stops_at_the_next_row_and_loses_none(pair: Pair, stop: Stop) -> None:
    pair.publisher.psql(f"{stop.publisher};")
    pair.subscriber.psql(f"{stop.subscriber};")
    pair.publisher.psql(f"{stop.write};")
    wait_for(lambda: pair.subscriber.value(ERRORS) > 1)  # it tries again and again
    assert stop.error in pair.errors()
    pair.subscriber.psql(f"{stop.mend};")
    table = "u" if "RENAME TO u" in stop.mend else "t"
    wait_for(lambda: pair.subscriber.query(f"SELECT FROM {table} WHERE id = 2"))


# In the order in which each is done, with a row written after each.
ORDERS = {
    "column added": [("subscriber", "ALTER TABLE t ADD b text"), ("publisher", "ALTER TABLE t ADD b text")],
    "column dropped": [("publisher", "ALTER TABLE t DROP n"), ("subscriber", "ALTER TABLE t DROP n")],
    "NOT NULL column dropped": [
        ("subscriber", "ALTER TABLE t ALTER a DROP NOT NULL"),
        ("publisher", "ALTER TABLE t DROP a"),
        ("subscriber", "ALTER TABLE t DROP a"),
    ],
    "type made wider": [
        ("subscriber", "ALTER TABLE t ALTER n TYPE bigint"),
        ("publisher", "ALTER TABLE t ALTER n TYPE bigint"),
    ],
    "rule made stricter": [
        ("publisher", "ALTER TABLE t ADD CHECK (id < 100)"),
        ("subscriber", "ALTER TABLE t ADD CHECK (id < 100)"),
    ],
}


@pytest.mark.parametrize("steps", ORDERS.values(), ids=ORDERS)
def test_in_the_right_order_it_never_stops(pair: Pair, steps: list[tuple[str, str]]) -> None:
    for key, (side, change) in enumerate(steps, 2):
        getattr(pair, side).psql(f"{change};")
        columns = pair.publisher.column(COLUMNS)
        values = ", ".join([str(key)] * len(columns))
        pair.publisher.psql(f"INSERT INTO t ({', '.join(columns)}) VALUES ({values});")
        wait_for(partial(pair.has, key))
    assert pair.errors() == ""
    assert pair.subscriber.value(ERRORS) == 0
    assert pair.subscriber.rows()["t"] == pair.publisher.rows()["t"]


def test_a_dropped_key_fails_in_the_application_on_the_publisher(pair: Pair) -> None:
    pair.publisher.psql("ALTER TABLE t DROP CONSTRAINT t_pkey; INSERT INTO t VALUES (2, 'y', 2);")
    for statement in ("UPDATE t SET n = 3", "DELETE FROM t"):
        with pytest.raises(Exception, match="does not have a replica identity") as raised:
            pair.publisher.execute(statement)
        assert getattr(getattr(raised.value, "orig", None), "sqlstate", None) == "55000"
    pair.publisher.psql("ALTER TABLE t REPLICA IDENTITY FULL; UPDATE t SET n = 3;")
    wait_for(lambda: pair.subscriber.column("SELECT n FROM t") == [3, 3])


def test_a_key_is_replaced_in_one_transaction(pair: Pair) -> None:
    pair.publisher.psql("""
        CREATE UNIQUE INDEX CONCURRENTLY new_key ON t (id);
        BEGIN;
        ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY USING INDEX new_key;
        COMMIT;
        UPDATE t SET n = 3;
    """)
    wait_for(lambda: pair.subscriber.value("SELECT n FROM t") == 3)
    assert pair.errors() == ""


def test_a_new_table_is_sent_once_it_is_on_both_and_the_subscription_is_refreshed(pair: Pair) -> None:
    for side in (pair.subscriber, pair.publisher):
        side.psql("CREATE TABLE u (id integer PRIMARY KEY);")
    pair.publisher.psql("ALTER PUBLICATION p ADD TABLE u; INSERT INTO u VALUES (1); UPDATE t SET n = 9;")
    wait_for(lambda: pair.subscriber.value("SELECT n FROM t") == 9)
    assert not pair.has(1, "u")
    pair.subscriber.psql("ALTER SUBSCRIPTION s REFRESH PUBLICATION;")
    wait_for(lambda: pair.has(1, "u"))


def test_partitions_are_sent_by_their_own_names_unless_the_publication_sends_the_root(pair: Pair) -> None:
    pair.publisher.psql("""
        CREATE TABLE u (id integer PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE u_first PARTITION OF u FOR VALUES FROM (0) TO (100);
        ALTER PUBLICATION p ADD TABLE u;
    """)
    pair.subscriber.psql("CREATE TABLE u (id integer PRIMARY KEY);")
    with pytest.raises(ClientError, match='u_first" does not exist'):
        pair.subscriber.psql("ALTER SUBSCRIPTION s REFRESH PUBLICATION;")
    pair.publisher.psql("ALTER PUBLICATION p SET (publish_via_partition_root = true);")
    pair.subscriber.psql("ALTER SUBSCRIPTION s REFRESH PUBLICATION;")
    pair.publisher.psql("INSERT INTO u VALUES (1);")
    wait_for(lambda: pair.has(1, "u"))


def test_the_subscriber_runs_no_trigger_and_gets_what_the_publishers_has_made(pair: Pair) -> None:
    trigger = """
        CREATE FUNCTION {0}() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN NEW.a := NEW.a || ' {0}'; RETURN NEW; END $$;
        CREATE TRIGGER {0} BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION {0}();
    """
    pair.publisher.psql(trigger.format("publisher"))
    pair.subscriber.psql(trigger.format("subscriber"))
    pair.publisher.psql("INSERT INTO t VALUES (2, 'by the', 2);")
    wait_for(lambda: pair.has(2))
    assert pair.subscriber.value("SELECT a FROM t WHERE id = 2") == "by the publisher"
    for side, name in ((pair.publisher, "publisher"), (pair.subscriber, "subscriber")):
        side.psql(f"DROP FUNCTION {name}() CASCADE;")


def test_after_a_switch_a_sequence_begins_anew_unless_it_is_set(pair: Pair) -> None:
    for side in (pair.subscriber, pair.publisher):
        side.psql("ALTER TABLE t ALTER id ADD GENERATED BY DEFAULT AS IDENTITY (START 2);")
    pair.publisher.psql("INSERT INTO t (a) SELECT 'y' FROM generate_series(2, 50);")
    wait_for(lambda: pair.has(50))
    with pytest.raises(IntegrityError, match="duplicate key"):
        pair.subscriber.execute("INSERT INTO t (a) VALUES ('first after the switch')")
    last = pair.publisher.value("SELECT last_value FROM t_id_seq")
    pair.subscriber.execute("SELECT setval('t_id_seq', :last)", last=last)
    pair.subscriber.execute("INSERT INTO t (a) VALUES ('first after the switch')")
    assert pair.has(51)


def test_a_subscriber_counts_as_a_replica_and_one_that_is_away_keeps_the_publishers_log(pair: Pair) -> None:
    follows = (
        "SELECT count(*) FROM pg_stat_replication WHERE application_name = 's' AND replay_lag IS NOT NULL"
    )
    wait_for(lambda: pair.publisher.execute("UPDATE t SET n = n + 1") and pair.publisher.value(follows))
    pair.subscriber.psql("ALTER SUBSCRIPTION s DISABLE;")
    kept = """
        SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)
        FROM pg_replication_slots WHERE slot_name = 's' AND NOT active
    """
    wait_for(lambda: pair.publisher.query(kept))
    assert not pair.publisher.query("SELECT FROM pg_stat_replication")
    before = pair.publisher.value(kept)
    pair.publisher.execute("INSERT INTO t SELECT n, 'y' FROM generate_series(2, 10000) AS n")
    assert pair.publisher.value(kept) > before + 500_000
    pair.subscriber.psql("ALTER SUBSCRIPTION s ENABLE;")
    wait_for(lambda: pair.has(10_000))


def test_the_owner_of_roles_sql_publishes_its_tables_and_neither_all_nor_subscribes(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWNER_PASSWORD", "owner")
    pair.publisher.psql("\\set owner keeper\n\\set app clerk\n" + (ROOT / "docs/roles.sql").read_text())
    owner = Database(pair.publisher.url.set(username="keeper", password="owner"))
    owner.execute("CREATE PUBLICATION mine FOR TABLE t")
    owner.execute("DROP PUBLICATION mine")
    for statement in (
        "CREATE PUBLICATION every FOR ALL TABLES",
        "CREATE PUBLICATION every FOR TABLES IN SCHEMA public",
        "CREATE SUBSCRIPTION mine CONNECTION 'host=localhost' PUBLICATION p WITH (connect = false)",
    ):
        with pytest.raises(ProgrammingError) as raised:
            owner.execute(statement)
        assert isinstance(raised.value.orig, psycopg.errors.InsufficientPrivilege)

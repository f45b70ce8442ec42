"""Holders: sessions that hold the tables, so that each lock request waits and can be seen.

At the end of a transaction `pg_locks` shows every lock that it took. It does not show a lock that was
released earlier: by a statement that commits as it goes (CREATE INDEX CONCURRENTLY, a DO block with
COMMIT), or by the rollback to a savepoint that ends a PL/pgSQL block with EXCEPTION.

So each table is held in every mode by a session of its own, its holder. A statement that asks for a
lock then waits, and `pg_locks` shows the request. Then the holder releases only the modes that
conflict with it. The modes that it keeps conflict with every stronger mode, so the next request
waits too, and is seen.
"""

import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, LiteralString

import psycopg
from alembic.util import CommandError
from psycopg import sql
from sqlalchemy import URL

from migrate.ledger.locks import CONFLICTS, MODES, stronger
from postgres import client

POLL_SECONDS = 0.0005

SHARE = "ShareLock"
# The modes that a holder takes, each after a savepoint. The mode after SHARE includes SHARE.
LADDER = [mode for mode in MODES if mode != SHARE]
SQL_NAMES: Mapping[str, LiteralString] = {
    "AccessShareLock": "ACCESS SHARE",
    "RowShareLock": "ROW SHARE",
    "RowExclusiveLock": "ROW EXCLUSIVE",
    "ShareUpdateExclusiveLock": "SHARE UPDATE EXCLUSIVE",
    SHARE: "SHARE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "ExclusiveLock": "EXCLUSIVE",
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
}

WAITS = """
    SELECT locktype, relation::bigint, mode, pg_blocking_pids(pid) FROM pg_locks
    WHERE pid = %s AND NOT granted
"""

Connection = psycopg.Connection[tuple[Any, ...]]


def compatible(rungs: list[str], mode: str | None) -> list[str]:
    """Return the held modes below the first one that conflicts with this mode."""
    return next((rungs[:n] for n, rung in enumerate(rungs) if mode in CONFLICTS[rung]), rungs)


class Holder:
    """A session that holds one table."""

    def __init__(self, connection: Connection, table: sql.Composable, rungs: list[str]) -> None:
        self.connection, self.table, self.rungs = connection, table, rungs
        steps = [step for rung in rungs for step in (self._savepoint("SAVEPOINT", rung), self._lock(rung))]
        connection.execute(sql.SQL("; ").join([sql.SQL("BEGIN"), *steps]))

    @property
    def pid(self) -> int:
        return self.connection.info.backend_pid

    def step_back(self, mode: str) -> bool:
        """Release only the modes that conflict with this one; return whether there were any."""
        kept = compatible(self.rungs, mode)
        if kept == self.rungs:
            return False
        self.connection.execute(self._savepoint("ROLLBACK TO SAVEPOINT", self.rungs[len(kept)]))
        self.rungs = kept
        return True

    def queue_for(self, mode: str) -> None:
        """Ask for one more mode, and do not wait for it."""
        self.connection.execute(self._savepoint("SAVEPOINT", mode))
        self.connection.pgconn.send_query(self._lock(mode).as_string(self.connection).encode())
        self.rungs = [*self.rungs, mode]

    def get_queued(self) -> None:
        """Wait for the mode that was asked for."""
        while self.connection.pgconn.get_result():
            pass

    def release(self) -> Connection:
        """Release all modes, and return the connection."""
        self.connection.execute("ROLLBACK")
        return self.connection

    def _savepoint(self, command: LiteralString, mode: str) -> sql.Composed:
        return sql.SQL("{} {}").format(sql.SQL(command), sql.Identifier(mode))

    def _lock(self, mode: str) -> sql.Composed:
        # ONLY: the partitions have holders of their own.
        return sql.SQL("LOCK TABLE ONLY {} IN {} MODE").format(self.table, sql.SQL(SQL_NAMES[mode]))


class Pool:
    """Sessions for holders: one for each table, kept for the next statement."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._idle: list[Connection] = []

    def take(self) -> Connection:
        """Return an idle session, or a new one.

        Raises:
            CommandError: the server allows no more sessions.
        """
        if self._idle:
            return self._idle.pop()
        try:
            return client.connect(self._url)
        except psycopg.OperationalError as error:
            reason = str(error).strip().splitlines()[0]
            raise CommandError(
                f"no session to hold a table with, and each table needs one: {reason} (measure on a server "
                "that allows more, by max_connections and by the role)"
            ) from error

    def give(self, connection: Connection) -> None:
        """Take a session back."""
        self._idle.append(connection)

    def close(self) -> None:
        """End the sessions."""
        while self._idle:
            self._idle.pop().close()


class Watch:
    """The locks that one session asks for, while holders hold the tables.

    Attributes:
        asked: the strongest mode by table; complete at the end of the context.
    """

    def __init__(
        self, pool: Pool, pid: int, tables: Mapping[int, sql.Composable], held: Mapping[int, str]
    ) -> None:
        """Prepare.

        Args:
            pool: the pool of the holders' sessions.
            pid: the watched session.
            tables: the names of the tables, by oid.
            held: the strongest mode that the watched session already holds, by table.
        """
        self.asked: dict[int, str] = dict(held)
        self._pool, self._pid, self._tables = pool, pid, tables
        self._holders: dict[int, list[Holder]] = {}
        self._error: BaseException | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watch":
        try:
            for table, name in self._tables.items():
                rungs = compatible(LADDER, self.asked.get(table))
                self._holders[table] = [Holder(self._pool.take(), name, rungs)]
            self._look = self._pool.take()
        except BaseException:
            self._release()
            raise
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._release()
        self._pool.give(self._look)
        if self._error:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._done.is_set():
                waits = self._look.execute(WAITS, [self._pid]).fetchone()
                if not waits or not self._let_pass(*waits):
                    time.sleep(POLL_SECONDS)
        except BaseException as error:  # noqa: BLE001  (raised again by who waits for the thread)
            self._error = error
            self._release()  # else the watched session would wait for ever

    def _let_pass(self, kind: str, table: int, mode: str, blockers: list[int]) -> bool:
        """Record a lock request, and let it be granted; return whether a holder blocked it."""
        if kind == "relation" and table in self._holders:
            self.asked[table] = stronger(self.asked.get(table), mode)
            holders = self._holders[table]
            if mode == SHARE and CONFLICTS[SHARE].intersection(holders[0].rungs):
                self._let_share_pass(holders)
                return True
            stepped = [holder.step_back(mode) for holder in holders]
            return any(stepped)
        # A concurrent build waits until the transactions that hold the table have ended.
        relieved = [self._relieve(holders, blockers) for holders in self._holders.values()]
        return any(relieved)

    def _let_share_pass(self, holders: list[Holder]) -> None:
        """Let SHARE be granted, and still block SHARE ROW EXCLUSIVE.

        Only SHARE itself does both. So a second holder queues for SHARE behind the watched session.
        When the first holder steps back, both get it at once.
        """
        second = Holder(self._pool.take(), holders[0].table, [])
        second.queue_for(SHARE)
        while not self._look.execute(WAITS, [second.pid]).fetchone():
            time.sleep(POLL_SECONDS)
        holders[0].step_back(SHARE)
        second.get_queued()
        holders.append(second)

    def _relieve(self, holders: list[Holder], blockers: Iterable[int]) -> bool:
        """Let other sessions take over the tables, and then end the transactions that are waited for."""
        tired = [place for place, holder in enumerate(holders) if holder.pid in blockers]
        for place in tired:
            holder = holders[place]
            holders[place] = Holder(self._pool.take(), holder.table, holder.rungs)
            self._pool.give(holder.release())
        return bool(tired)

    def _release(self) -> None:
        for holders in self._holders.values():
            while holders:
                self._pool.give(holders.pop().release())

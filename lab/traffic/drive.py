"""Clients that work at a rate, and what they met with: times, errors, and who waited for whom."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

from lab.traffic.application import Application, Transaction

Connect = Callable[[str], psycopg.Connection[Any]]  # opens a session of that name

CLIENT, SAMPLER = "lab client", "lab sampler"
LOOK_EVERY = 0.01  # seconds

# Every session that waits for a lock, since when, for which table, and behind which sessions.
WAITS = """
    SELECT pid, application_name, since, extract(epoch FROM clock_timestamp() - since)::float8,
        coalesce(relation::regclass::text, locktype), mode, pg_blocking_pids(pid)
    FROM (
        SELECT pid, max(waitstart) AS since, max(relation) AS relation, max(locktype) AS locktype,
            max(mode) AS mode
        FROM pg_locks WHERE NOT granted AND waitstart IS NOT NULL GROUP BY pid
    ) AS waiting JOIN pg_stat_activity USING (pid)
"""


@dataclass(frozen=True)
class Load:
    """How much the application does."""

    rate: float = 200.0  # transactions a second, of all clients
    clients: int = 8
    seed: int = 1


@dataclass(frozen=True)
class Wait:
    """One client that waited for a lock, because of a session that is none of the clients."""

    began: float  # seconds since the traffic began
    seconds: float
    what: str  # the table, or what else was locked
    mode: str


@dataclass(frozen=True)
class Waiting:
    """A session that waits for a lock now."""

    pid: int
    stalls: bool  # a client, because of a session that is none of the clients
    seconds: float
    what: str
    mode: str


@dataclass
class Report:
    """What the clients met with. Where nothing else is said, it is complete when the traffic has ended."""

    transactions: int = 0
    milliseconds: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))  # by kind
    failed: Counter[str] = field(default_factory=Counter)  # statements, by SQLSTATE
    messages: dict[str, str] = field(default_factory=dict)  # the first one of each SQLSTATE
    waits: list[Wait] = field(default_factory=list)  # at any time, until now
    queue: list[Waiting] = field(default_factory=list)  # at the last look
    clients: "list[Client]" = field(default_factory=list)

    @property
    def longest(self) -> int:
        """Milliseconds of the slowest statement."""
        return max((max(times) for times in self.milliseconds.values() if times), default=0)

    @property
    def stall(self) -> float:
        """Milliseconds of the longest wait for a lock of the migration, by the server's clock."""
        return 1000 * max((wait.seconds for wait in self.waits), default=0.0)

    def percentile(self, kind: str, share: float) -> int:
        """Return within how many milliseconds this share of the statements of a kind was done."""
        times = self.milliseconds[kind]
        left = share * times.total()
        for milliseconds in sorted(times):
            left -= times[milliseconds]
            if left <= 0:
                return milliseconds
        return 0


class Client:
    """One connection, whose statements are timed."""

    def __init__(self, connect: Connect, report: Report) -> None:
        self._connection, self.report = connect(CLIENT), report
        self._begun: float | None = None  # when the statement began that runs now
        self._slowest = 0.0

    def pulse(self) -> float:
        """Return the seconds of its slowest statement since the last call; one that still runs counts."""
        begun, slowest, self._slowest = self._begun, self._slowest, 0.0
        return max(slowest, time.monotonic() - begun if begun else 0.0)

    def execute(self, kind: str, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Run a statement of a kind, and return its rows."""
        self._begun = begun = time.monotonic()
        try:
            cursor = self._connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []
        finally:
            seconds, self._begun = time.monotonic() - begun, None
            self._slowest = max(self._slowest, seconds)
            self.report.milliseconds[kind][int(1000 * seconds)] += 1

    def run(self, work: Callable[[Transaction], None], transaction: Transaction) -> None:
        """Do one transaction, and note how it ended."""
        try:
            work(transaction)
            self.execute("commit", "COMMIT", {})
        except psycopg.Error as error:
            state = error.sqlstate or "lost"
            self.report.failed[state] += 1
            self.report.messages.setdefault(state, f"{work.__name__}: {error}".strip())
            self._connection.rollback()
        else:
            self._connection.rollback()  # for the client library, which has seen no end yet
            transaction.committed()
            self.report.transactions += 1

    def close(self) -> None:
        """End the session."""
        self._connection.close()


@contextmanager
def traffic(connect: Connect, application: Application, load: Load) -> Iterator[Report]:
    """Have the clients work beside a block, and yield what they meet with, which is complete at its end.

    Args:
        connect: opens a session with a name that it is given.
        application: what they do.
        load: how much of it.
    """
    reports = [Report() for _ in range(load.clients)]
    stop, lock, due = threading.Event(), threading.Lock(), time.monotonic()

    def work(client: Client) -> None:
        nonlocal due
        while not stop.is_set():
            with lock:
                # What was not begun while all were waiting is left out, not made up for in a burst.
                due = max(due + 1 / load.rate, time.monotonic())
                pause = due - time.monotonic()
            if stop.wait(max(0.0, pause)):
                return
            client.run(application.random.choice(application.transactions), Transaction(application, client))

    clients = [Client(connect, report) for report in reports]
    whole = Report(clients=clients)
    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    sampler = threading.Thread(target=_sample, args=(connect, stop, whole))
    for thread in (sampler, *threads):
        thread.start()
    try:
        yield whole
    finally:
        stop.set()
        for thread in (sampler, *threads):
            thread.join()
        for client in clients:
            client.close()
        for report in reports:
            whole.transactions += report.transactions
            whole.failed += report.failed
            whole.messages |= report.messages
            for kind, times in report.milliseconds.items():
                whole.milliseconds[kind] += times


def _sample(connect: Connect, stop: threading.Event, report: Report) -> None:
    """Look again and again who waits for whom, and keep the waits that a session of others causes."""
    found: dict[tuple[int, datetime], Wait] = {}
    began = time.monotonic()
    with connect(SAMPLER) as connection:
        connection.autocommit = True
        while not stop.wait(LOOK_EVERY):
            now, rows = time.monotonic() - began, connection.execute(WAITS.encode()).fetchall()
            behind = {pid: blockers for pid, *_, blockers in rows}
            queue = []
            for pid, name, since, seconds, what, mode, blockers in rows:
                stalls = name == CLIENT and _others(blockers, behind, connection)
                queue.append(Waiting(pid, stalls, seconds, what, mode))
                if stalls:
                    found[pid, since] = Wait(now - seconds, seconds, what, mode)
            report.queue, report.waits = queue, list(found.values())


def _others(blockers: list[int], behind: dict[int, list[int]], connection: psycopg.Connection[Any]) -> bool:
    """Whether somebody at the head of the queue, or in it, is no client."""
    seen: set[int] = set()
    queue = list(blockers)
    while queue:
        pid = queue.pop()
        if pid in seen:
            continue
        seen.add(pid)
        queue += behind.get(pid, [])
    ours = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY (%s) AND application_name <> %s"
    [[others]] = connection.execute(ours, [list(seen), CLIENT]).fetchall()
    return bool(others)

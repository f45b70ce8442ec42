"""One way of a chapter, under the traffic of the application, and what there is to be seen of it."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from sqlalchemy import URL, text
from sqlalchemy.exc import SQLAlchemyError

from lab.tour.chapters import Chapter
from lab.tour.ways import DONE_OF, Migration, Ran
from lab.traffic.application import Application
from lab.traffic.chain import Walk
from lab.traffic.drive import Load, Report, Waiting, traffic
from lab.traffic.ledger import Ledger
from lab.traffic.schema import Code
from migrate.run.blockers import blockers

TICK = 0.1  # seconds between two looks
CALM = 2.0  # seconds of traffic before a migration, and after it
REPORT = 6.0  # seconds of a migration that the report leaves its transaction open
GIVEN_UP = 1.0  # seconds that a client has waited when somebody ends the one UPDATE

COLUMNS = """
    SELECT attname, replace(format_type(atttypid, atttypmod), 'character varying', 'varchar')
        || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
    FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""


class Track(Walk):
    """A database, as a scene needs it."""

    some = "SELECT id FROM {table} ORDER BY random() LIMIT %s"  # from all over a table that is large

    @contextmanager
    def watcher(self) -> Iterator[Callable[[int], list[str]]]:
        """Yield what says who blocks a session; clients are left out."""
        engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("SET application_name = 'lab watcher'"))

            def ask(pid: int) -> list[str]:
                found = blockers(connection, pid, show_queries=True)
                return [words for words in found if ", lab client:" not in words]

            yield ask


@dataclass(frozen=True)
class Codes:
    """What the application knows: the code that is there, and what the next deploy brings."""

    old: Code
    new: Code


@dataclass(frozen=True)
class Team:
    """Clients that run the same version of the code, and what they met with until now."""

    name: str
    transactions: int
    failed: int
    error: str


@dataclass(frozen=True)
class Frame:
    """What is to be seen at one moment.

    Attributes:
        state: what the migration does, or how it ended.
        line: the longest that a client waited for an answer, in seconds, at each look until now.
        begun: the number of the look at which the migration began; ended: and at which it had ended.
        seconds: how long it has been running.
        waiting: how many clients wait behind it now; stall: the longest that one has, in seconds.
        teams: the clients.
        ran: its statements.
        said: what it printed.
        queue: who waits for whom.
    """

    state: str
    line: Sequence[float]
    begun: int | None
    ended: int | None
    seconds: float
    waiting: int
    stall: float
    teams: Sequence[Team]
    ran: Sequence[Ran]
    said: Sequence[str]
    queue: Sequence[str]


@dataclass
class Rows:
    """Some rows of a table: its columns with their types, and the values as they are shown."""

    columns: dict[str, str]
    rows: list[list[str]]
    asked: str = ""


@dataclass
class Scene:
    """One way of one chapter, on a database of its own. `run` works in a thread."""

    chapter: Chapter
    way: str  # "naive" or "right"
    url: URL
    migrations: list[Migration]
    codes: Codes
    kills: bool  # end it in the middle, with nobody's hand
    goes_on: bool = False  # where another scene was ended
    before: Rows | None = None
    after: Rows | None = None
    stopped: str = ""
    killed: bool = False
    last: Frame | None = None
    worst: Frame | None = None  # with the longest that clients waited
    reports: list[tuple[str, Report]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._walk = Track(self.url, 0, Load(), 0)
        self._told, self._over = threading.Event(), threading.Event()
        self._line: list[float] = []
        self._begun: int | None = None  # as in a frame
        self._ended: tuple[int, float] | None = None
        self._migration = self.migrations[0]
        self._reading: psycopg.Connection[Any] | None = None

    @property
    def stall(self) -> float:
        """The longest that a client waited because of the migration, in seconds, by the server's clock."""
        return max((report.stall for _, report in self.reports), default=0.0) / 1000

    @property
    def seconds(self) -> float:
        """How long the migration took, or has taken until now, from its first statement on."""
        ran = [each for migration in self.migrations for each in migration.ran]
        if not ran:
            return 0.0
        last = self._ended[1] if self._ended else time.monotonic()
        if self._ended and ran[-1].seconds is not None:
            last = ran[-1].begun + ran[-1].seconds
        return last - ran[0].begun

    def waited(self, *modes: str) -> list[float]:
        """Return for how long statements waited because of the migration, each in seconds.

        Args:
            modes: of the locks that they wanted; all by default.
        """
        every = [wait for _, report in self.reports for wait in report.waits]
        return [wait.seconds for wait in every if not modes or wait.mode in modes]

    @property
    def teams(self) -> list[Team]:
        """The clients, and what they met with until now."""
        return [_team(name, report) for name, report in self.reports]

    def run(self) -> None:
        """Have the application work, go the way, and have it work on."""
        with closing(self._walk.connect("lab watcher")) as connection:
            connection.autocommit = True
            self.before = self._look(connection)
            teams = 2 if self.chapter.deploys else 1
            load = replace(Load(), rate=Load.rate / teams, clients=Load.clients // teams)
            with ExitStack() as stack:
                stack.enter_context(self._watched())
                self._enter(stack, "old code" if teams == 2 else "the application", self.codes.old, load)
                self._told.wait(CALM)
                with self._report() if self.chapter.report else nullcontext():
                    self._migrate(stack, load)
                self._told.wait(2 * CALM if teams == 2 else CALM)
            if not self._told.is_set():
                self.after = self._look(connection)

    def _migrate(self, stack: ExitStack, load: Load) -> None:
        for number, migration in enumerate(self.migrations):
            if self._told.is_set() or self.stopped:
                break
            self._migration = migration
            self.stopped = migration.run()
            if self.chapter.deploys and not number and not self.stopped:
                self._enter(stack, "new code", self.codes.new, load)
        self._ended = len(self._line), time.monotonic()
        self._begun = self._begun or self._ended[0]  # it may have been over between two looks

    def kill(self) -> None:
        """End the migration's session, as an administrator does."""
        if self._migration.pid and not self._ended:
            self.killed = True
            with suppress(psycopg.Error), closing(self._walk.connect("lab killer")) as connection:
                connection.execute("SELECT pg_terminate_backend(%s)", [self._migration.pid])
                connection.commit()

    def stop(self) -> None:
        """Come to an end now: it is not to be seen any more."""
        self._told.set()
        for migration in self.migrations:
            migration.stop()

    def _enter(self, stack: ExitStack, name: str, code: Code, load: Load) -> None:
        shared = {
            table: [row for row in rows if row not in self.chapter.shown]
            for table, rows in self._walk.shared(code).items()
        }
        application = Application(code, Ledger(), shared, load.seed + len(self.reports))
        self.reports.append((name, stack.enter_context(traffic(self._walk.connect, application, load))))

    @contextmanager
    def _report(self) -> Iterator[None]:
        """Leave a transaction open that has read the table, for some time of the migration."""
        try:
            self._reading = self._walk.connect("a report")
            self._reading.execute(f"SELECT count(*) FROM {self.chapter.table}".encode())
        except psycopg.OperationalError:
            if not self._told.is_set():  # to stop a scene ends its sessions too
                raise
        try:
            yield
        finally:
            if self._reading:
                self._reading.close()

    # What is to be seen.

    @contextmanager
    def _watched(self) -> Iterator[None]:
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        try:
            yield
        finally:
            self._over.set()
            watcher.join()

    def _watch(self) -> None:
        # What is only for show must not end the run.
        with suppress(SQLAlchemyError, psycopg.Error), self._walk.watcher() as ask:
            while not self._over.wait(TICK):
                self._line.append(
                    max((client.pulse() for _, r in self.reports for client in r.clients), default=0.0)
                )
                if self._begun is None and self._migration.ran:
                    self._begun = len(self._line) - 1
                queue = [waiting for _, report in self.reports for waiting in report.queue]
                self.last = frame = self._frame(self._who(queue, ask), sum(each.stalls for each in queue))
                if frame.waiting and (self.worst is None or _tells(frame) >= _tells(self.worst)):
                    self.worst = frame
                if self._reading and self.seconds > REPORT:
                    self._reading.close()
                if self.kills and not self.killed and self._is_in_the_middle():
                    self.kill()

    def _is_in_the_middle(self) -> bool:
        if self.way == "naive":
            return self.stall > GIVEN_UP
        counted = DONE_OF.search(self._migration.said[-1]) if self._migration.said else None
        done, total = (int(n.replace(",", "")) for n in counted.groups()) if counted else (0, 1)
        return 3 * done > total

    def _frame(self, queue: list[str], waiting: int) -> Frame:
        if self._begun is None:
            state = "has not begun"
        elif not self._ended:
            state = "is running"
        else:
            state = f"was ended: {self.stopped}" if self.stopped else "is done"
        return Frame(
            state,
            tuple(self._line),
            self._begun,
            self._ended[0] if self._ended else None,
            self.seconds,
            waiting,
            self.stall,
            self.teams,
            [replace(ran) for migration in self.migrations for ran in migration.ran],
            [line for migration in self.migrations for line in migration.said],
            queue,
        )

    def _who(self, queue: list[Waiting], ask: Callable[[int], list[str]]) -> list[str]:
        """Return in lines who waits for whom: the clients, and then the migration."""
        lines = []
        clients = sorted((each for each in queue if each.stalls), key=lambda each: -each.seconds)
        if clients:
            waits = "1 client waits" if len(clients) == 1 else f"{len(clients)} clients wait"
            lines.append(f"{waits}, for {clients[0].seconds:.1f} s, for {_lock(clients[0])}, behind")
            lines += [f"    {who}" for who in ask(clients[0].pid)]
        for each in queue:
            if each.pid == self._migration.pid:
                lines.append(f"the migration waits, for {each.seconds:.1f} s, for {_lock(each)}, behind")
                lines += [f"    {who}" for who in ask(each.pid)]
                break
        return lines

    def _look(self, connection: psycopg.Connection[Any]) -> Rows:
        """Return the rows that are shown, as they are now."""
        table = self.chapter.table
        types = dict(connection.execute(COLUMNS, [table]).fetchall())
        columns = {name: str(types[name]) for name in self.chapter.columns if name in types}
        texts = ", ".join(f'"{name}"::text' for name in columns)
        found = connection.execute(
            f"SELECT {texts} FROM {table} WHERE id = ANY (%s) ORDER BY array_position(%s, id)".encode(),
            [list(self.chapter.shown)] * 2,
        ).fetchall()
        asked = connection.execute(self.chapter.asked[1].encode()).fetchall() if self.chapter.asked else []
        return Rows(
            columns,
            [["NULL" if value is None else str(value) for value in row] for row in found],
            "\n".join(str(line) for (line,) in asked),
        )


def _tells(frame: Frame) -> tuple[int, float]:
    """Return how much a frame shows: who waits for whom, and then for how long."""
    return len(frame.queue), frame.stall


def _lock(waiting: Waiting) -> str:
    rows = waiting.what in ("transactionid", "tuple")
    return "a row that another session has changed" if rows else f"{waiting.what} ({waiting.mode})"


def _team(name: str, report: Report) -> Team:
    clients = [client.report for client in report.clients]
    failed: Counter[str] = Counter()
    for each in clients:
        failed.update(dict(each.failed))
    errors = [message for each in clients for message in list(each.messages.values())]
    error = errors[0].partition(": ")[2].splitlines()[0] if errors else ""
    return Team(name, sum(each.transactions for each in clients), failed.total(), error)

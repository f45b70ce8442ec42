"""A deploy, a rollback or a restore that something happens to, and what must hold after it."""

import itertools
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from sqlalchemy import text

from postgres.schema import schema
from tests.machinery.pooler import Pooler, pooler
from tests.machinery.production import Site, site
from tests.machinery.support import Database, OwnServer, database_of, wait_for, write_chain

# What each revision does, and how it is undone. Each takes some tenths of a second; r2 and r3 run
# outside of a transaction.
CHAIN = [
    (
        "CREATE TABLE t AS SELECT n, gen_random_uuid() AS x FROM generate_series(1, 20000) AS n",
        "DROP TABLE t",
    ),
    ("ALTER TABLE t ADD COLUMN a integer; SELECT pg_sleep(0.3)", "ALTER TABLE t DROP COLUMN a"),
    (
        "AUTOCOMMIT DROP INDEX CONCURRENTLY IF EXISTS i; CREATE INDEX CONCURRENTLY i ON t (x)",
        "DROP INDEX IF EXISTS i",
    ),
    (
        """AUTOCOMMIT DO $$ BEGIN
            FOR batch IN 0..4 LOOP
                UPDATE t SET a = n WHERE n % 5 = batch AND a IS NULL; COMMIT; PERFORM pg_sleep(0.1);
            END LOOP;
        END $$""",
        "UPDATE t SET a = NULL",
    ),
    (
        "ALTER TABLE t ALTER a SET NOT NULL; CREATE TABLE u AS SELECT n, repeat('x', 1000) AS x FROM t",
        "DO $$ BEGIN DROP TABLE u; ALTER TABLE t ALTER a DROP NOT NULL; PERFORM pg_sleep(0.3); END $$",
    ),
]
RESUMED = {"r1", "r2"}  # what comes after these may have stopped half-way

ACTIONS = {
    "deploy": ("r0", "r4", ["deploy", "--yes"]),
    "rollback": ("r4", "r0", ["rollback", "--to", "r0", "--yes"]),
    "restore": ("r4", "r4", ["rollback", "--backup"]),
}
NUMBERS = itertools.count()
# The exit codes of a program of Python's that SIGINT has ended.
LATE = (-signal.SIGINT, 128 + signal.SIGINT)
ROWS = "SELECT count(*), sum(hashtextextended(to_jsonb(t)::text, 0)) FROM {} AS t"
INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"


def state(database: Database) -> str:
    """Return what a database is like: its schema and its rows."""
    rows = {table: database.query(ROWS.format(table)) for table in database.tables()}
    return f"{schema(database.url)}\n{rows}\n{database.query(INVALID)}"


@dataclass
class Ground:
    """A server of its own, a chain, and what undisturbed runs of it came to."""

    server: OwnServer
    folder: Path
    site: Site = field(init=False)
    backup: Path = field(init=False)
    states: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.site = site(self.database("r0"), write_chain(self.folder, *(do for do, _ in CHAIN)))
        for number, (_, undo) in enumerate(CHAIN):
            self.site.document(f"r{number}", undo=undo, Rollback="lossless")
        self.site.configure(on_start='echo start >> "$TRAIL"', on_finish='echo finish >> "$TRAIL"; sleep 0.2')
        self.site.environment["TRAIL"] = os.devnull
        self.sql("CREATE DATABASE r0")
        for revision in ("r0", "r1", "r2", "r3"):
            self.timed("deploy", "--yes", "--no-backup", "r0", "--to", revision)
            self.states[revision] = state(self.site.database)
            if revision == "r0":
                self.sql("CREATE DATABASE fresh TEMPLATE r0")
        self.sql("ALTER DATABASE r0 RENAME TO r4")
        self.sql("ALTER DATABASE fresh RENAME TO r0")
        self.site.database = self.database("r0")
        self.sql("CREATE DATABASE whole TEMPLATE r0")
        self.site.database = self.database("whole")
        self.seconds["deploy"] = self.timed("deploy", "--yes")
        self.states["r4"] = state(self.site.database)
        [self.backup] = self.site.files(".dump")
        self.sql("DROP DATABASE r4")
        self.sql("CREATE DATABASE r4 TEMPLATE whole")
        self.seconds["restore"] = self.timed("rollback", "--backup", str(self.backup))
        self.seconds["rollback"] = self.timed("rollback", "--to", "r0", "--yes")
        assert state(self.site.database) == self.states["r0"]

    def timed(self, *arguments: str) -> float:
        began = time.monotonic()
        code, output = self.site.migrate(*arguments, "--config", str(self.site.ini))
        assert code == 0, output
        return time.monotonic() - began

    def database(self, name: str) -> Database:
        return Database(database_of(self.server).url.set(database=name))

    def sql(self, statement: str) -> None:
        """Run a statement outside of a transaction, in a database that nothing happens to."""
        engine = database_of(self.server).engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))


Mend = Callable[[], object]


@dataclass(frozen=True)
class Fault:
    """What happens to a round.

    Attributes:
        happen: lets it happen, and returns what mends it.
        before: before the action begins, not in the middle of it.
        pooled: the mode of a pooler between the action and its server.
        refused: the words with which the action refuses to begin.
    """

    happen: Callable[["Round"], Mend | None]
    before: bool = False
    pooled: str = ""
    refused: str = ""


class Round:
    """One action, one fault, one moment."""

    pooler: Pooler

    def __init__(self, ground: Ground, fault: str, seed: int) -> None:
        self.ground, self.fault = ground, fault
        self.chance = random.Random(f"{fault} {seed}")
        self.action = self.chance.choice(list(ACTIONS))
        self.begins, self.ends, self.arguments = ACTIONS[self.action]
        self.name = f"round_{next(NUMBERS)}"
        self.folder = ground.folder / self.name

    @contextmanager
    def begun(self, pooled: str) -> Iterator[None]:
        """Have a database and a folder for the round, and remove them at the end."""
        self.folder.mkdir()
        self.ground.sql(f"CREATE DATABASE {self.name} TEMPLATE {self.begins} STRATEGY FILE_COPY")
        self.database = self.ground.database(self.name)
        self.site = Site(
            self.database, self.ground.site.ini, self.folder, {"TRAIL": str(self.folder / "trail")}
        )
        if self.action == "restore":
            self.arguments = [*self.arguments, str(self.ground.backup)]
        self.arguments = [
            *self.arguments,
            "--config",
            str(self.site.ini),
            "--backup-dir",
            str(self.site.backups),
        ]
        with ExitStack() as stack:
            if pooled:
                self.pooler = stack.enter_context(pooler(self.database.url, pooled))
                self.site.database = Database(self.pooler.url(self.database.url))
            yield
        for name in [self.name, *self.restored()]:
            self.ground.sql(f'DROP DATABASE "{name}" WITH (FORCE)')

    def run(self, fault: Fault) -> str:
        """Run the action, with the fault in it; check what must hold, run it again; return one line on it."""
        with self.begun(fault.pooled):
            mend = fault.happen(self) if fault.before else None
            self.process = self.site.start(*self.arguments, start_new_session=True)
            wait_for(lambda: self.process.poll() is not None or any(self.site.backups.glob("*.log")))
            moment = self.chance.uniform(0, self.ground.seconds[self.action])
            if not fault.before:
                time.sleep(moment)
                mend = fault.happen(self)
            try:
                self.output, _ = self.process.communicate(timeout=120)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.output, _ = self.process.communicate()
                raise AssertionError(f"it hangs: {self.output}") from None
            finally:
                if mend:
                    mend()
            self.code = self.process.returncode
            heads = self.check()
            if fault.refused:
                assert fault.refused in self.output, self.output
                assert (heads, self.restored()) == (self.begins, []), self.output
            self.again()
        return f"{self.action:8} | {self.fault:28} | after {moment:4.1f} s | exit {self.code:3}, at {heads}"

    def check(self) -> str:
        """Make sure that what was said is true, and that nothing is left; return where the database is."""
        killed = self.code == -signal.SIGKILL
        succeeded = bool(re.search(r"(deploy|rollback) succeeded: |restored into ", self.output))
        assert "Traceback" not in self.output, self.output
        if not killed:
            # A signal that comes when all is told ends the program as it ends any of Python's.
            late = self.code in LATE and " ERROR " in self.output
            assert succeeded or self.code == 1 or late, self.output
            assert late or succeeded == (self.code <= 0), self.output
            assert succeeded or " stopped in step " in self.output, self.output
        wait_for(lambda: not self.left_running(), 30)
        wait_for(lambda: not self.sessions(), 30)
        assert killed or not list(self.site.backups.glob("*.partial"))
        [heads] = self.database.heads()
        if self.action != "deploy" or heads not in RESUMED:
            assert state(self.database) == self.ground.states[heads], self.output
        if succeeded:
            assert heads == self.ends, self.output
        if said := re.search(r"The database \S+ is at (\w+)\.", self.output):
            assert said[1] == heads, self.output
        if "Nothing has been changed" in self.output:
            assert heads == self.begins, self.output
        for word in ("Applied", "Undone"):
            if said := re.search(rf"^{word}: (.+)\.$", self.output, re.MULTILINE):
                low, high = sorted([int(self.begins[1]), int(heads[1])])
                done = {f"r{number}" for number in range(low + 1, high + 1)}
                assert set(said[1].split(", ")) - {"nothing"} == done, self.output
        if self.action == "restore" and not killed:
            unsaid = [name for name in self.restored() if name not in self.output]
            assert not unsaid, self.output
        trail = (self.folder / "trail").read_text() if (self.folder / "trail").exists() else ""
        if "start" in trail and not killed:
            assert "finish" in trail or "maintenance mode may still be on" in self.output, self.output
        return str(heads)

    def again(self) -> None:
        """Run the same command once more, undisturbed: it comes to the same end as if nothing had been."""
        before = set(self.restored())
        code, output = self.site.migrate(*self.arguments)
        assert code == 0, f"{self.output}\nagain: {output}"
        assert state(self.database) == self.ground.states[self.ends]
        if self.action == "restore":
            [new] = set(self.restored()) - before
            assert state(self.ground.database(new)) == self.ground.states["r0"]

    def restored(self) -> list[str]:
        postgres = database_of(self.ground.server)
        return postgres.column(
            "SELECT datname FROM pg_database WHERE datname LIKE :name", name=f"{self.name}_%"
        )

    def sessions(self) -> list[int]:
        return database_of(self.ground.server).column(
            "SELECT pid FROM pg_stat_activity WHERE datname LIKE :name AND backend_type = 'client backend'",
            name=f"{self.name}%",
        )

    def left_running(self) -> list[int]:
        """Return the processes that the action has started and not ended, which are of its session."""
        return [pid for pid in psutil.pids() if session_of(pid) == self.process.pid]


def session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None

"""What a run does and what blocks it, while one statement takes long."""

import logging
import re
import shutil
import sys
import threading
import time
from contextlib import suppress
from types import TracebackType

import psycopg
from psycopg.errors import Diagnostic
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from migrate.run.blockers import blockers
from migrate.run.connection import BUFFERED, beside
from migrate.run.settings import Settings

log = logging.getLogger("migrate")

END_SECONDS = 5.0  # the time for the thread to end
LINE_SECONDS = 5.0  # between two lines in a log; a terminal has one line that changes

INDEX_BUILD = text("""
    SELECT coalesce(index_relid::regclass::text, relid::regclass::text), phase,
        CASE WHEN blocks_total > 0 THEN blocks_done ELSE tuples_done END,
        CASE WHEN blocks_total > 0 THEN blocks_total ELSE tuples_total END
    FROM pg_stat_progress_create_index WHERE pid = :pid
""")
# A commit that waits for a synchronous standby holds its locks, and no session blocks it.
UNCONFIRMED = text("SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = :pid")
WAITS_FOR = text("SELECT :pid = ANY (pg_blocking_pids(:other))")
DONE_OF = re.compile(r"(?P<what>.*?)(?P<done>\d+) of (?P<total>\d+)(?P<unit>.*)")


class Progress:
    """Watches the connection of a run from another one, in a thread.

    It connects only when a statement has been running for a while, so a short run costs
    nothing.
    """

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._settings = settings
        self._connection = connection
        self._interval = min(0.5, settings.lock_timeout / 4 or 0.5)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._works_in = threading.get_ident()
        self._blockers = ""
        self._live = sys.stderr is not None and sys.stderr.isatty()
        self.clear()

    def __enter__(self) -> "Progress":
        driver = self._connection.connection.driver_connection
        assert driver is not None
        driver.add_notice_handler(self._notice)
        self._beside = beside(self._connection)
        self._pid = self._connection.scalar(text("SELECT pg_backend_pid()"))
        self._connection.rollback()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(END_SECONDS)  # it may be waiting for a server that does not answer
        self.clear()

    def clear(self) -> None:
        """Forget the last revision: another one begins."""
        self._started = self._said = time.monotonic()
        self._blockers = ""
        self.waited_for_itself = False  # a revision's second connection waited for its first
        self.erase()

    def erase(self) -> None:
        """Erase the changing line, so that another line can be written."""
        self._show("")

    def blockers(self) -> str:
        """Return what blocked the statement that has just failed."""
        return self._blockers or "a session that has ended since"

    def _watch(self) -> None:
        engine = self._beside.execution_options(isolation_level="AUTOCOMMIT", **BUFFERED)
        with suppress(SQLAlchemyError, psycopg.Error):  # a failure to show progress must not end the run
            if self._stop.wait(self._interval):
                return
            with engine.connect() as connection:
                while not self._stop.wait(self._interval):
                    self._look(connection)

    def _look(self, connection: Connection) -> None:
        other = waiting(self._works_in)
        if other and other.info.backend_pid != self._pid:
            if connection.scalar(WAITS_FOR, {"pid": self._pid, "other": other.info.backend_pid}):
                # The server detects no deadlock: the first connection waits in this program, for the thread.
                self.waited_for_itself = True
                other.cancel_safe()
            return
        if found := list(blockers(connection, self._pid, show_queries=self._settings.show_queries)):
            self._blockers = ", ".join(found)
            self._say(f"waiting for {self._blockers}")
        if connection.scalar(UNCONFIRMED, {"pid": self._pid}):
            self._say("the commit waits for a standby of synchronous_standby_names")
        for index, phase, done, total in connection.execute(INDEX_BUILD, {"pid": self._pid}):
            if total:
                self._say(f"{index}: {phase}, {done * 100 // total} %")

    def _notice(self, notice: Diagnostic) -> None:
        message = notice.message_primary or ""
        if not notice.context:  # a notice of PL/pgSQL code has one; "… does not exist, skipping" has none
            return
        match = DONE_OF.fullmatch(message)
        if not match:
            self.erase()
            log.info(message)
            return
        done, total = int(match["done"]), int(match["total"])
        rate = done / max(time.monotonic() - self._started, 0.001)
        left = max(total - done, 0) / max(rate, 0.001)
        self._say(f"{match['what']}{done:,} of {total:,}{match['unit']}, {rate:,.0f}/s, {left:.0f} s left")

    def _say(self, line: str) -> None:
        if self._live:
            # A line that wraps could not be erased.
            self._show(line[: shutil.get_terminal_size().columns - 1])
        elif time.monotonic() - self._said >= LINE_SECONDS:
            self._said = time.monotonic()
            log.info(line)

    def _show(self, line: str) -> None:
        if self._live:
            try:
                sys.stderr.write(f"\r\x1b[K{line}")
                sys.stderr.flush()
            except OSError:  # the terminal was closed, and the run goes on
                self._live = False


def waiting(thread: int) -> psycopg.Connection | None:
    """Return the connection whose answer a thread waits for; None if it does something else."""
    frame = sys._current_frames().get(thread)
    while frame:
        if isinstance(connection := frame.f_locals.get("self"), psycopg.Connection):
            return connection
        frame = frame.f_back
    return None

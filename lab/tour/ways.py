"""The two ways, each a program: a script that knows of no guard, and the command `alembic`."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from textwrap import dedent
from typing import Protocol

import psycopg
from sqlalchemy import URL

from database import ROOT
from lab.twins import Twin
from postgres.client import parameters

NAIVE, ALEMBIC = "the naive way", "alembic"  # what their sessions are called
DONE_OF = re.compile(r"([\d,]+) of ([\d,]+)")
# What a line has in common with the one before, where it goes on from that.
GOES_ON = re.compile(r"^waiting for|^\w+: (?=[\d,]+ of)|^.*(?=, \d+ %$)")


@dataclass
class Ran:
    """A statement of a migration."""

    sql: str
    begun: float
    seconds: float | None = None  # None: it has not ended in order
    runs: bool = True

    def end(self, seconds: float | None) -> None:
        """Note that it has ended, after so many seconds, or has failed."""
        self.seconds, self.runs = seconds, False


class Migration(Protocol):
    """One way to change the schema, while it runs."""

    pid: int | None  # of its session
    ran: list[Ran]
    said: list[str]

    def run(self) -> str:
        """Go the way, and return why it came to no end; empty where it did."""

    def stop(self) -> None:
        """End it, as far as that can be done from here."""


class Naive:
    """The statements of a twin, as a program without any guard sends them."""

    def __init__(self, url: URL, twin: Twin) -> None:
        self._url, self._twin = url, twin
        self.pid: int | None = None
        self.ran: list[Ran] = []
        self.said: list[str] = []

    def run(self) -> str:
        given = {**parameters(self._url), "application_name": NAIVE}
        with closing(psycopg.connect(**given, autocommit=self._twin.autocommit)) as connection:
            self.pid = connection.info.backend_pid
            try:
                for statement in self._twin.statements:
                    if not statement.meanwhile:
                        self.ran.append(Ran(statement.sql, time.monotonic()))
                        connection.execute(statement.sql.encode())
                        self.ran[-1].end(time.monotonic() - self.ran[-1].begun)
                if not self._twin.autocommit:
                    connection.commit()
            except psycopg.Error as error:
                self.ran[-1].end(None)
                return str(error).splitlines()[0]
        return ""

    def stop(self) -> None:
        """Leave it to the server."""


class Alembic:
    """The command `alembic` of the backend, as a program of its own."""

    def __init__(self, url: URL, *arguments: str) -> None:
        self.arguments = arguments
        self._url = url.render_as_string(hide_password=False)
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False
        self.pid: int | None = None
        self.ran: list[Ran] = []
        self.said: list[str] = []

    def run(self) -> str:
        address = {"DATABASE_URL": self._url, "MIGRATION_DATABASE_URL": self._url, "PGAPPNAME": ALEMBIC}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lab.tour.migration", *self.arguments],
            cwd=ROOT,
            env={**os.environ, **address},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if self._stopped:
            self._process.terminate()
        with self._process as process:
            listener = threading.Thread(target=self._listen)
            listener.start()
            assert process.stdout
            failed = ""
            for line in process.stdout:
                if not line.startswith("{"):  # Alembic's own word about its end
                    failed = failed or line.strip().removeprefix("FAILED: ")
                    continue
                told = json.loads(line)
                if "sql" in told:
                    self.pid = told["pid"]
                    self.ran.append(Ran(dedent(told["sql"]).strip(), time.monotonic()))
                else:
                    self.ran[-1].end(told["seconds"])
            listener.join()
        return failed or f"exit code {process.returncode}" if process.returncode else ""

    def _listen(self) -> None:
        assert self._process
        assert self._process.stderr
        for line in self._process.stderr:
            words = re.sub(r"^[A-Z]+ +\[[\w.]+\] ", "", line.strip())
            # A line that goes on from the one before takes its place.
            if self.said and (goes := GOES_ON.search(words)) and goes[0] in self.said[-1]:
                self.said[-1] = words
            elif words and not words.startswith(("Context impl", "Will assume")):
                self.said.append(words)

    def stop(self) -> None:
        if self._process and not self._stopped:  # a second signal would end its cleaning up
            self._process.terminate()
        self._stopped = True

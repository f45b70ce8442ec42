"""Fixtures. Every test gets a database of its own; the configured one is never touched."""

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.machinery import backend  # first: it brings what the others import
from tests.machinery.support import Chain, Database, OwnServer, Server, server_of_ones_own, write_chain


def heed(number: signal.Signals) -> None:
    """Have the programs that the tests start heed a signal that pytest was started to ignore.

    A program inherits that a signal is ignored, but not that a function handles it. This
    process goes on ignoring it.
    """
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, lambda _number, _frame: None)


for each in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):  # nohup, `command &`, some runners
    heed(each)
signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())


def pytest_sessionfinish() -> None:
    """The last worker drops the databases of the run, and removes its backend."""
    backend.leave(lambda: Server().drop_all())


@pytest.fixture(scope="session")
def session_server() -> Server:
    """The server, with the template that tests copy."""
    return Server()


@pytest.fixture
def server(session_server: Server) -> Iterator[Server]:
    """The server, with databases that are gone some time after the test."""
    yield session_server
    session_server.drop_scratch()


@pytest.fixture
def empty(server: Server) -> Database:
    """An empty database."""
    return server.create()


@pytest.fixture
def head(server: Server) -> Database:
    """A database at head, with rows; a copy, not migrated again."""
    return server.head()


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    """`chain("SQL of the first", "SQL of the second")`: a chain of one's own, by its alembic.ini."""
    return partial(write_chain, tmp_path)


@pytest.fixture
def own_server() -> Iterator[OwnServer]:
    """A server of the test's own, to be stopped and starved."""
    with server_of_ones_own() as server:
        yield server

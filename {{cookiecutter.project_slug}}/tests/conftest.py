"""Fixtures. Every test gets a database of its own; the configured one is never touched."""

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from migrate.chain import project_config
from migrate.target import scratch_server
from postgres.errors import PostgresError
from tests.support import HEADS, Database, Make, Server

RUN = "MIGRATE_TEST_RUN"


def pytest_configure() -> None:
    """Give the run a name that its workers, which inherit the environment, share."""
    os.environ.setdefault(RUN, str(os.getpid()))


def pytest_sessionfinish() -> None:
    """Drop the databases of the run when its last worker is done."""
    if os.environ[RUN] == str(os.getpid()):
        with suppress(PostgresError, SQLAlchemyError):
            make_server().drop_all()


def make_server() -> Server:
    """Return the server that DATABASE_URL names, else an embedded one of the tests' own."""
    return Server(scratch_server(), os.environ[RUN], os.environ.get("PYTEST_XDIST_WORKER", "main"))


@pytest.fixture(scope="session", autouse=True)
def chain_read_once() -> Iterator[None]:
    """Have Alembic's commands share one reading of the chain, which takes longer than most of them."""
    read, versions = ScriptDirectory.from_config, project_config().get_main_option("version_locations")
    shared = read(project_config())

    def from_config(config: Config) -> ScriptDirectory:
        ours = config.get_main_option("version_locations") == versions
        return shared if ours else read(config)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", from_config)
        yield


@pytest.fixture(scope="session")
def session_server() -> Server:
    """The server, with the templates that tests copy."""
    return make_server()


@pytest.fixture
def server(session_server: Server) -> Iterator[Server]:
    """The server, with databases that are gone some time after the test."""
    yield session_server
    session_server.drop_scratch()


@pytest.fixture
def before(server: Server) -> Make:
    """`before(SLUG)`: a database with rows, whose next revision is that one."""
    return server.before


@pytest.fixture
def after(server: Server) -> Make:
    """`after(SLUG)`: a database with rows, at that revision."""
    return server.after


@pytest.fixture
def empty(server: Server) -> Database:
    """An empty database."""
    return server.create()


@pytest.fixture
def head(server: Server) -> Database:
    """A database at head, with sample rows; a copy, not migrated again."""
    return server.at(revision.id for revision in HEADS)

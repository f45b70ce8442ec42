"""Databases of each locale provider, on Debian's PostgreSQL 15, which is built with ICU."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.exc import NotSupportedError

from tests.machinery.production import site
from tests.machinery.support import (
    Chain,
    Database,
    OwnServer,
    Snapshot,
    database_of,
    run,
    server_of_ones_own,
    start,
    wait_for,
)

BINARIES = Path("/usr/lib/postgresql/15/bin")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BINARIES.exists(), reason="PostgreSQL 15 is not installed"),
]

LOCALES = {
    "libc": "LOCALE 'C.UTF-8'",
    "ICU": "LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'und'",
    "ICU, Turkish": "LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'",
    "ICU, upper case first": "LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'de-u-kf-upper'",
}
LOCALE = """
    SELECT datlocprovider, daticulocale, datcollate, datctype FROM pg_database WHERE datname = :name
"""


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with server_of_ones_own("locales", binaries=BINARIES) as server:
        yield server


@pytest.fixture(scope="module")
def plain(server: OwnServer) -> Snapshot:
    """What a database of the server's own locale is like at head."""
    database = made(server, "plain", "")
    database.upgrade()
    database.fill()
    return database.snapshot()


@pytest.fixture(params=LOCALES)
def database(request: pytest.FixtureRequest, server: OwnServer) -> Database:
    """An empty database with a locale."""
    return made(server, request.node.name, LOCALES[request.param])


def made(server: OwnServer, name: str, options: str) -> Database:
    admin = database_of(server)
    with admin.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        try:
            connection.execute(text(f'CREATE DATABASE "{name[:63]}" TEMPLATE template0 {options}'))
        except NotSupportedError as error:
            pytest.skip(str(error.orig))
    return Database(admin.url.set(database=name[:63]))


def test_the_chain_and_the_comparison_know_every_locale(database: Database, plain: Snapshot) -> None:
    database.upgrade()
    database.fill()
    command.check(database.alembic())
    assert database.snapshot() == plain
    database.downgrade("base")
    assert database.tables() == []


def test_the_guard_tries_again_and_keeps_other_runs_away(database: Database, chain: Chain) -> None:
    ini = chain("CREATE TABLE t (n integer)", "ALTER TABLE t ADD COLUMN x integer")
    assert run(database, "upgrade", "r0", ini=ini)[0] == 0
    with database.engine.begin() as traffic:
        traffic.execute(text("SELECT FROM t"))
        limits = {"MIGRATE_LOCK_TIMEOUT": "100ms", "MIGRATE_PAUSE": "100ms", "MIGRATE_ATTEMPTS": "99"}
        runs = [start(database, "upgrade", "head", ini=ini, **limits) for _ in range(2)]
        wait_for(lambda: database.running("ALTER TABLE t%"))
        time.sleep(1)
    said = "".join(each.communicate(timeout=60)[1] for each in runs)
    assert [each.returncode for each in runs] == [0, 0], said
    assert "canceling statement due to lock timeout, blocked by " in said
    assert "nothing left to do: the other run has done it" in said
    assert database.column("SELECT revision FROM migrate_history ORDER BY began") == ["r0", "r1"]


def test_a_restored_database_has_the_locale(database: Database, chain: Chain) -> None:
    deployed = site(database, chain("CREATE TABLE t (x text)", "INSERT INTO t VALUES ('İ'), ('ẞ'), ('ẞß')"))
    for to in ("r0", "r1"):
        code, output = deployed.deploy("--to", to)
        assert code == 0, output
    code, output = deployed.migrate(
        "rollback", "--config", str(deployed.ini), "--backup", str(deployed.files(".dump")[-1])
    )
    assert code == 0, output
    [name] = re.findall(r"restored into (\S+)", output)
    assert database.query(LOCALE, name=name) == database.query(LOCALE, name=database.url.database)

"""docs/SCALE.md: what it says of an upgrade, and of roles that are no superuser, is run as it stands."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from database import ROOT
from postgres import client
from tests.machinery.support import (
    Chain,
    Database,
    OwnServer,
    database_of,
    run,
    server_of_ones_own,
    wait_for,
)
from tests.machinery.test_logical_replication import ORDERS

PAGE = (ROOT / "docs/SCALE.md").read_text(encoding="utf-8")
OLD = Path("/usr/lib/postgresql/15/bin")


def blocks(section: str, language: str) -> list[str]:
    """Return the blocks of a section in a language."""
    [part] = re.findall(rf"^#+ {section}\n(.*?)(?=^#+ |\Z)", re.sub("(?m)^# .*", "", PAGE), re.M | re.S)
    return re.findall(rf"^```{language}\n(.*?)^```$", part, re.M | re.S)


def test_each_order_of_the_page_is_proven() -> None:
    rows = re.findall(r"^\| (.*?) \| (.*?) \| (.*?) \|$", PAGE.split("\n| change |")[1], re.M)
    told = {change: f"{first}, {then}" for change, first, then in rows if "---" not in change}
    sides = r"publisher|subscriber"
    assert {change: re.findall(sides, words) for change, words in told.items()} == {
        change: [side for side, _ in steps] for change, steps in ORDERS.items()
    }


def test_what_a_role_that_is_no_superuser_may_not(empty: Database) -> None:
    admin = f"admin_{uuid4().hex[:12]}"
    empty.execute(f"CREATE ROLE {admin} LOGIN CREATEROLE CREATEDB PASSWORD 'admin'")
    empty.execute(f'ALTER DATABASE "{empty.url.database}" OWNER TO {admin}')
    empty.execute("CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'")
    try:
        as_admin = Database(empty.url.set(username=admin, password="admin")).engine
        [block] = blocks("Managed PostgreSQL", "sql")
        statements = block.strip().split("\n")
        with as_admin.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            for statement in statements:
                with pytest.raises(ProgrammingError) as raised:
                    connection.execute(text(statement))
                assert getattr(raised.value.orig, "sqlstate", None) == "42501", statement
            for extension in ("pg_trgm", "btree_gist"):
                connection.execute(text(f"CREATE EXTENSION {extension}"))
    finally:
        empty.execute(f'ALTER DATABASE "{empty.url.database}" OWNER TO CURRENT_USER')
        empty.execute(f"DROP OWNED BY {admin} CASCADE")
        empty.execute(f"DROP ROLE {admin}")


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[OwnServer, OwnServer]]:
    """A server of version 15, and a newer one."""
    if not (OLD / "postgres").exists():
        pytest.skip("PostgreSQL 15 is not installed")
    with server_of_ones_own("new") as new:
        if new.version <= 15:
            pytest.skip("the newer server is none")
        with server_of_ones_own("old", binaries=OLD, options="-c wal_level=logical") as old:
            yield old, new


class Upgrade:
    """One database on both servers, and the page's commands."""

    def __init__(self, servers: tuple[OwnServer, OwnServer], name: str) -> None:
        for server in servers:
            database_of(server).psql(f"CREATE DATABASE {name};")
        self.old, self.new = (Database(database_of(server).url.set(database=name)) for server in servers)
        self.keyless, *_ = blocks("A new major version", "sql")
        self.begin, self.switch = blocks("A new major version", "sh")

    def run(self, script: str) -> None:
        urls = {"OLD": client.libpq_url(self.old.url), "NEW": client.libpq_url(self.new.url)}
        shell = ["bash", "-euo", "pipefail", "-c", script]
        subprocess.run(shell, cwd=ROOT, env=os.environ | urls, check=True, timeout=120)

    def copied(self) -> bool:
        """Whether every table's rows are on the new server."""
        states = self.new.column("SELECT srsubstate FROM pg_subscription_rel")
        return bool(states) and set(states) == {"r"}

    def end(self) -> None:
        """Have nothing follow the old server any more."""
        if self.new.query("SELECT FROM pg_subscription"):
            self.new.psql("ALTER SUBSCRIPTION upgrade DISABLE; DROP SUBSCRIPTION upgrade;")


@pytest.fixture
def upgrade(servers: tuple[OwnServer, OwnServer]) -> Iterator[Upgrade]:
    made = Upgrade(servers, f"upgrade_{uuid4().hex[:8]}")
    yield made
    made.end()


@pytest.mark.slow
def test_the_upgrade_loses_no_row_and_the_sequences_go_on(upgrade: Upgrade) -> None:
    old, new = upgrade.old, upgrade.new
    old.upgrade()
    old.fill()
    old.psql((ROOT / "docs/roles.sql").read_text(encoding="utf-8"))
    owner = "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'repairs'::regclass"
    assert old.value(owner) != "postgres"
    assert old.column(upgrade.keyless) == ["migrate_history"]
    upgrade.run(upgrade.begin)
    old.execute("UPDATE repairs SET priority = 0 WHERE priority = 1")  # while the rows are copied, and after
    wait_for(upgrade.copied)
    old.execute("DELETE FROM visits WHERE mechanic_id = 1")
    old.execute("INSERT INTO mechanics (name) VALUES ('Katherine')")
    with old.engine.connect() as application:
        application.execute(text("SELECT 1"))
        upgrade.run(upgrade.switch)
        with pytest.raises(Exception, match="terminating connection"):
            application.execute(text("SELECT 1"))
    assert new.value("SHOW server_version_num") > old.value("SHOW server_version_num")
    assert all(new.rows().values())
    assert new.rows() == old.rows()
    assert new.value(owner) == old.value(owner)
    assert not new.query("SELECT FROM pg_subscription")
    assert not old.query("SELECT FROM pg_replication_slots")
    for command in (("current", "--check-heads"), ("check",)):
        code, errors = run(new, *command)
        assert code == 0, errors
    new.execute("INSERT INTO mechanics (name) VALUES ('Mary')")
    assert new.value("SELECT id FROM mechanics WHERE name = 'Mary'") == 5
    with pytest.raises(Exception, match="read-only"):
        old.execute("INSERT INTO mechanics (name) VALUES ('Mary')")


@pytest.mark.slow
def test_a_migration_meanwhile_makes_the_new_server_claim_what_it_does_not_have(
    upgrade: Upgrade, chain: Chain
) -> None:
    ini = chain(
        "CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1)",
        "ALTER TABLE t ADD COLUMN added integer",
        "CREATE TABLE kept AS SELECT 1 AS id; DELETE FROM kept",
    )
    code, errors = run(upgrade.old, "upgrade", "r0", ini=ini)
    assert code == 0, errors
    upgrade.run(upgrade.begin)
    wait_for(upgrade.copied)
    assert run(upgrade.old, "upgrade", "r1", ini=ini)[0] == 0
    wait_for(lambda: upgrade.new.heads() == ["r1"])
    assert not upgrade.new.query("SELECT FROM pg_attribute WHERE attname = 'added'")
    upgrade.old.execute("INSERT INTO t VALUES (2, 2)")
    wait_for(lambda: upgrade.new.value("SELECT apply_error_count FROM pg_stat_subscription_stats"))
    code, errors = run(upgrade.old, "upgrade", "r2", ini=ini)
    assert code != 0
    assert "does not have a replica identity and publishes deletes" in errors
    assert upgrade.old.heads() == ["r1"]

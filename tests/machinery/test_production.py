"""production.ini: what it shares with alembic.ini, what it refuses, and where it logs."""

import configparser
import os
import re
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL

from database import ROOT
from migrate.operate.beside import address
from migrate.target import allowed_url, is_private
from postgres import client
from postgres.errors import ClientError
from postgres.url import parse_url
from tests.machinery.support import HEAD, Database, environment, program

PRODUCTION = ROOT / "production.ini"


@pytest.fixture(autouse=True)
def nothing_of_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("PG"):
            monkeypatch.delenv(name)


def alembic(*arguments: str, url: URL | str, log: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return program("alembic", "-c", str(PRODUCTION), *arguments, url=url, MIGRATE_LOG=str(log), **more)


def test_both_files_say_the_same_of_the_scripts_and_the_runs() -> None:
    files = []
    for name in ("alembic.ini", "production.ini"):
        parser = configparser.RawConfigParser()
        parser.read(ROOT / name)
        files.append(parser)
    development, production = files
    for section in ("alembic", "migrate"):
        assert dict(production[section]) == dict(development[section])
    # The same loggers at the same levels; production has one more place to write to.
    assert production["loggers"]["keys"] == development["loggers"]["keys"]
    for name in development["loggers"]["keys"].split(", "):
        ours, theirs = dict(production[f"logger_{name}"]), dict(development[f"logger_{name}"])
        assert ours | {"handlers": theirs["handlers"]} == theirs


@pytest.mark.parametrize(
    "arguments",
    [
        ["current"], ["current", "--check-heads"], ["check"], ["heads"], ["branches"], ["history"],
        ["show", HEAD], ["upgrade", "head"], ["upgrade", "head", "--sql"], ["stamp", HEAD],
        ["downgrade", f"{HEAD}:{HEAD}", "--sql"], ["history", "-r", "current:head"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_every_plain_command_works(arguments: list[str], head: Database, tmp_path: Path) -> None:
    done = alembic(*arguments, url=head.url, log=tmp_path / "log")
    assert done.returncode == 0, done.stderr


def test_it_logs_to_a_file_and_the_screen_in_utc(head: Database, tmp_path: Path) -> None:
    log = tmp_path / "new" / "log"
    began = datetime.now(UTC)
    for arguments in (["downgrade", "-1"], ["upgrade", "head"]):
        done = subprocess.run(
            [sys.executable, "-m", "alembic", "-c", str(PRODUCTION), *arguments],
            env=environment(head, MIGRATE_LOG=str(log), TZ="Asia/Tokyo"),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert log.read_text().endswith(done.stderr)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    lines = log.read_text().splitlines()
    assert any(f"-> {HEAD}, " in line for line in lines)
    assert began.replace(microsecond=0) <= datetime.fromisoformat(lines[-1].split()[0]) <= datetime.now(UTC)
    for line in lines:
        assert re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO ", line), line
    assert str(head.url.password) not in log.read_text()


def test_a_log_that_cannot_be_written_gets_one_line(head: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = alembic("current", url=head.url, log=tmp_path / "file/log")
    assert done.returncode != 0
    [line] = done.stderr.splitlines() or done.stdout.splitlines()
    assert "cannot be written (" in line
    assert line.endswith("): set MIGRATE_LOG to a file that can be (/dev/null for none)")
    assert "CommandError" not in line


def test_it_refuses_the_embedded_server(tmp_path: Path) -> None:
    done = alembic("current", url="", log=tmp_path / "log")
    assert done.returncode != 0
    assert "DATABASE_URL is not set, and allow_embedded = no refuses the embedded server" in done.stderr


def test_it_refuses_a_way_without_tls_before_it_connects(tmp_path: Path) -> None:
    done = alembic("current", url="postgresql://ada:s3cr3t@nowhere.invalid/x", log=tmp_path / "log")
    assert done.returncode != 0
    assert "require_tls = yes refuses postgresql+psycopg://ada:***@nowhere.invalid/x" in done.stderr
    assert "s3cr3t" not in done.stderr


def test_a_password_in_the_query_is_hidden_as_any_other(tmp_path: Path) -> None:
    url = "postgresql://ada@localhost/x?password=s3cr3t&application_name=a"
    assert parse_url(url) == parse_url("postgresql://ada:s3cr3t@localhost/x?application_name=a")
    done = alembic("current", url=f"{url}&port=1", log=tmp_path / "log")
    assert done.returncode != 0
    assert "s3cr3t" not in done.stderr + (tmp_path / "log").read_text()
    assert address(parse_url(f"{url}&sslpassword=s3cr3t")) == (
        "postgresql://ada@localhost/x?application_name=a"
    )


def test_a_secret_that_would_stand_in_a_command_line_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICE", "main")
    with pytest.raises(ClientError, match=r"^sslpassword: put it into the file of the service") as error:
        client.output("psql", parse_url("postgresql:///x?sslpassword=s3cr3t"), "-c", "SELECT 1")
    assert "s3cr3t" not in str(error.value)


def test_it_insists_on_tls_for_real(empty: Database, tmp_path: Path) -> None:
    done = alembic("current", url=empty.url, log=tmp_path / "log", PGSSLMODE="require")
    if done.returncode:  # a server that has no certificate
        assert "SSL" in done.stderr


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("postgresql://ada@db.example.com/x", False),
        ("postgresql://ada@db.example.com/x?sslmode=prefer", False),
        ("postgresql://ada@db.example.com/x?sslmode=disable", False),
        ("postgresql://ada@db.example.com/x?sslmode=require", True),
        ("postgresql://ada@db.example.com/x?sslmode=verify-ca", True),
        ("postgresql://ada@db.example.com/x?sslmode=verify-full", True),
        ("postgresql://ada@localhost/x", True),
        ("postgresql://ada@127.0.0.1:6432/x", True),
        ("postgresql://ada@[::1]/x", True),
        ("postgresql:///x", True),
        ("postgresql:///x?host=/var/run/postgresql", True),
        ("postgresql:///x?host=db.example.com", False),
        ("postgresql://ada@localhost/x?hostaddr=192.0.2.1", False),
        ("postgresql:///x?host=localhost:5432&host=db.example.com:5432", False),
        ("postgresql://ada@localhost/x?service=main", False),
        ("postgresql:///x?service=main&sslmode=verify-full", True),
    ],
)
def test_what_nobody_in_between_can_read(url: str, private: bool) -> None:
    assert is_private(parse_url(url)) is private


@pytest.mark.parametrize(
    ("name", "value", "url", "private"),
    [
        ("PGSSLMODE", "verify-full", "postgresql://ada@db.example.com/x", True),
        ("PGSSLMODE", "verify-full", "postgresql://ada@db.example.com/x?sslmode=prefer", False),
        ("PGHOST", "db.example.com", "postgresql:///x", False),
        ("PGHOSTADDR", "192.0.2.1", "postgresql://ada@localhost/x", False),
        ("PGSERVICE", "main", "postgresql:///x", False),
        ("PGSERVICE", "main", "postgresql://ada@localhost/x", False),
        ("PGSERVICE", "main", "postgresql:///x?sslmode=require", True),
        ("PGSSLMODE", "verify-full", "postgresql:///x?service=main", False),
    ],
)
def test_the_environment_counts_as_libpq_counts_it(
    name: str, value: str, url: str, private: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert is_private(parse_url(url)) is private


def test_the_ini_file_may_allow_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ini = tmp_path / "production.ini"
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada@db.example.com/x")
    monkeypatch.delenv("MIGRATION_DATABASE_URL", raising=False)
    ini.write_text("[database]\nrequire_tls = no\n")
    assert allowed_url(Config(ini)).host == "db.example.com"
    ini.write_text("[database]\nrequire_tls = perhaps\n")
    with pytest.raises(CommandError, match="require_tls: 'perhaps' is not yes or no"):
        allowed_url(Config(ini))

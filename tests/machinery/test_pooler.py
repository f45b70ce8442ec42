"""Migrations through PgBouncer."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machinery.support import Database, run, wait_for

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")


@pytest.fixture
def pooled(request: pytest.FixtureRequest, empty: Database) -> Iterator[Database]:
    """The empty database, through a PgBouncer in the mode that the test asks for."""
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        port = candidate.getsockname()[1]
    url = empty.url
    with tempfile.TemporaryDirectory() as folder:
        users, settings = Path(folder, "users"), Path(folder, "pgbouncer.ini")
        users.write_text(f'"{url.username}" "{url.password}"\n')
        settings.write_text(
            f"[databases]\n{url.database} = host={url.host} port={url.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = plain\nauth_file = {users}\npool_mode = {request.param}\n"
        )
        options: dict[str, Any] = {}
        if os.geteuid() == 0:  # PgBouncer refuses to run as root
            options["user"] = "nobody"
            shutil.chown(folder, "nobody")
        process = subprocess.Popen([str(PGBOUNCER), settings], stderr=subprocess.DEVNULL, **options)
        try:
            wait_for(lambda: listens(port))
            yield Database(url.set(host="127.0.0.1", port=port))
        finally:
            process.terminate()
            process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("pooled", ["transaction", "statement"], indirect=True)
def test_a_pool_in_transaction_mode_is_refused_before_anything_happens(
    pooled: Database, empty: Database
) -> None:
    code, errors = run(pooled, "upgrade", "head")
    assert code != 0
    assert "Traceback" not in errors
    assert "is a connection pooler in transaction mode" in errors or "statement pooling mode" in errors
    assert "MIGRATION_DATABASE_URL" in errors
    assert str(empty.url.password) not in errors
    assert empty.column("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []


@pytest.mark.parametrize("pooled", ["transaction"], indirect=True)
def test_the_way_past_it_works(pooled: Database, empty: Database) -> None:
    direct = empty.url.set(drivername="postgresql").render_as_string(hide_password=False)
    code, errors = run(pooled, "upgrade", "head", MIGRATION_DATABASE_URL=direct)
    assert code == 0, errors


@pytest.mark.parametrize("pooled", ["session"], indirect=True)
def test_a_pool_in_session_mode_works(pooled: Database, empty: Database) -> None:
    code, errors = run(pooled, "upgrade", "head")
    assert code == 0, errors
    assert "repairs" in empty.tables()

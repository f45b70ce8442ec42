"""PgBouncer between a program and its server."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from tests.machinery.support import closed_port, wait_for

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")

needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")


@dataclass
class Pooler:
    """A PgBouncer for every database of a server."""

    settings: Path
    port: int
    process: "subprocess.Popen[bytes]" = field(init=False)

    def start(self) -> None:
        """Start it, on the same port each time."""
        options: dict[str, Any] = {"user": "nobody"} if os.geteuid() == 0 else {}  # it refuses root
        self.process = subprocess.Popen([str(PGBOUNCER), self.settings], stderr=subprocess.DEVNULL, **options)
        wait_for(self.listens)

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it at once, with every session that goes through it."""
        self.process.send_signal(number)
        self.process.wait()

    def url(self, url: URL) -> URL:
        """Return the URL of a database of the server, through this pooler."""
        return url.set(host="127.0.0.1", port=self.port)


@contextmanager
def pooler(server: URL, mode: str) -> Iterator[Pooler]:
    """Run a PgBouncer in a mode: session, transaction or statement."""
    port = closed_port()
    with tempfile.TemporaryDirectory() as folder:
        users, settings = Path(folder, "users"), Path(folder, "pgbouncer.ini")
        users.write_text(f'"{server.username}" "{server.password}"\n')
        settings.write_text(
            f"[databases]\n* = host={server.host} port={server.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = plain\nauth_file = {users}\npool_mode = {mode}\nserver_idle_timeout = 1\n"
            "server_login_retry = 1\n"  # for so long it refuses everybody where one login has failed
        )
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        made = Pooler(settings, port)
        made.start()
        try:
            yield made
        finally:
            made.end(signal.SIGKILL)

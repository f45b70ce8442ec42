"""Run PostgreSQL's client programs (psql, pg_dump) on one of our databases."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL

from postgres import embedded
from postgres.environment import without_libpq
from postgres.errors import ClientError, EmbeddedServerError

END_SECONDS = 10  # the time for a program to end when it is told to

# CREATE DATABASE writes, and may take long. A server before 17 has no transaction_timeout.
UNLIMITED = (
    "SELECT set_config(name, value, false) FROM pg_settings JOIN (VALUES ('default_transaction_read_only', "
    "'off'), ('statement_timeout', '0'), ('transaction_timeout', '0'), ('idle_session_timeout', '0')"
    ") AS wanted (name, value) USING (name)"
)

# Parameters of libpq that must stay secret.
SECRETS = ("password", "sslpassword", "oauth_client_secret")


def output(program: str | Path, url: URL | None, *arguments: str, stdin: str | None = None) -> str:
    """Run a client program and return what it printed.

    Args:
        program: its name, such as "pg_dump", to look it up with `binary`; or its path.
        url: the database, if the program needs one; its secrets go through the environment or a
            file, where no other user of the machine can see them.
        arguments: further arguments.
        stdin: the program's input.

    Raises:
        ClientError: the program failed, or does not exist.
    """
    with _command(program, url, arguments) as (command, environment):
        environment["LC_ALL"] = "C"  # messages in English
        if Path(program).name.startswith("pg_dump"):
            environment["PGTZ"] = "UTC"  # for the bounds of partitions: not the database's zone
        code, printed, errors = run(command, environment, stdin)
    if code:
        name = Path(program).name
        raise ClientError(f"{name}: {errors.strip().removeprefix(f'{name}: ') or _end(code)}")
    return printed


def run(command: Sequence[str], environment: dict[str, str], stdin: str | None) -> tuple[int, str, str]:
    """Run a program. If this process is told to stop meanwhile, end the program too.

    Args:
        command: the program and its arguments.
        environment: the program's whole environment.
        stdin: the program's input.

    Returns:
        Its exit code, its output, and its error output.
    """
    process = None
    try:
        with signals_held_back():
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=None if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
            )
        printed, errors = process.communicate(stdin)
    except BaseException:
        if process:
            # Do not kill it at once: pg_dump lets the server cancel its query, and pg_restore ends the
            # processes that it has started.
            process.terminate()
            try:
                process.communicate(timeout=END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        raise
    return process.returncode, printed, errors


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Hold signals back until the end of the block, if Python handles them.

    A signal must not interrupt the code between the start of a program and the moment it is stored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    handlers = {int(number): signal.getsignal(number) for number in signal.valid_signals()}
    # An ignored signal stays ignored, also in the program.
    earlier = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in earlier:
        signal.signal(number, lambda number, _frame: held.append(number))
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        for number in held:
            signal.raise_signal(number)


def interact(program: str, url: URL, *arguments: str) -> int:
    """Run a client program on this terminal, and return its exit code.

    Args:
        program: its name, such as "psql".
        url: the database.
        arguments: further arguments.

    Raises:
        ClientError: the program does not exist.
    """
    with _command(program, url, arguments) as (command, environment):
        return subprocess.run(command, env=environment).returncode


def connect(url: URL) -> psycopg.Connection:
    """Return a new connection, in autocommit mode, without the limits of the role and the database.

    Raises:
        psycopg.OperationalError: the server is out of reach, or refuses the connection.
    """
    with embedded.connecting(url):
        connection = psycopg.connect(**parameters(url), autocommit=True)
    connection.execute(UNLIMITED)
    return connection


def parameters(url: URL) -> dict[str, Any]:
    """Return the parameters for libpq, the same as those of the application's engine.

    Raises:
        ClientError: libpq does not know one.
    """
    dialect = url.set(drivername="postgresql+psycopg").get_dialect()()
    _, found = dialect.create_connect_args(url)
    try:
        make_conninfo(**found)
    except psycopg.ProgrammingError as error:
        raise ClientError(f"the database's URL: {str(error).strip()}") from None
    return dict(found)


def secrets(url: URL) -> set[str]:
    """Return the secrets in a URL."""
    return {str(value) for name in SECRETS if (value := parameters(url).get(name))}


def without_secrets(url: URL) -> URL:
    """Return a URL that can be shown. It connects to the same database, when the password is given."""
    query = {name: value for name, value in url.query.items() if name not in SECRETS}
    return URL.create(url.drivername, url.username, None, url.host, url.port, url.database, query)


def libpq_url(url: URL) -> str:
    """Return a URL for libpq, with the password. libpq reads a blank as %20, and a + as a +."""
    plain = url.set(drivername="postgresql", query={}).render_as_string(hide_password=False)
    query = urlencode(url.query, doseq=True, quote_via=quote)
    return plain.replace(" ", "%20") + (f"?{query}" if query else "")


def binary(program: str, url: URL | None = None) -> Path:
    """Return the path of a client program.

    For the embedded server it is the program of the embedded package. For another server it is the one
    on PATH, which supports TLS; pg_dump must not be older than the server. If one is missing, the other
    is used.

    Args:
        program: its name.
        url: the database to use it on, if any.

    Raises:
        ClientError: both are missing, or no pg_dump is new enough.
    """
    if url is None or embedded.is_embedded(url):
        found = _embedded(program) or _on_path(program)
    elif program == "psql":
        found = _on_path(program) or _embedded(program)
    else:
        return fitting(program, _server_version(url))
    if found:
        return found
    raise ClientError(f"{program} is not on PATH: install PostgreSQL's client programs")


def fitting(program: str, server: int) -> Path:
    """Return the path of a client program that fits a server: pg_dump must not be older.

    Of the program on PATH and the embedded package's, it is the one whose version is nearest to the
    server's: an older server may not know the settings that a newer pg_restore sends.

    Args:
        program: its name.
        server: the server's major version, such as 18.

    Raises:
        ClientError: each is missing, or older than the server.
    """
    found = {path: version(path) for path in (_on_path(program), _embedded(program)) if path}
    usable = [path for path, major in found.items() if major >= server]
    if usable:
        return min(usable, key=lambda path: found[path])
    install = f"install PostgreSQL's client programs {server}, and put their folder first on PATH"
    if not found:
        raise ClientError(f"{program} is not on PATH: {install}")
    path, major = max(found.items(), key=lambda item: item[1])
    raise ClientError(f"{program} ({path}) is version {major}, older than the server's {server}: {install}")


def version(path: Path) -> int:
    """Return the major version of a client program, such as 18.

    Raises:
        ClientError: the program does not tell its version.
    """
    printed = output(path, None, "--version")
    if match := re.search(r"\(PostgreSQL\) (\d+)", printed):
        return int(match[1])
    raise ClientError(f"{path} does not tell its version: {printed.strip()!r}")


def _server_version(url: URL) -> int:
    try:
        with connect(url) as connection:
            return connection.info.server_version // 10_000
    except psycopg.OperationalError as error:
        raise ClientError(str(error).strip().splitlines()[0]) from error


def _on_path(program: str) -> Path | None:
    found = shutil.which(program)
    return Path(found) if found else None


def _embedded(program: str) -> Path | None:
    try:
        return embedded.binary(program)
    except EmbeddedServerError:
        return None


@contextmanager
def _command(
    program: str | Path, url: URL | None, arguments: Sequence[str]
) -> Iterator[tuple[list[str], dict[str, str]]]:
    path = program if isinstance(program, Path) else binary(program, url)
    ours = url is not None and embedded.is_embedded(url)
    environment = {"PGCONNECT_TIMEOUT": "10", **(without_libpq() if ours else os.environ)}
    if url is None:
        yield [str(path), *arguments], environment
        return
    found = parameters(url)
    secrets = {name: str(found.pop(name)) for name in SECRETS if name in found}
    command = [str(path), f"--dbname={make_conninfo(**found)}", *arguments]
    if password := secrets.pop("password", None):
        environment["PGPASSWORD"] = password
    if not secrets:
        yield command, environment
        return
    # libpq reads these from no variable of the environment, but from a service file.
    if "service" in found or environment.get("PGSERVICE"):
        raise ClientError(f"{', '.join(secrets)}: put it into the file of the service that is in use too")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pg_service.conf")
        file.write_text("\n".join(["[secret]", *(f"{name}={value}" for name, value in secrets.items())]))
        yield command, environment | {"PGSERVICEFILE": str(file), "PGSERVICE": "secret"}


def _end(code: int) -> str:
    """Return how a program ended that printed nothing."""
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"exit code {code}"

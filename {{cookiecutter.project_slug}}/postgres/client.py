"""PostgreSQL's client programs (psql, pg_dump), run against one of our databases."""

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

END_SECONDS = 10  # that a program has to end when it is told to

# Parameters of libpq that nobody else may see.
SECRETS = ("password", "sslpassword", "oauth_client_secret")


def output(program: str | Path, url: URL | None, *arguments: str, stdin: str | None = None) -> str:
    """Run a client program and return what it printed.

    Args:
        program: its name, such as "pg_dump", for the one of `binary`; or its path.
        url: the database, if the program wants one; what is secret in it goes by the environment
            or a file, where no other user of the machine sees it.
        arguments: more arguments.
        stdin: what to feed it.

    Raises:
        ClientError: it failed, or there is none.
    """
    with _command(program, url, arguments) as (command, environment):
        environment["LC_ALL"] = "C"  # messages in English
        if Path(program).name.startswith("pg_dump"):
            environment["PGTZ"] = "UTC"  # the bounds of partitions, in whatever zone the database is
        code, printed, errors = run(command, environment, stdin)
    if code:
        name = Path(program).name
        raise ClientError(f"{name}: {errors.strip().removeprefix(f'{name}: ') or _end(code)}")
    return printed


def run(command: Sequence[str], environment: dict[str, str], stdin: str | None) -> tuple[int, str, str]:
    """Run a program, and end it where this one is told to stop meanwhile.

    Args:
        command: the program and its arguments.
        environment: all of its environment.
        stdin: what to feed it.

    Returns:
        Its exit code, what it printed, and what it printed as errors.
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
            # Not killed at once: pg_dump has the server cancel what it waits for, and pg_restore
            # ends the processes that it has started.
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
    """Have a signal wait until the end of the block, where Python is to handle it.

    What starts a program must not be left between its start and the moment that it is known.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    handlers = {int(number): signal.getsignal(number) for number in signal.valid_signals()}
    # What is ignored stays so: the program inherits that.
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
        arguments: more arguments.

    Raises:
        ClientError: there is none.
    """
    with _command(program, url, arguments) as (command, environment):
        return subprocess.run(command, env=environment).returncode


def connect(url: URL) -> psycopg.Connection:
    """Return a connection of one's own, in autocommit mode.

    Raises:
        psycopg.OperationalError: the server is out of reach, or refuses.
    """
    with embedded.connecting(url):
        return psycopg.connect(**parameters(url), autocommit=True)


def parameters(url: URL) -> dict[str, Any]:
    """Return what libpq is to connect by, the same as the application's engine gives it."""
    dialect = url.set(drivername="postgresql+psycopg").get_dialect()()
    _, found = dialect.create_connect_args(url)
    return dict(found)


def secrets(url: URL) -> set[str]:
    """Return what is secret in a URL."""
    return {str(value) for name in SECRETS if (value := parameters(url).get(name))}


def without_secrets(url: URL) -> URL:
    """Return a URL that can be shown: it connects to the same place, once the password is given."""
    query = {name: value for name, value in url.query.items() if name not in SECRETS}
    return URL.create(url.drivername, url.username, None, url.host, url.port, url.database, query)


def libpq_url(url: URL) -> str:
    """Return a URL as libpq reads it, password and all: each blank is %20 there, and a + is a +."""
    plain = url.set(drivername="postgresql", query={}).render_as_string(hide_password=False)
    query = urlencode(url.query, doseq=True, quote_via=quote)
    return plain.replace(" ", "%20") + (f"?{query}" if query else "")


def binary(program: str, url: URL | None = None) -> Path:
    """Return the path of a client program.

    To the embedded server goes the one that came with it. To any other goes the one on PATH,
    which knows TLS; pg_dump only if it is not older than the server. Each stands in for the other.

    Args:
        program: its name.
        url: the database it is for, if any.

    Raises:
        ClientError: there is neither, or no pg_dump that is new enough.
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
    """Return the path of a client program that can work with a server: pg_dump must not be older.

    Of the one on PATH and the embedded package's, it is the nearest to the server: what a
    newer pg_restore sends, an older server may not know.

    Args:
        program: its name.
        server: the server's major version, such as 18.

    Raises:
        ClientError: there is none that is not older.
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
        ClientError: it does not say.
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
    # No variable of the environment has these for libpq, but a service's file has.
    if "service" in found or environment.get("PGSERVICE"):
        raise ClientError(f"{', '.join(secrets)}: put it into the file of the service that is in use too")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pg_service.conf")
        file.write_text("\n".join(["[secret]", *(f"{name}={value}" for name, value in secrets.items())]))
        yield command, environment | {"PGSERVICEFILE": str(file), "PGSERVICE": "secret"}


def _end(code: int) -> str:
    """Return how a program ended that said nothing."""
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"exit code {code}"

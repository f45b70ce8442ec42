"""What a user sees on the command line, above all when something is wrong."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

from database import ROOT
from migrate.autogenerate import sound
from migrate.run import connection
from tests.machinery.support import HEAD, Database, closed_port, environment, process, program

SECRET = "s3cr3t"


@pytest.fixture
def bad_url(request: pytest.FixtureRequest, empty: Database) -> URL | str:
    good = empty.url.set(drivername="postgresql")
    urls: dict[str, URL | str] = {
        "unreachable server": good.set(port=closed_port(), password=SECRET),
        "unknown host": good.set(host="nowhere.invalid", password=SECRET),
        "wrong password": good.set(password=SECRET),
        "unknown database": good.set(database="no_such_database"),
        "other product": f"mysql://ada:{SECRET}@localhost/ocr",
        "not a URL": f"localhost {SECRET}",
        "no database": f"postgresql://ada:{SECRET}@localhost",
        "unencoded @": f"postgresql://ada:{SECRET}@{SECRET}@localhost/ocr",
        "unknown option": good.update_query_dict({"colour": "blue"}),
    }
    return urls[request.param]


@pytest.mark.parametrize(
    ("bad_url", "says"),
    [
        ("unreachable server", "connection refused|Connection refused"),
        ("unknown host", "check the host"),
        ("wrong password", "check the user and the password"),
        ("unknown database", "create it, or correct the name"),
        ("other product", "is for mysql, this application needs PostgreSQL"),
        ("not a URL", "DATABASE_URL is not a database URL"),
        ("no database", "names no database"),
        ("unencoded @", "percent-encode it"),
        ("unknown option", "colour"),
    ],
    indirect=["bad_url"],
)
@pytest.mark.parametrize("command", [["alembic", "upgrade", "head"], ["migrate", "sample"]], ids=" ".join)
def test_a_bad_url_gets_one_clear_line(command: list[str], bad_url: URL | str, says: str) -> None:
    done = program(*command, url=bad_url)
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert any(part in done.stderr for part in says.split("|")), done.stderr
    assert "DATABASE_URL" in done.stderr
    assert SECRET not in done.stderr + done.stdout


@pytest.mark.parametrize("command", ["upgrade", "downgrade"])
def test_an_unknown_revision_gets_one_clear_line(command: str, empty: Database) -> None:
    done = program("alembic", command, "no_such_revision", url=empty.url)
    errors = [line for line in done.stderr.splitlines() if not line.startswith("INFO")]
    assert done.returncode != 0
    assert len(errors) == 1
    assert "no_such_revision" in errors[0]
    assert "alembic history" in errors[0]


def test_raiseerr_still_shows_the_traceback() -> None:
    done = process(
        "alembic",
        "--raiseerr",
        "upgrade",
        "head",
        url=f"postgresql://ada:{SECRET}@127.0.0.1:{closed_port()}/x",
    )
    assert "Traceback" in done.stderr
    assert "psycopg.OperationalError" in done.stderr
    assert SECRET not in done.stderr


def test_a_server_that_is_too_old_is_refused(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MINIMUM_VERSION", (99,))
    with pytest.raises(Exception, match=r"is PostgreSQL \d+\.\d+, the migrations need 99 or later: upgrade"):
        empty.upgrade("head")
    assert empty.tables() == []


def test_alembic_runs_from_any_folder(empty: Database, tmp_path: Path) -> None:
    done = process(
        "alembic", "-c", str(ROOT / "alembic.ini"), "upgrade", "head", url=empty.url, folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    current = process(
        "alembic", "-c", str(ROOT / "alembic.ini"), "current", "--check-heads", url=empty.url, folder=tmp_path
    )
    assert current.returncode == 0
    assert HEAD in current.stdout


def test_a_statement_timeout_is_not_taken_for_a_network_that_does_not_answer(empty: Database) -> None:
    error = OperationalError("SELECT 1", {}, Exception("canceling statement due to statement timeout"))
    said = connection.cannot_connect(error, empty.engine)
    assert "(it is too short to connect: raise it (ALTER ROLE or ALTER DATABASE … SET): DATABASE_URL" in said


def test_the_sql_needs_no_database_and_no_url() -> None:
    done = process("alembic", "upgrade", "head", "--sql", url="")
    assert done.returncode == 0, done.stderr
    assert "CREATE TABLE repairs " in done.stdout


def test_a_new_revision_is_dated_formatted_and_reminds_its_writer(head: Database, tmp_path: Path) -> None:
    versions = tmp_path / "versions"
    versions.mkdir()
    ini = tmp_path / "alembic.ini"
    ini.write_text(
        (ROOT / "alembic.ini")
        .read_text()
        .replace("%(here)s/alembic/versions", f"%(here)s/versions:{ROOT.as_posix()}/alembic/versions")
        .replace("%(here)s", ROOT.as_posix())
        .replace(f"{ROOT.as_posix()}/versions", versions.as_posix())
    )
    done = process(
        "alembic", "-c", str(ini), "revision", "-m", "add_repair_colour", "--version-path", str(versions),
        url=head.url,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [path] = versions.iterdir()
    assert path.name.endswith("_add_repair_colour.py")
    source = path.read_text()
    assert source.startswith('"""Add repair colour.\n\nScenario: ? ')
    assert "old code is still running" in source
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--check", "--config", ROOT / "pyproject.toml", path],
        capture_output=True,
    )
    assert checked.returncode == 0, checked.stderr


def test_the_docstring_of_a_revision_holds_any_text(tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    shutil.copy(ROOT / "alembic/script.py.mako", tmp_path)
    config = Config()
    config.set_main_option("script_location", str(tmp_path))
    for text in ('\\users """', '\\nowhere "'):
        command.revision(config, text, rev_id=text)
    found = ScriptDirectory.from_config(config).get_revision("head")
    assert found
    assert found.doc == '\\nowhere ".'
    assert 'Revision ID: \\nowhere "\nRevises: \\users """\n' in found.longdoc


@pytest.mark.parametrize("rows", ["0", "-1", "many", "1.5", "1000000000000"])
def test_a_bad_number_of_rows_is_refused_by_name(rows: str, empty: Database) -> None:
    done = program("migrate", "sample", "--rows", rows, url=empty.url)
    assert done.returncode != 0
    assert f"{rows!r} is not a number" in done.stderr or "expected one argument" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "rest",
    ["ada:p%40ss@localhost:6543/ocr", "a%20b:p+c%20d@localhost:6543/ocr%20db?options=-c%20search_path%3Docr"],
)
def test_the_url_is_printed_for_other_programs(rest: str) -> None:
    done = program("migrate", "url", url=f"postgres://{rest}")
    assert done.stdout == f"postgresql://{rest}\n"


def test_psql_connects_as_the_application_does(empty: Database) -> None:
    url = empty.url.update_query_dict({"options": '-c search_path="a\\ b+c"', "connect_timeout": "5"})
    done = process("migrate", "psql", "-At", "-c", "SHOW search_path", url=url)
    assert done.stdout == '"a b+c"\n', done.stderr


@pytest.mark.parametrize("command", ["psql", "status"])
def test_a_parameter_that_libpq_does_not_know_gets_one_line(command: str, empty: Database) -> None:
    url = empty.url.update_query_dict({"nonsense": "secret"})
    done = program("migrate", command, url=url)
    [line] = done.stderr.splitlines()
    assert done.returncode == 1
    assert 'invalid connection option "nonsense"' in line
    assert "secret" not in line


@pytest.mark.parametrize("command", ["alembic upgrade head --sql", "migrate url"])
def test_a_reader_that_has_seen_enough_is_no_error(command: str, empty: Database) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        env=environment(empty), cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(write)
    assert done.returncode == 141, done.stderr
    assert "Error" not in done.stderr


@pytest.mark.parametrize("command", ["ledger --check", "deploy --yes"])
def test_a_percent_sign_in_the_folder_gets_one_line(command: str, tmp_path: Path, empty: Database) -> None:
    folder = shutil.copytree(
        ROOT, tmp_path / "100%", symlinks=True, ignore=shutil.ignore_patterns(".postgres*")
    )
    done = process("migrate", *command.split(), url=empty.url, folder=folder)
    [line] = done.stderr.splitlines()
    assert done.returncode == 1
    assert "rename the folder" in line


@pytest.mark.parametrize("command", ["status", "smoke", "deploy"])
def test_models_that_cannot_be_imported_get_one_line(command: str, empty: Database) -> None:
    source = (
        "import sys; from migrate.autogenerate import sound; from migrate.__main__ import main; "
        f"sound.MODELS = 'nowhere'; sys.exit(main([{command!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], env=environment(empty.url), cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the models cannot be imported: ")
    assert len(done.stderr.splitlines()) == 1


def test_models_without_a_package_are_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unmade").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sound, "MODELS", "unmade")
    with pytest.raises(CommandError, match=r"unmade/__init__\.py is not there, or may not be read"):
        sound.load()


@pytest.mark.skipif(sys.platform == "win32", reason="the folder cannot be removed")
def test_a_working_directory_that_is_gone_gets_one_line(empty: Database, tmp_path: Path) -> None:
    folder = tmp_path / "release"
    command = f"cd {folder} && rmdir {folder} && {sys.executable} -m migrate psql"
    folder.mkdir()
    done = subprocess.run(command, shell=True, env=environment(empty), capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: the working directory is gone: cd to one that is there\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("ledger", "--from"),
        ("deploy", "--to"),
        ("rollback", "--to"),
        ("history", "--accept"),
        ("squash", "--to"),
    ],
    ids=" ".join,
)
def test_an_empty_revision_is_refused(arguments: tuple[str, str]) -> None:
    done = program("migrate", *arguments, "", url="postgresql://localhost/nothing")
    assert done.returncode == 2
    assert done.stderr.endswith(f"argument {arguments[1]}: it is empty: give a revision, such as head\n")


@pytest.mark.parametrize("command", ["upgrade", "downgrade", "stamp", "upgrade --sql"])
def test_alembic_refuses_an_empty_revision_too(command: str, empty: Database) -> None:
    done = program("alembic", *command.split(), "", url=empty.url)
    assert done.returncode
    assert "Traceback" not in done.stderr
    assert done.stdout.endswith("FAILED: the revision is empty: give one, such as head\n")

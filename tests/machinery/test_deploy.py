"""A deploy, good and failed, with its ways on and back run as they are printed."""

import itertools
import os
import re
import resource
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from database import ROOT
from migrate.operate import backup
from migrate.operate.deploy import Deploy
from migrate.operate.operation import Operation
from migrate.run.connection import major_version
from postgres import client
from tests.machinery.production import (
    Site,
    command,
    commands,
    dump,
    hidden,
    site,
    steps,
)
from tests.machinery.support import Chain, Database, OwnServer, database_of, wait_for

POSTGRESQL_15 = Path("/usr/lib/postgresql/15/bin")

FIRST = "CREATE TABLE t (n integer PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)"
SECOND = "ALTER TABLE t ADD COLUMN a integer DEFAULT 1"
THIRD = "ALTER TABLE t ADD COLUMN b integer DEFAULT 2"
BAD = "CREATE TABLE half (n integer); SELECT 1 / 0"
ALL = [str(number) for number, _ in enumerate(Deploy.steps, 1)]


@pytest.fixture
def good(empty: Database, chain: Chain) -> Site:
    """A database with rows at r0, and two pending revisions."""
    made = site(empty, chain(FIRST, SECOND, THIRD))
    made.document(
        "r1", undo="ALTER TABLE t DROP COLUMN a", Locks="t AccessExclusiveLock", Rollback="loses t.a"
    )
    made.document(
        "r2", undo="ALTER TABLE t DROP COLUMN b", Locks="t AccessExclusiveLock", Rollback="loses t.b"
    )
    return at_r0(made)


@pytest.fixture
def bad(empty: Database, chain: Chain) -> Site:
    """A database with rows at r0, and three pending revisions of which the third fails."""
    made = site(empty, chain(FIRST, SECOND, THIRD, BAD))
    made.document("r1", undo="ALTER TABLE t DROP COLUMN a", Rollback="loses t.a")
    made.document("r2", undo="ALTER TABLE t DROP COLUMN b", Rollback="loses t.b")
    return at_r0(made)


def at_r0(made: Site) -> Site:
    code, output = made.deploy("--to", "r0", "--no-backup", str(made.database.url.database))
    assert code == 0, output
    for path in made.backups.iterdir():
        path.unlink()
    return made


def trail(made: Site) -> list[str]:
    """Have the hooks and the smoke test leave a trail, and return its file."""
    path = made.folder / "trail"
    made.ini.write_text(made.ini.read_text().replace("smoke_test = true\n", ""))
    made.configure(
        on_start=f"echo start >> {path}",
        smoke_test=f"echo smoke >> {path}",
        on_finish=f"echo finish $DEPLOY_RESULT >> {path}",
    )
    return [str(path)]


# Good


def test_a_good_deploy_takes_ten_steps_and_keeps_a_record(good: Site) -> None:
    [path] = trail(good)
    before = dump(good.database)
    code, output = good.deploy()
    assert code == 0, output
    assert steps(output) == ALL
    assert good.heads() == ["r2"]
    assert Path(path).read_text().split("\n") == ["start", "smoke", "finish succeeded", ""]
    # What an operator is shown before the first change.
    shown = output.split("5/10")[0]
    assert "pending 1 of 2: r1 About r1." in shown
    assert "locks: t AccessExclusiveLock" in shown
    assert "rollback: loses t.b" in shown
    assert "the docstring of r1.py lacks Scenario, Deploy" in shown
    # The record.
    [backup], [sql], [log] = good.files(".dump"), good.files(".sql"), good.files(".log")
    assert re.fullmatch(rf"{good.database.url.database}_20\d{{6}}T\d{{9}}Z\.dump", backup.name)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (backup, sql)] == [0o600, 0o600]
    assert stat.S_IMODE(good.backups.stat().st_mode) == 0o700
    assert "ADD COLUMN b" in sql.read_text()
    assert "CREATE TABLE t" not in sql.read_text()
    for line in log.read_text().splitlines():
        assert re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ (INFO|WARNING) ", line), line
    assert (
        log.read_text()
        == output
        == (good.folder / "migrate.log").read_text().split("at r0\n", 1)[1][-len(output) :]
    )
    # What the SQL says is what was run, and the backup is of before.
    copy = restored(good, backup)
    assert dump(copy) == before
    copy.psql(sql.read_text())
    assert dump(copy) == dump(good.database)


def restored(made: Site, backup: Path) -> Database:
    code, output = made.migrate("rollback", "--config", str(made.ini), "--backup", str(backup))
    assert code == 0, output
    [name] = re.findall(r"restored into (\S+)$", output, re.MULTILINE)
    return Database(made.database.url.set(database=name))


@pytest.mark.slow
def test_the_times_are_utc_wherever_the_operator_is(good: Site) -> None:
    good.environment["TZ"] = "Asia/Tokyo"
    now = subprocess.check_output(["date", "-u", "+%Y-%m-%dT%H"], text=True).strip()
    output, _ = good.start("deploy", "--config", str(good.ini), "--dry-run").communicate(timeout=60)
    later = subprocess.check_output(["date", "-u", "+%Y-%m-%dT%H"], text=True).strip()
    assert output[:13] in (now, later)
    [backup] = good.files(".dump")
    assert any(hour.replace("-", "") in backup.name for hour in (now, later))


def test_nothing_pending_ends_well_and_leaves_maintenance_mode(good: Site) -> None:
    [path] = trail(good)
    assert good.deploy()[0] == 0
    Path(path).unlink()
    code, output = good.migrate("deploy", "--config", str(good.ini))  # asks nothing
    assert code == 0, output
    assert "nothing pending" in output
    assert steps(output) == ["1", "8", "9", "10"]
    assert len(good.files(".dump")) == 1
    assert Path(path).read_text() == "smoke\nfinish succeeded\n"


def test_a_dry_run_changes_nothing_and_needs_nobody(good: Site) -> None:
    [path] = trail(good)
    before = dump(good.database)
    code, output = good.migrate("deploy", "--config", str(good.ini), "--dry-run")
    assert code == 0, output
    assert steps(output) == ["1", "2", "3", "4"]
    assert "ADD COLUMN b" in good.files(".sql")[0].read_text()
    assert dump(good.database) == before
    assert not Path(path).exists()


@pytest.mark.slow
@pytest.mark.parametrize(("to", "reached"), [("r1", "r1"), ("+1", "r1"), ("+2", "r2"), ("head", "r2")])
def test_it_goes_as_far_as_it_is_told(to: str, reached: str, good: Site) -> None:
    code, output = good.deploy("--to", to)
    assert code == 0, output
    assert good.heads() == [reached]


def test_a_target_that_is_behind_is_refused_with_the_way_back(good: Site) -> None:
    assert good.deploy()[0] == 0
    code, output = good.deploy("--to", "r1")
    assert code == 1
    assert "the database is past r1 already, by 1: python -m migrate rollback --to r1" in output
    assert good.heads() == ["r2"]


@pytest.mark.parametrize("to", ["nowhere", "-1"])
def test_a_target_that_is_none_is_refused(to: str, good: Site) -> None:
    code, output = good.deploy(f"--to={to}")
    assert code == 1
    assert "Traceback" not in output
    assert "Nothing has been changed" in output
    assert good.heads() == ["r0"]


# Failed


def test_the_third_fails_two_stand_and_the_printed_ways_work(bad: Site) -> None:
    before = dump(bad.database)
    rows = bad.database.rows()
    code, output = bad.deploy()
    assert code == 1
    assert "Traceback" not in output
    assert "deploy stopped in step 7/10 (upgrade): division by zero: the database is at r2" in output
    assert "rolled back" in output
    assert f"The database {bad.database.url.database} is at r2. The deploy began at r0." in output
    assert "Applied: r1, r2." in output
    assert "Not applied: r3." in output
    assert "(r2: loses t.b; r1: loses t.a)" in output
    assert steps(output) == ["1", "2", "3", "4", "5", "6", "7", "10"]
    # The first two stand, the third left nothing.
    assert bad.heads() == ["r2"]
    assert bad.database.tables() == ["t"]
    assert bad.database.query("SELECT DISTINCT a, b FROM t") == [(1, 2)]
    on, down, back = commands(output)[-3:]

    # The way back to the backup, beside the database.
    code, printed = bad.typed(back)
    assert code == 0, printed
    [name] = re.findall(r"restored into (\S+)$", printed, re.MULTILINE)
    copy = Database(bad.database.url.set(database=name))
    assert dump(copy) == before

    # The way back by downgrades.
    code, printed = bad.typed(down, "y")
    assert code == 0, printed
    assert bad.heads() == ["r0"]
    assert bad.database.rows() == rows
    assert bad.database.schema() == copy.schema()

    # The way on, which fails as before until the cause is repaired.
    assert bad.typed(on)[0] == 1
    assert bad.heads() == ["r2"]
    path = bad.folder / "versions/r3.py"
    path.write_text(path.read_text().replace("1 / 0", "1"))
    code, printed = bad.typed(on)
    assert code == 0, printed
    assert bad.heads() == ["r3"]
    assert bad.database.tables() == ["half", "t"]


@pytest.mark.slow
def test_where_the_database_cannot_be_asked_nothing_is_said_to_be_applied(
    bad: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Operation, "state", lambda _self: (None, "Where it is now is not known."))
    code, output = bad.deploy()
    assert code == 1
    assert "Where it is now is not known. The deploy began at r0." in output
    assert "pplied:" not in output
    assert command(output, "deploy")


@pytest.mark.slow
def test_a_revision_outside_a_transaction_is_said_to_be_half_way(empty: Database, chain: Chain) -> None:
    made = at_r0(
        site(empty, chain(FIRST, "AUTOCOMMIT CREATE TABLE IF NOT EXISTS u (n integer); SELECT 1 / 0"))
    )
    code, output = made.deploy()
    assert code == 1
    assert "stopped half-way, and can be run again as it is" in output
    assert "Applied: nothing." in output
    assert "Not applied: r1." in output
    path = made.folder / "versions/r1.py"
    path.write_text(path.read_text().replace("1 / 0", "1"))
    on, back = commands(output)[-2:]
    assert made.typed(on)[0] == 0
    assert made.typed(back)[0] == 0


@pytest.mark.slow
def test_a_fault_in_a_revisions_code_shows_where(empty: Database, chain: Chain) -> None:
    made = at_r0(site(empty, chain(FIRST, SECOND)))
    path = made.folder / "versions/r1.py"
    path.write_text(path.read_text().replace("op.execute(", "op.no_such_operation("))
    code, output = made.deploy()
    assert code == 1
    assert "r1.py" in output
    assert "AttributeError" in output
    assert "Applied: nothing." in output


@pytest.mark.slow
def test_an_irreversible_revision_leaves_the_backup_as_the_way_back(bad: Site) -> None:
    path = bad.folder / "versions/r1.py"
    path.write_text(path.read_text().replace("loses t.a", "irreversible: t.a is gone"))
    _, output = bad.deploy()
    assert "rollback: irreversible: t.a is gone" in output
    assert "No downgrade leads back over r1: irreversible." in output
    assert "rollback --to" not in output
    assert command(output, "rollback", "--backup")


# Killed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "name"),
    [*zip(range(1, 11), itertools.cycle(["SIGTERM", "SIGKILL", "SIGHUP"]), strict=False)],
)
def test_a_deploy_that_was_killed_in_a_step_is_run_again(number: int, name: str, good: Site) -> None:
    [path] = trail(good)
    code, output = good.deploy_until(number, name)
    assert code == (-signal.SIGKILL if name == "SIGKILL" else 1), output
    changed = number > 7
    assert good.heads() == (["r2"] if changed else ["r0"])
    if name != "SIGKILL":
        assert f"deploy stopped in step {number}/10" in output
        assert "stopped on request" in output
        assert ("Nothing has been changed" in output) == (number < 7)
        assert ("Applied: nothing." in output) == (number == 7)
        assert ("Applied: r1, r2." in output) == changed
        if 7 <= number < 10:
            assert Path(path).read_text().endswith("finish failed\n")
        assert ("maintenance mode may still be on" in output) == (number == 10)
    assert good.files(".partial") == []
    code, output = good.deploy()
    assert code == 0, output
    assert good.heads() == ["r2"]
    assert Path(path).read_text().endswith("smoke\nfinish succeeded\n")


@pytest.mark.slow
@pytest.mark.parametrize("killer", [signal.SIGKILL, signal.SIGTERM])
def test_a_deploy_that_was_killed_while_the_backup_is_written_leaves_no_backup(
    killer: signal.Signals, good: Site
) -> None:
    with good.database.engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE t")  # pg_dump waits for it
        process = good.start("deploy", "--config", str(good.ini), "--yes")
        wait_for(lambda: good.files(".partial"))
        wait_for(
            lambda: good.database.value(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_dump' "
                "AND wait_event_type = 'Lock' AND datname = current_database()"
            )
        )
        process.send_signal(killer)
        output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert good.files(".dump") == []
    if killer == signal.SIGTERM:
        assert "Nothing has been changed" in output
        assert good.files(".partial") == []
    assert good.deploy()[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("killer", [signal.SIGKILL, signal.SIGTERM])
def test_a_deploy_that_was_killed_in_a_statement_is_run_again(
    killer: signal.Signals, empty: Database, chain: Chain
) -> None:
    pause = "CREATE TABLE pause AS SELECT 60 AS seconds"
    made = at_r0(
        site(empty, chain(f"{FIRST}; {pause}", SECOND, f"{THIRD}; SELECT pg_sleep(seconds) FROM pause"))
    )
    process = made.start("deploy", "--config", str(made.ini), "--yes")
    wait_for(lambda: made.database.running("SELECT pg_sleep%"))
    process.send_signal(killer)
    output, _ = process.communicate(timeout=60)
    for pid in made.database.running("SELECT pg_sleep%"):  # the server has not noticed
        made.database.query("SELECT pg_terminate_backend(:pid)", pid=pid)
    made.database.execute("UPDATE pause SET seconds = 0")
    assert process.returncode != 0
    if killer == signal.SIGTERM:
        assert "Applied: r1.\nNot applied: r2." in output
    code, output = made.deploy()
    assert code == 0, output
    assert made.heads() == ["r2"]


# The client programs, and the backup's folder


def fake(folder: Path, version: str) -> None:
    folder.mkdir()
    for program in ("pg_dump", "pg_restore"):
        path = folder / program
        path.write_text(f"#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n")
        path.chmod(0o755)


@pytest.mark.slow
def test_a_client_that_is_older_than_the_server_is_refused_before_anything(good: Site) -> None:
    fake(good.folder / "bin", "14.3")
    good.environment["PATH"] = f"{good.folder / 'bin'}:/usr/bin:/bin"
    code, output = good.deploy(embedded=False)
    assert code == 1
    with good.database.engine.connect() as connection:
        server = major_version(connection)
    assert (
        f"pg_dump ({good.folder}/bin/pg_dump) is version 14, older than the server's {server}: install"
        in output
    )
    assert steps(output) == ["1"]
    assert good.files(".dump") == []
    assert good.heads() == ["r0"]


@pytest.mark.slow
@pytest.mark.skipif(not POSTGRESQL_15.exists(), reason="PostgreSQL 15 is not installed")
def test_so_is_a_real_one(good: Site) -> None:
    with good.database.engine.connect() as connection:
        if major_version(connection) < 16:
            pytest.skip("the server is no newer")
    good.environment["PATH"] = f"{POSTGRESQL_15}:/usr/bin:/bin"
    code, output = good.deploy(embedded=False)
    assert code == 1
    assert "is version 15, older than the server's" in output
    assert steps(output) == ["1"]


@pytest.mark.slow
def test_the_client_nearest_to_the_server_is_taken(good: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(good.folder / "bin", "99.1")
    monkeypatch.setenv("PATH", f"{good.folder / 'bin'}:/usr/bin:/bin")
    embedded = client.binary("pg_dump")
    assert client.fitting("pg_dump", client.version(embedded)) == embedded
    assert client.fitting("pg_dump", client.version(embedded) + 1) == good.folder / "bin/pg_dump"


@pytest.mark.slow
def test_without_a_client_it_says_what_to_install(good: Site) -> None:
    good.environment["PATH"] = str(good.folder)
    code, output = good.deploy(embedded=False)
    assert code == 1
    assert "pg_dump is not on PATH: install PostgreSQL's client programs" in output
    code, output = good.deploy("--no-backup", str(good.database.url.database), embedded=False)
    assert code == 0, output


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def incompressible(made: Site) -> None:
    made.database.execute("CREATE TABLE random AS SELECT gen_random_uuid() FROM generate_series(1, 20000)")


@pytest.mark.slow
def test_a_full_disk_stops_it_and_leaves_no_half_of_a_backup(good: Site, small_disk: Path) -> None:
    incompressible(good)
    code, output = good.deploy("--backup-dir", str(small_disk))
    assert code == 1
    assert "No space left on device" in output
    assert "the backup may not fit" in output
    assert "deploy stopped in step 2/10 (backup)" in output
    assert "Nothing has been changed" in output
    assert "Traceback" not in output
    assert [path.suffix for path in small_disk.iterdir()] == [".log"]
    assert good.heads() == ["r0"]
    code, output = good.typed(command(output, "deploy").replace(str(small_disk), str(good.backups)))
    assert code == 0, output


@pytest.mark.slow
def test_a_limit_on_file_sizes_stops_it_too(good: Site) -> None:
    incompressible(good)
    process = good.start(
        "deploy", "--config", str(good.ini), "--yes",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )  # fmt: skip
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(r"step 2/10 \(backup\): pg_dump: (ended by SIGXFSZ|.*File too large)", output), output
    assert good.files(".dump") + good.files(".partial") == []
    assert good.heads() == ["r0"]


def test_a_folder_that_cannot_be_written_stops_it_at_once(good: Site) -> None:
    (good.folder / "file").write_text("")
    code, output = good.deploy("--backup-dir", str(good.folder / "file" / "backups"))
    assert code == 1
    [line] = output.splitlines()
    assert line.startswith("error: the log ")
    assert line.endswith(": choose another --backup-dir")
    assert good.heads() == ["r0"]


@pytest.mark.slow
def test_a_backup_that_is_cut_off_is_no_backup(good: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    incompressible(good)
    monkeypatch.setattr(backup, "_sync", lambda path: os.truncate(path, path.stat().st_size // 2))
    code, output = good.deploy()
    assert code == 1
    assert "deploy stopped in step 3/10 (verify the backup): pg_restore: " in output
    assert "Nothing has been changed" in output
    assert good.heads() == ["r0"]


@pytest.mark.slow
@pytest.mark.parametrize("taken", ["", ".partial"])
def test_an_existing_backup_is_never_overwritten(
    taken: str, good: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Operation.file

    def occupied(self: Operation, suffix: str) -> Path:
        path = file(self, suffix)
        if suffix == "dump":
            Path(f"{path}{taken}").write_text("mine")
        return path

    monkeypatch.setattr(Operation, "file", occupied)
    code, output = good.deploy()
    assert code == 1
    assert "exists" in output
    [path] = good.files(".dump") + good.files(".partial")
    assert path.read_text() == "mine"


# Refused


@pytest.mark.slow
def test_two_heads_are_refused(good: Site) -> None:
    path = good.folder / "versions/r2.py"
    other = path.read_text().replace("revision = 'r2'", "revision = 'other'", 1)
    path.with_name("other.py").write_text(other)
    code, output = good.deploy()
    assert code == 1
    assert re.search(
        "the chain has 2 heads, (r2, other|other, r2): merge them with alembic merge heads", output
    )
    assert steps(output) == ["1"]
    assert good.heads() == ["r0"]


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["n", "", "yess", "\x04"])
def test_without_a_yes_nothing_happens(answer: str, good: Site) -> None:
    [path] = trail(good)
    code, output = good.typed(f"python -m migrate deploy --config {good.ini}", answer)
    assert code == 1
    assert f"Upgrade {good.database.url.database} on {good.database.url.host} by 2 revisions? [y/N]" in output
    assert "step 5/10 (confirm): not confirmed" in output
    assert "Nothing has been changed" in output
    assert good.heads() == ["r0"]
    assert not Path(path).exists()


@pytest.mark.slow
def test_with_a_yes_it_goes_on(good: Site) -> None:
    code, output = good.typed(f"python -m migrate deploy --config {good.ini}", "y")
    assert code == 0, output
    assert good.heads() == ["r2"]


def test_without_a_terminal_it_wants_yes_before_the_backup(good: Site) -> None:
    code, output = good.migrate("deploy", "--config", str(good.ini))
    assert code == 1
    assert "there is no terminal to ask for confirmation on: give --yes" in output
    assert good.files(".dump") == []
    assert good.heads() == ["r0"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [[], ["another"]])
def test_no_backup_in_a_pipeline_wants_the_databases_name(name: list[str], good: Site) -> None:
    code, output = good.deploy("--no-backup", *name)
    assert code == 1
    assert str(good.database.url.database) in output.split("Nothing has been changed")[0].splitlines()[-1]
    assert good.heads() == ["r0"]


@pytest.mark.slow
def test_no_backup_on_a_terminal_asks_for_the_databases_name(good: Site) -> None:
    line, name = f"python -m migrate deploy --config {good.ini} --no-backup", str(good.database.url.database)
    code, output = good.typed(line, "y")
    assert code == 1
    assert f"There is no backup. Type {name} to go on:" in output
    assert good.heads() == ["r0"]
    code, output = good.typed(line, name)
    assert code == 0, output
    assert good.heads() == ["r2"]
    assert good.files(".dump") == []


@pytest.mark.slow
def test_a_standby_is_refused(own_server: OwnServer, chain: Chain) -> None:
    made = at_r0(site(database_of(own_server), chain(FIRST, SECOND)))
    own_server.stop()
    (own_server.data / "standby.signal").touch()
    own_server.start()
    try:
        code, output = made.deploy()
    finally:
        own_server.stop()
    assert code == 1
    assert "the server takes no changes" in output
    assert steps(output) == ["1"]


@pytest.fixture
def role(good: Site) -> Iterator[str]:
    """A role that owns nothing."""
    name = f"{good.database.url.database}_reader"
    good.database.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{name}'")
    good.environment["DATABASE_URL"] = good.database.url.set(username=name, password=name).render_as_string(
        hide_password=False
    )
    yield name
    good.database.execute(f'DROP OWNED BY "{name}"')
    good.database.execute(f'DROP ROLE "{name}"')


@pytest.mark.slow
def test_a_role_that_could_not_change_the_tables_is_refused(good: Site, role: str) -> None:
    code, output = good.deploy()
    assert code == 1
    assert f"the role {role} may not create tables in the schema public" in output
    good.database.execute(f'GRANT CREATE ON SCHEMA public TO "{role}"')
    code, output = good.deploy()
    assert code == 1
    assert f"the role {role} does not own alembic_version" in output
    assert "MIGRATION_DATABASE_URL" in output
    assert steps(output) == ["1"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("on_strat = true", r"\[deploy\] has no setting on_strat; there are "),
        ("", "is not there: --config names"),
    ],
)
def test_a_wrong_ini_file_gets_one_line(line: str, complaint: str, good: Site) -> None:
    if line:
        good.ini.write_text(good.ini.read_text().replace("[deploy]\n", f"[deploy]\n{line}\n"))
    else:
        good.ini.unlink()
    code, output = good.deploy()
    assert code == 1
    assert re.fullmatch(f"error: .*{complaint}.*\n", output)


# Hooks, checks


@pytest.mark.slow
def test_on_finish_runs_after_a_failure(bad: Site) -> None:
    [path] = trail(bad)
    assert bad.deploy()[0] == 1
    assert Path(path).read_text() == "start\nfinish failed\n"


@pytest.mark.slow
def test_on_start_that_fails_stops_it_before_the_first_change(good: Site) -> None:
    good.configure(on_start="echo no; exit 3", on_finish="echo over")
    code, output = good.deploy()
    assert code == 1
    assert "    | no\n" in output
    assert "step 6/10 (on_start): `echo no; exit 3` failed with exit code 3" in output
    assert "    | over\n" in output
    assert "Nothing has been changed" in output
    assert good.heads() == ["r0"]


@pytest.mark.slow
def test_on_finish_that_fails_is_told_though_all_is_done(good: Site) -> None:
    good.configure(on_finish="test -e mended")
    code, output = good.deploy()
    assert code == 1
    assert "step 10/10 (on_finish): `test -e mended` failed with exit code 1" in output
    assert "Applied: r1, r2." in output
    assert good.heads() == ["r2"]
    good.ini.write_text(good.ini.read_text().replace("test -e mended", "true"))
    code, output = good.typed(command(output, "deploy"))
    assert code == 0, output


@pytest.mark.slow
def test_where_both_fail_both_are_told(bad: Site) -> None:
    bad.configure(on_finish="false")
    _, output = bad.deploy()
    assert "step 7/10 (upgrade): division by zero" in output
    assert "on_finish failed too, so maintenance mode may still be on: `false` failed" in output


@pytest.mark.slow
def test_a_smoke_test_that_fails_shows_the_ways(good: Site) -> None:
    good.ini.write_text(good.ini.read_text().replace("smoke_test = true", "smoke_test = echo dead; false"))
    code, output = good.deploy()
    assert code == 1
    assert "    | dead\n" in output
    assert "step 9/10 (smoke test)" in output
    code, output = good.typed(command(output, "rollback", "--to"), "y")
    assert code == 0, output
    assert good.heads() == ["r0"]


@pytest.fixture
def production(head: Database, tmp_path: Path) -> Site:
    """The database of the models at head, with the real chain."""
    ini = tmp_path / "alembic.ini"
    made = site(head, ini)
    (tmp_path / "versions").symlink_to(ROOT / "alembic/versions")
    text = made.ini.read_text().replace("exclude_tables = *", "exclude_tables =")
    made.ini.write_text(text.replace("smoke_test = true\n", ""))
    return made


def test_at_head_models_are_compared_and_read(production: Site) -> None:
    code, output = production.deploy()
    assert code == 0, output
    assert "models and database agree" in output
    assert re.search(r" \d+ models can be read", output)


def test_models_that_say_something_else_stop_it(production: Site) -> None:
    production.database.execute("ALTER TABLE customers ADD COLUMN surprise integer")
    code, output = production.deploy()
    assert code == 1
    assert "models and database differ in 1 place: " in output
    check = re.search(r"in 1 place: (.*) lists them", output)
    assert check
    code, output = production.typed(check[1])
    assert code != 0
    assert "surprise" in output


@pytest.mark.slow
def test_the_smoke_test_finds_a_grant_that_is_missing(production: Site) -> None:
    name = f"{production.database.url.database}_app"
    production.database.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{name}'")
    try:
        url = production.database.url.set(username=name, password=name)
        production.environment["MIGRATION_DATABASE_URL"] = production.env()["DATABASE_URL"]
        production.environment["DATABASE_URL"] = url.render_as_string(hide_password=False)
        production.database.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{name}"')
        assert production.deploy()[0] == 0
        production.database.execute(f'REVOKE SELECT ON parts FROM "{name}"')
        code, output = production.deploy()
        assert code == 1
        assert f"Part cannot be read as {name}: permission denied for table parts" in output
        code, output = production.migrate("smoke", "--config", str(production.ini))
        assert code == 1
        assert output.startswith("error: Part cannot be read")
    finally:
        production.database.execute(f'DROP OWNED BY "{name}"')
        production.database.execute(f'DROP ROLE "{name}"')


# Secrets


@pytest.mark.slow
def test_the_password_is_nowhere(bad: Site) -> None:
    password = str(bad.database.url.password)
    bad.configure(on_start="echo $DATABASE_URL", on_finish="echo $PGPASSWORD")
    outputs = [bad.deploy()[1], bad.deploy("--dry-run")[1]]
    bad.ini.write_text(bad.ini.read_text().replace("on_start = ", "on_start = false; "))
    outputs.append(bad.deploy()[1])
    outputs += [bad.typed(each, "y")[1] for each in commands(outputs[0])[-2:]]
    assert "    | ***\n" in outputs[0]  # it would have been there
    assert hidden(password, "\n".join(outputs))
    written = bad.written()
    assert "ADD COLUMN a" in written
    assert hidden(password, written)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc")
@pytest.mark.parametrize("way", ["url", "query", "key"])
def test_the_password_is_in_no_command_line(way: str, good: Site) -> None:
    url, password = good.database.url, str(good.database.url.password)
    if way == "key":  # the passphrase of a client's key, which no variable of libpq's holds
        password = "pass phrase=1"
        url = url.update_query_dict({"sslpassword": password})
    if way == "query":
        url = client.without_secrets(url).update_query_dict({"password": password})
    good.environment["DATABASE_URL"] = url.render_as_string(hide_password=False)
    with good.database.engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE t")
        process = good.start("deploy", "--config", str(good.ini), "--yes")
        wait_for(lambda: [line for line in command_lines() if f"--file={good.backups}" in line])
        lines = command_lines()
        process.terminate()
        process.communicate(timeout=60)
    assert [line for line in lines if password in line] == []


def command_lines() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended
            continue
    return found

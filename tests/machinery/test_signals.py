"""Being told to stop, at a bad moment and twice."""

import signal
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from migrate.run.runner import Runner
from migrate.run.signals import interruptible, stop_if_told
from postgres import client
from tests.machinery.production import site
from tests.machinery.support import Chain, Database, python, start, wait_for

# Python drops what is raised in a destructor.
LOST = """import os, signal
class Lost:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
Lost()"""


def test_a_signal_whose_exception_python_drops_stops_the_run(empty: Database, chain: Chain) -> None:
    ini = python(chain("SELECT 1", "CREATE TABLE u ()"), f"op.execute('CREATE TABLE t ()')\n{LOST}", "r0")
    process = start(empty, "upgrade", "head", ini=ini)
    _, errors = process.communicate(timeout=60)
    assert "Exception ignored" in errors
    assert process.returncode != 0
    assert "stopped on request: the database is at base, upgrade to r0" in errors
    assert empty.tables() == []


def test_the_second_signal_does_not_end_what_cleans_up_and_the_third_does() -> None:
    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            stop_if_told()
    stop_if_told()


@pytest.mark.parametrize("signals", [1, 2])
def test_ctrl_c_in_on_finish_hides_nothing(signals: int, empty: Database, chain: Chain) -> None:
    """With two, the first has stopped the deploy."""
    made = site(empty, chain("SELECT pg_sleep(60)" if signals == 2 else "SELECT 1 / 0"))
    mark = made.folder / "in on_finish"
    made.configure(on_finish=f"touch '{mark}'; sleep 60")
    process = made.start("deploy", "--config", str(made.ini), "--yes")
    if signals == 2:
        wait_for(lambda: empty.running("SELECT pg_sleep%"))
        process.send_signal(signal.SIGINT)
    wait_for(mark.exists)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    first = "stopped on request" if signals == 2 else "division by zero"
    assert f"deploy stopped in step 7/10 (upgrade): {first}: the database is at base" in output
    assert "on_finish failed too, so maintenance mode may still be on: stopped on request" in output


def test_a_program_does_not_outlive_a_signal_that_comes_as_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Popen(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("subprocess.Popen", Popen)
    with interruptible(), pytest.raises(KeyboardInterrupt):
        client.output(Path("/bin/sleep"), None, "60")
    [process] = started
    assert process.poll() == -signal.SIGTERM


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_a_signal_in_a_commit_is_told_with_where_the_database_is(
    done: bool, empty: Database, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = psycopg.Connection.commit
    at_r1 = "SELECT FROM pg_class WHERE relname = 'u'"

    def interrupted(self: psycopg.Connection) -> None:
        last = bool(self.execute(at_r1).fetchall())
        if done or not last:
            commit(self)
        if last:
            raise KeyboardInterrupt

    monkeypatch.setattr(psycopg.Connection, "commit", interrupted)
    config = Config(chain("CREATE TABLE t ()", "CREATE TABLE u ()", "CREATE TABLE v ()"))
    config.attributes["connection"] = empty.engine
    said = "the database is at r1$" if done else "the database is at r0, upgrade to r1 .* rolled back$"
    with pytest.raises(CommandError, match=f"stopped on request: {said}"):
        command.upgrade(config, "head")
    monkeypatch.undo()
    assert empty.heads() == [f"r{int(done)}"]


def test_a_signal_between_two_revisions_is_told_with_where_the_database_is(
    empty: Database, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(_self: Runner) -> None:
        if empty.tables():
            raise KeyboardInterrupt

    monkeypatch.setattr(Runner, "check", check)
    config = Config(chain("CREATE TABLE t ()", "CREATE TABLE u ()", "CREATE TABLE v ()"))
    config.attributes["connection"] = empty.engine
    with pytest.raises(
        CommandError, match=r"on request: the database is at r0, upgrade to r1 .* rolled back$"
    ):
        command.upgrade(config, "head")
    assert empty.heads() == ["r0"]

"""`python -m migrate status`: five states, told apart by what is in the database and in the files."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config

from database import ROOT
from migrate.operate.status import CODES
from tests.machinery.production import Site, site
from tests.machinery.support import HEAD, REVISIONS, Chain, Database, closed_port, program

TABLE = "CREATE TABLE t (n integer)"


@pytest.fixture
def newer(empty: Database, chain: Chain) -> Site:
    """A database at r2, and the files up to there."""
    made = site(empty, chain(TABLE, "SELECT 1", "SELECT 2"))
    command.upgrade(calling(made), "r2")
    return made


def calling(made: Site) -> Config:
    return Config(made.folder / "alembic.ini", attributes={"connection": made.database.engine})


def status(made: Site) -> tuple[str, dict[str, Any]]:
    """Return what is printed, and the same as JSON; both with the exit code of the state."""
    code, output = made.migrate("status", "--config", str(made.ini))
    again, as_json = made.migrate("status", "--config", str(made.ini), "--json")
    assert "Traceback" not in output
    found = json.loads(as_json)
    assert code == again == CODES[found["state"]]
    assert output.startswith(f"{found['state']}: {found['said']}\nto do: {found['to_do']}\n")
    return output, found


def without(made: Site, *revisions: str) -> None:
    for revision in revisions:
        (made.folder / f"versions/{revision}.py").unlink()


def test_at_head(newer: Site) -> None:
    assert status(newer)[0] == "at head: the database is at r2\nto do: nothing\n"


def test_behind_and_the_command_that_is_printed_ends_it(newer: Site) -> None:
    command.downgrade(
        Config(newer.folder / "alembic.ini", attributes={"connection": newer.database.engine}), "r0"
    )
    output, found = status(newer)
    assert "behind: the database is at r0: 2 revisions pending, from r1 on" in output
    assert found["pending"] == ["r1", "r2"]
    code, printed = newer.typed(found["to_do"], "y")
    assert code == 0, printed
    assert status(newer)[1]["state"] == "at head"


def test_behind_in_development(empty: Database) -> None:
    shown = program("migrate", "status", url=empty.url)
    assert shown.returncode == CODES["behind"], shown.stderr
    assert f"the database is at base: {len(REVISIONS)} revisions pending" in shown.stdout
    [printed] = re.findall(r"to do: (.*)", shown.stdout)
    assert Site(empty, ROOT / "alembic.ini", ROOT).typed(printed)[0] == 0
    assert program("migrate", "status", url=empty.url).returncode == 0
    assert empty.heads() == [HEAD]


@pytest.mark.parametrize("recorded", [True, False])
def test_ahead_is_where_the_database_has_all_that_is_here_and_more(recorded: bool, newer: Site) -> None:
    without(newer, "r1", "r2")
    if not recorded:
        newer.database.execute("DROP TABLE migrate_history")
    output, found = status(newer)
    assert found["state"] == "ahead"
    assert found["unknown"] == ["r2"]
    assert ("or it is of another branch or project, or lost" in output) == (not recorded)


def test_diverged_is_where_each_has_what_the_other_has_not(newer: Site) -> None:
    without(newer, "r2")
    other = newer.folder / "versions/x.py"
    other.write_text(
        (newer.folder / "versions/r1.py").read_text().replace("'r1'", "'x'").replace("'r0'", "'r1'")
    )
    output, found = status(newer)
    assert found["state"] == "diverged"
    assert found["pending"] == ["x"]
    assert "no file here has r2; 1 revision pending, from x on" in output


def test_diverged_is_also_what_was_written_by_hand(newer: Site) -> None:
    newer.database.execute("INSERT INTO alembic_version VALUES ('r0')")
    assert "diverged: the database is at r0, r2, of which one comes before another" in status(newer)[0]


def test_unversioned_is_where_the_tables_are_there_and_no_revision(head: Database) -> None:
    for end in ("DELETE FROM alembic_version", "DROP TABLE alembic_version"):
        head.execute(end)
        shown = program("migrate", "status", url=head.url)
        assert shown.returncode == CODES["unversioned"], shown.stderr
        assert "no revision\nto do: find its revision, and stamp that: docs/RUNBOOK.md" in shown.stdout


def test_an_error_is_none_of_the_states(empty: Database) -> None:
    shown = program("migrate", "status", url=empty.url.set(port=closed_port()))
    assert shown.returncode == 1
    assert shown.stderr.startswith("error: cannot connect to ")
    shown = program("migrate", "status", "--config", "nowhere.ini", url=empty.url)
    assert (shown.returncode, shown.stderr.count("\n")) == (1, 1)


def test_the_runbook_lists_each_code() -> None:
    table = Path(ROOT / "docs/RUNBOOK.md").read_text()
    for state, code in CODES.items():
        assert f"| {code} | {state} |" in table

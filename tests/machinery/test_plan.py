"""A sealed plan: what a dry run has printed is what a deploy does, or it does nothing."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.machinery.production import Site, commands, site, steps
from tests.machinery.support import Chain, Database, Server
from tests.machinery.test_json import wrong
from tests.machinery.test_roles import Roles, make_roles

__all__ = ["make_roles"]

FIRST = "CREATE TABLE t (n integer PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)"
SECOND = "ALTER TABLE t ADD COLUMN a integer DEFAULT 1"
THIRD = "ALTER TABLE t ADD COLUMN b integer DEFAULT 2"


@pytest.fixture
def good(empty: Database, chain: Chain) -> Site:
    """A database with rows at r0, and two pending revisions."""
    return at_r0(site(empty, chain(FIRST, SECOND, THIRD)))


def at_r0(made: Site) -> Site:
    code, output = made.deploy("--to", "r0", "--no-backup", str(made.database.url.database))
    assert code == 0, output
    return made


def planned(made: Site, *arguments: str) -> str:
    """Return the plan that a dry run prints."""
    code, output = made.deploy("--dry-run", *arguments)
    assert code == 0, output
    [plan] = re.findall(r" plan: (\S+)", output)
    return str(plan)


def revision(made: Site, name: str) -> Path:
    return made.ini.parent / "versions" / f"{name}.py"


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def replace(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_what_was_planned_is_deployed(good: Site) -> None:
    plan = planned(good)
    assert plan == planned(good), "it is the same each time"
    code, output = good.deploy("--plan", plan)
    assert code == 0, output
    assert good.heads() == ["r2"]
    assert good.deploy("--plan", plan)[0] == 0, "nothing is left to do"


FILES, SQL, STATE = (
    "the files of the revisions",
    "the SQL that they run",
    "the revision or the schema that the database is at",
)
CHANGES: dict[str, tuple[Callable[[Site], object], list[str]]] = {
    "a comment": (lambda made: append(revision(made, "r2"), "# later\n"), [FILES]),
    "a statement": (lambda made: replace(revision(made, "r2"), "DEFAULT 2", "DEFAULT 3"), [FILES, SQL]),
    "a setting": (lambda made: made.environment.update(MIGRATE_LOCK_TIMEOUT="7s"), [SQL]),
    "one revision less": (
        lambda made: revision(made, "r2").unlink(),
        ["the pending revisions or their order", FILES, SQL],
    ),
    "by hand": (lambda made: made.database.execute("ALTER TABLE t ADD CHECK (n > 0)"), [STATE]),
    "a run meanwhile": (
        lambda made: made.deploy("--to", "r1"),
        ["the pending revisions or their order", FILES, SQL, STATE],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_what_differs_is_named_and_nothing_is_done(change: str, good: Site) -> None:
    plan = planned(good)
    done, words = CHANGES[change]
    done(good)
    heads, schema = good.heads(), good.database.schema()
    code, output = good.deploy("--plan", plan)
    assert code == 1
    [line] = [line for line in output.splitlines() if "this is not what was planned" in line]
    assert f"Not the same any more: {', '.join(words)}. python -m migrate deploy --dry-run " in line
    assert steps(output) == ["1"], "not even a backup"
    assert (good.heads(), good.database.schema()) == (heads, schema)
    assert planned(good) != plan


@pytest.mark.slow
def test_another_database_is_another_plan(good: Site, server: Server) -> None:
    plan = planned(good)
    copy = server.create(good.database.url.database)
    good.environment["DATABASE_URL"] = copy.url.render_as_string(hide_password=False)
    code, output = good.deploy("--plan", plan)
    assert code == 1
    assert "Not the same any more: the database. " in output


def test_what_changes_after_the_look_is_seen_before_the_upgrade(good: Site) -> None:
    plan = planned(good)
    good.configure(on_start=f"echo '# later' >> {revision(good, 'r2')}")
    code, output = good.deploy("--plan", plan)
    assert code == 1
    assert (
        f"stopped in step 7/10 (upgrade): this is not what was planned. Not the same any more: {FILES}"
        in (output)
    )
    assert good.heads() == ["r0"]


@pytest.mark.slow
def test_what_is_left_takes_a_plan_of_its_own(good: Site) -> None:
    replace(revision(good, "r2"), "ADD COLUMN b", "ADD COLUMN a")
    code, output = good.deploy("--plan", planned(good))
    assert code == 1
    assert "What is left takes a plan of its own (what is applied is not run again):" in output
    again = commands(output)[0]
    assert again.startswith("python -m migrate deploy --dry-run "), again
    assert "--plan" not in again


def test_it_is_a_plan_that_is_given(good: Site) -> None:
    code, output = good.deploy("--plan", "0123")
    assert code == 1
    assert "--plan 0123: that is no plan; python -m migrate deploy --dry-run " in output
    code, output = good.deploy("--json")
    assert code == 2
    assert "--json is for --dry-run" in output


def test_sql_that_is_another_each_time_is_not_part_of_it(good: Site) -> None:
    replace(revision(good, "r2"), "from contextlib", "from uuid import uuid4\nfrom contextlib")
    replace(revision(good, "r2"), "op.execute('", "op.execute(f'/* {uuid4()} */ ")
    plan = planned(good)
    code, output = good.deploy("--plan", plan)
    assert code == 0, output
    assert "not written: it is another each time" in output


@pytest.mark.slow
def test_one_role_plans_and_another_deploys(good: Site, make_roles: Callable[[Database], Roles]) -> None:
    roles = make_roles(good.database)
    urls = {
        kind: roles.as_(kind).url.render_as_string(hide_password=False) for kind in ("owner", "app", "plan")
    }
    good.environment |= {"DATABASE_URL": urls["app"], "MIGRATION_DATABASE_URL": urls["plan"]}
    plan = planned(good)
    assert good.files(".dump") == []
    code, output = good.deploy("--plan", plan)
    assert code == 1
    assert f"the role {roles.names['plan']} may plan, and change nothing: " in output
    process = good.start("deploy", "--config", str(good.ini), "--dry-run", "--json")
    lines, _ = process.communicate(timeout=60)
    printed = json.loads(lines[lines.index("\n{\n") :])
    assert wrong("plan", printed) == []
    assert printed["plan"] == plan
    assert [each["revision"] for each in printed["pending"]] == ["r1", "r2"]
    good.environment["MIGRATION_DATABASE_URL"] = urls["owner"]
    code, output = good.deploy("--plan", plan)
    assert code == 0, output
    assert good.heads() == ["r2"]

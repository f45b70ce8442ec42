"""`python -m migrate review`: a verdict on one revision, by what it does, and where to look instead."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.util import CommandError

from database import ROOT
from migrate import review
from migrate.ledger.measure import measure
from migrate.ledger.policy import Policy, findings
from tests.machinery.support import Database, program

Chain = Callable[..., Path]

SETUP = """
    CREATE TABLE p (id integer PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 100);
    CREATE TABLE t (id integer PRIMARY KEY, a integer, b integer, c integer, old integer, new integer);
    INSERT INTO t SELECT n, n, n, n, n, n FROM generate_series(1, 300) n;
    CREATE INDEX t_b ON t (b);
    CREATE TABLE parted (id integer) PARTITION BY RANGE (id);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (100);
    INSERT INTO parted SELECT generate_series(1, 99);
    CREATE TABLE plain (id integer); CREATE VIEW seen AS SELECT a FROM t; CREATE VIEW again AS TABLE seen;
    CREATE TYPE mood AS ENUM ('up', 'down');
    ALTER TABLE t ADD CONSTRAINT there CHECK (c IS NOT NULL) NOT VALID
"""
BATCHES = """AUTOCOMMIT DO $$ BEGIN
    UPDATE t SET a = a + 1 WHERE id <= 200; COMMIT; UPDATE t SET a = a + 1 WHERE id > 200; COMMIT;
END $$"""

# One after the other; what is found in each, by its kind, and the beginning of what is said of it.
CASES: list[tuple[str, dict[str, str]]] = [
    ("UPDATE t SET a = 0", {"rows": "changes 300 of 300 rows of t in one transaction"}),
    ("UPDATE t SET a = 0 WHERE id < 9", {}),
    ("UPDATE t SET a = 1 WHERE id <= 150; UPDATE t SET a = 1 WHERE id > 150", {"rows": "changes 300 of 300"}),
    (BATCHES, {}),
    ("AUTOCOMMIT UPDATE t SET a = 2", {"rows": "changes 300 of 300"}),
    ("AUTOCOMMIT UPDATE t SET a = 3 WHERE a <> 3; UPDATE t SET a = 3 WHERE a <> 3", {}),  # until none is left
    ("DELETE FROM t WHERE id > 290", {"Rollback": "does away with 10 rows of t"}),
    ("DELETE FROM parted WHERE id < 9", {"Rollback": "does away with 8 rows of parted"}),
    ("DROP INDEX t_b", {"index": "drops t_b of t under AccessExclusiveLock"}),
    (
        "ALTER TABLE t VALIDATE CONSTRAINT there; ALTER TABLE t ALTER c SET NOT NULL",
        {"rescan": "reads all of t, then asks for AccessExclusiveLock"},
    ),
    ("ALTER TABLE t DROP COLUMN b", {"Deploy": "takes t.b from", "Rollback": "does away with t.b"}),
    ("ALTER TABLE t RENAME c TO d", {"Deploy": "takes t.c from"}),
    # Code goes on with the name that it knows: of a swap, of a view in the table's place.
    ("ALTER TABLE t DROP COLUMN old; ALTER TABLE t RENAME new TO old", {"Rollback": "does away with t.old"}),
    ("ALTER TABLE plain RENAME TO simple; CREATE VIEW plain AS TABLE simple", {}),
    ("DROP VIEW plain; DROP TABLE simple", {"Deploy": "takes simple, plain", "Rollback": "does away with s"}),
    ("ALTER TYPE mood RENAME VALUE 'up' TO 'on'", {"Deploy": "takes 'up' of mood from"}),
    ("DROP VIEW seen CASCADE", {"Deploy": "takes again, seen", "cascade": "takes again along"}),
    ("CREATE MATERIALIZED VIEW m AS TABLE t WITH NO DATA", {"unpopulated": "leaves m unpopulated at head"}),
]


def test_each_kind_of_fault_is_found_by_what_was_measured(chain: Chain) -> None:
    (_, *entries), unfinished = measure(Config(chain(SETUP, *(sql for sql, _ in CASES))))
    for (sql, expected), entry in zip(CASES, entries, strict=True):
        found = {each.kind: each for each in findings([entry], unfinished, Policy())}
        assert found.keys() == expected.keys(), sql
        for kind, words in expected.items():
            assert found[kind].what.startswith(words), sql
            assert found[kind].statement, sql


def document(ini: Path, name: str, **fields: str) -> None:
    path = ini.parent / "versions" / f"{name}.py"
    said = "".join(f"{field}: {words}\n" for field, words in fields.items())
    path.write_text(f'"""What it does.\n\n{said}"""\n' + path.read_text())


def test_a_docstring_that_says_so_is_believed_and_one_that_says_lossless_is_tried(chain: Chain) -> None:
    ini = chain(SETUP, "ALTER TABLE t DROP COLUMN b", "UPDATE t SET a = a - 1 WHERE id < 9")
    locks = "t AccessExclusiveLock"
    document(
        ini, "r1", Scenario="s", Locks=locks, Rollback="loses t.b", Deploy="after the code that names it"
    )
    assert review.review("r1", Config(ini)) == review.Review(
        "r1",
        str(ini.parent / "versions/r1.py"),
        "What it does.",
        "passes",
        "AccessExclusiveLock on t; blocks reads of t; no rewrite; no full scan",
        [],
        "the template that this was generated from: alembic/versions, as DATE_SLUG.py in its backend "
        "(history=worked)",
    )
    document(ini, "r2", Scenario="s", Locks="t RowExclusiveLock", Rollback="lossless", Deploy="at any time")
    [fault] = review.review("", Config(ini)).faults
    assert fault.what == "Rollback: says lossless, measured: 8 rows of t come back otherwise, or not"
    path = ini.parent / "versions/r2.py"
    path.write_text(
        path.read_text().replace("    pass", "    op.execute('UPDATE t SET a = a + 1 WHERE id < 9')")
    )
    assert review.review("r2", Config(ini)).verdict == "passes"


def test_a_way_back_that_rewrites_a_table_is_to_say_so(chain: Chain) -> None:
    ini = chain(SETUP, "SELECT 1")
    path = ini.parent / "versions/r1.py"
    back = "op.execute('ALTER TABLE t ALTER b TYPE bigint')"
    path.write_text(path.read_text().replace("    pass", f"    {back}"))
    document(ini, "r1", Scenario="s", Locks="none", Rollback="lossless", Deploy="at any time")
    [fault] = review.review("r1", Config(ini)).faults
    assert fault.what == "the downgrade rewrites t: Rollback: has to say so"
    path.write_text(path.read_text().replace("lossless", "lossless; rewrites t under AccessExclusiveLock"))
    assert review.review("r1", Config(ini)).verdict == "passes"


def test_what_a_later_revision_finishes_is_not_left(chain: Chain) -> None:
    ini = chain(
        SETUP.replace("NOT VALID", ""),
        "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID",
        "ALTER TABLE t VALIDATE CONSTRAINT k",
    )
    assert {fault.kind for fault in review.review("r1", Config(ini)).faults} == {"docstring"}
    (ini.parent / "versions/r2.py").unlink()
    assert {fault.kind for fault in review.review("r1", Config(ini)).faults} == {"docstring", "unvalidated"}


@pytest.mark.parametrize(
    ("sql", "kind", "says", "slug"),
    [
        ("ALTER TABLE t ALTER a SET NOT NULL", "scan", "under AccessExclusiveLock", "require_"),
        ("ALTER TABLE t ADD CHECK (a > 0)", "scan", "under AccessExclusiveLock", "check_"),
        (
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p NOT VALID, ADD d int NOT NULL",
            "fails",
            "23502",
            "add_",
        ),
        ("INSERT INTO p VALUES (1)", "fails", "23505", "merge_duplicate_"),
        ("SELECT 1 / 0", "fails", "22012: division by zero", ""),
    ],
)
def test_a_file_that_is_not_in_the_chain_is_put_there_to_be_judged(
    chain: Chain, tmp_path: Path, sql: str, kind: str, says: str, slug: str
) -> None:
    ini = chain(SETUP.replace("NOT VALID", ""), sql)
    draft = (ini.parent / "versions/r1.py").rename(tmp_path / "draft.py")
    found = review.review(str(draft), Config(ini))
    assert (found.verdict, found.file) == ("refused", str(draft))
    [fault] = [each for each in found.faults if each.kind == kind]
    assert says in fault.what
    assert bool(fault.scenarios) == bool(slug)
    assert not slug or fault.scenarios[0].slug.startswith(slug)
    assert list(ini.parent.glob("versions/*.py")) == [ini.parent / "versions/r0.py"]


def test_what_cannot_be_measured_is_no_verdict(chain: Chain, tmp_path: Path) -> None:
    ini = chain("SELECT 1 / 0", "SELECT 1")
    with pytest.raises(CommandError, match=r"upgrade of r0\.py failed while it was measured: division"):
        review.review("r1", Config(ini))
    with pytest.raises(CommandError, match=r"nothing\.py is not there"):
        review.review("nothing.py", Config(ini))
    (tmp_path / "x.py").write_text("print('x')\n")
    with pytest.raises(CommandError, match=r"x\.py says no revision = "):
        review.review(str(tmp_path / "x.py"), Config(ini))


# The command.


def test_the_command_prints_the_verdict_and_exits_with_it(empty: Database, tmp_path: Path) -> None:
    head = max((ROOT / "alembic/versions").glob("*.py"))
    done = program("migrate", "review", str(head), url=empty.url)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.startswith(f"passes: alembic/versions/{head.name} (")
    draft = tmp_path / "draft.py"
    parent = re.findall(r'^revision = "(\w+)"', head.read_text(), re.M)[0]
    draft.write_text(
        '"""Require the minutes."""\nfrom alembic import op\n\nrevision = "0123456789ab"\n'
        f'down_revision = "{parent}"\n\n\ndef upgrade():\n'
        '    op.execute("UPDATE repairs SET minutes = 1 WHERE minutes IS NULL")\n'
        '    op.alter_column("repairs", "minutes", nullable=False)\n\n\ndef downgrade():\n    pass\n'
    )
    done = program("migrate", "review", str(draft), url=empty.url)
    assert (done.returncode, done.stderr) == (3, ""), done
    lines = done.stdout.splitlines()
    assert lines[0] == f"refused: {draft} (0123456789ab): Require the minutes."
    assert "    see require_user_username" in lines
    assert lines[-1].startswith("What has no file here is in the template that this was generated from")
    assert "- docstring: it lacks Scenario, Locks, Rollback, Deploy" in lines
    (ROOT / ".cruft.json").write_text('{"template": "https://example.com/t"}')
    try:
        as_json = json.loads(program("migrate", "review", str(draft), "--json", url=empty.url).stdout)
    finally:
        (ROOT / ".cruft.json").unlink()
    assert as_json["template"].startswith("the template, https://example.com/t: ")
    none = program("migrate", "review", "nonsense", url=empty.url)
    assert none.returncode == 1
    assert none.stderr.startswith("error: Can't locate revision identified by 'nonsense'")

"""The ledger: that it can be wrong, and that nothing escapes it."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.util import CommandError

from database import ROOT
from migrate import ledger
from migrate.ledger import record, words
from migrate.ledger.holders import SQL_NAMES
from migrate.ledger.locks import MODES, blocked_by
from migrate.ledger.losses import question, rollback
from migrate.ledger.measure import MeasureError, measure
from migrate.ledger.policy import Policy, claimed_locks, findings
from migrate.markdown import NoPlaceError

Chain = Callable[..., Path]

AX, EX, SRX, S = "AccessExclusiveLock", "ExclusiveLock", "ShareRowExclusiveLock", "ShareLock"
SUX, RX, RS, AS = "ShareUpdateExclusiveLock", "RowExclusiveLock", "RowShareLock", "AccessShareLock"


# What the catalogue of lock facts says, and what the measurement says of it.


@dataclass
class Fact:
    """What a statement does to tables that are there."""

    sql: str
    locks: dict[str, str]
    rewritten: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    built: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


SETUP = """
    CREATE TABLE p (id integer PRIMARY KEY);
    INSERT INTO p SELECT generate_series(1, 101);
    CREATE TABLE t (
        id integer PRIMARY KEY, a integer, b integer, n integer, v varchar(50), p_id integer, q_id integer,
        at1 timestamp, at2 timestamp
    );
    INSERT INTO t SELECT n, n, n, n, n, 1 + n % 100, 1 + n % 100, now(), now() FROM generate_series(1, 300) n;
    CREATE INDEX t_p ON t (p_id);
    CREATE TABLE parted (id integer PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (100);
    CREATE TABLE parted_2 (id integer PRIMARY KEY);
    INSERT INTO parted_2 SELECT generate_series(100, 199);
    CREATE TABLE parted_rest PARTITION OF parted DEFAULT;
    INSERT INTO parted_rest SELECT generate_series(1000, 1099);
    CREATE TABLE split (id integer PRIMARY KEY, a integer) PARTITION BY RANGE (id);
    CREATE TABLE split_1 PARTITION OF split FOR VALUES FROM (1) TO (100);
    CREATE TABLE split_2 PARTITION OF split FOR VALUES FROM (100) TO (200);
    INSERT INTO split SELECT n, n FROM generate_series(1, 199) n;
    CREATE SCHEMA sales;
    CREATE TABLE sales.t (id integer PRIMARY KEY, "order" integer);
    INSERT INTO sales.t SELECT generate_series(1, 50);
    CREATE TABLE "Order line (new), old" (id integer PRIMARY KEY);
    CREATE VIEW seen AS SELECT * FROM sales.t;
    CREATE EXTENSION citext;
    CREATE TABLE theirs (id integer);
    ALTER EXTENSION citext ADD TABLE theirs;
    ANALYZE
"""
TRIGGER = (
    "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
)

# One after the other, each on what the one before has left.
FACTS = [
    Fact("ALTER TABLE t ADD COLUMN c1 integer", {"t": AX}),
    Fact("ALTER TABLE t ADD COLUMN c2 integer NOT NULL DEFAULT 1", {"t": AX}),
    Fact("ALTER TABLE t ADD COLUMN c3 uuid DEFAULT gen_random_uuid()", {"t": AX}, ["t"], ["t"]),
    Fact("ALTER TABLE t ADD COLUMN c4 integer GENERATED ALWAYS AS (a + 1) STORED", {"t": AX}, ["t"], ["t"]),
    Fact("ALTER TABLE t ADD COLUMN c5 integer REFERENCES p (id)", {"t": AX, "p": SRX}),
    Fact("ALTER TABLE t ADD COLUMN c6 integer CHECK (c6 > 0)", {"t": AX}, read=["t"]),
    Fact("ALTER TABLE t DROP COLUMN c4", {"t": AX}),
    Fact("ALTER TABLE t ALTER COLUMN a SET NOT NULL", {"t": AX}, read=["t"]),
    Fact("ALTER TABLE t ALTER COLUMN a DROP NOT NULL", {"t": AX}),
    Fact("ALTER TABLE t ADD CONSTRAINT b_there CHECK (b > 0)", {"t": AX}, read=["t"]),
    Fact("ALTER TABLE t DROP CONSTRAINT b_there", {"t": AX}),
    Fact(
        "ALTER TABLE t ADD CONSTRAINT b_there CHECK (b IS NOT NULL) NOT VALID",
        {"t": AX},
        left=["unvalidated b_there"],
    ),
    Fact("ALTER TABLE t VALIDATE CONSTRAINT b_there", {"t": SUX}, read=["t"]),
    Fact("ALTER TABLE t ALTER COLUMN b SET NOT NULL", {"t": AX}),
    Fact("ALTER TABLE t ALTER COLUMN n TYPE bigint", {"t": AX}, ["t"], ["t"]),
    Fact("ALTER TABLE t ALTER COLUMN v TYPE varchar(100)", {"t": AX}),
    Fact("ALTER TABLE t ALTER COLUMN v TYPE text", {"t": AX}),
    Fact("ALTER TABLE t ALTER COLUMN v TYPE varchar(50)", {"t": AX}, ["t"], ["t"]),
    Fact("ALTER TABLE t ALTER COLUMN at1 TYPE timestamptz", {"t": AX}),
    Fact(
        "ALTER TABLE t ALTER COLUMN at2 TYPE timestamptz USING at2 AT TIME ZONE 'UTC'",
        {"t": AX},
        ["t"],
        ["t"],
    ),
    Fact(
        "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (p_id) REFERENCES p",
        {"t": SRX, "p": SRX},
        read=["p", "t"],
    ),
    Fact("ALTER TABLE t DROP CONSTRAINT f", {"p": AX, "t": AX}),
    Fact(
        "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (p_id) REFERENCES p NOT VALID",
        {"p": SRX, "t": SRX},
        left=["unvalidated f"],
    ),
    Fact("ALTER TABLE t VALIDATE CONSTRAINT f", {"t": SUX, "p": RS}, read=["p", "t"]),
    # By the index on p_id too, each row is read.
    Fact(
        "DO $$ BEGIN ALTER TABLE t ADD CONSTRAINT f2 FOREIGN KEY (p_id) REFERENCES p; END $$",
        {"p": SRX, "t": SRX},
        read=["p", "t"],
    ),
    Fact("CREATE INDEX t_b ON t (b)", {"t": S}, read=["t"], built=["t_b"]),
    Fact("ALTER INDEX t_b RENAME TO t_b2", {}),
    Fact("DROP INDEX t_b2", {"t": AX}),
    Fact("AUTOCOMMIT CREATE INDEX CONCURRENTLY t_b ON t (b)", {"t": SUX}, read=["t"], built=["t_b"]),
    Fact("AUTOCOMMIT REINDEX INDEX CONCURRENTLY t_b", {"t": SUX}, read=["t"], built=["t_b"]),
    Fact("REINDEX INDEX t_b", {"t_b": AX, "t": S}, read=["t"], built=["t_b"]),
    Fact("AUTOCOMMIT DROP INDEX CONCURRENTLY t_b", {"t": SUX}),
    Fact("AUTOCOMMIT CREATE UNIQUE INDEX CONCURRENTLY u ON t (b)", {"t": SUX}, read=["t"], built=["u"]),
    Fact("ALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX u", {"t": AX}),
    Fact("ALTER TABLE t ADD CONSTRAINT u2 UNIQUE (a)", {"t": AX}, read=["t"], built=["u2"]),
    # An index on a column that changes its type is built again, though the table stays.
    Fact("CREATE INDEX t_at1 ON t (at1)", {"t": S}, read=["t"], built=["t_at1"]),
    Fact("ALTER TABLE t ALTER COLUMN at1 TYPE timestamp", {"t": AX}, read=["t"], built=["t_at1"]),
    Fact(TRIGGER, {"t": SRX}),
    Fact("DROP TRIGGER g ON t", {"t": AX}),
    Fact("ALTER TABLE t ENABLE ROW LEVEL SECURITY", {"t": AX}),
    Fact("COMMENT ON TABLE t IS 'tea'", {"t": SUX}),
    Fact("ALTER TABLE t ALTER COLUMN a SET STATISTICS 200", {"t": SUX}),
    Fact("ALTER TABLE t SET (fillfactor = 90)", {"t": SUX}),
    Fact("CREATE TABLE child (p_id integer REFERENCES p (id))", {"p": SRX}),
    Fact("DROP TABLE child", {"child": AX, "p": AX}),
    Fact("CREATE VIEW w AS SELECT a FROM t", {"t": AS}),
    Fact(
        "CREATE TABLE parted_3 PARTITION OF parted FOR VALUES FROM (200) TO (300)",
        {"parted": AX},
        read=["parted_rest"],
    ),
    Fact(
        "ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (100) TO (200)",
        {"parted_2": AX, "parted_rest": AX, "parted": SUX},
        read=["parted_2", "parted_rest"],
    ),
    Fact("ALTER TABLE parted DETACH PARTITION parted_rest", {"parted": AX}),
    Fact(
        "AUTOCOMMIT ALTER TABLE parted DETACH PARTITION parted_2 CONCURRENTLY",
        {"parted_2": AX, "parted": SUX},
    ),
    Fact("CREATE INDEX parted_i ON ONLY parted (id)", {"parted": S}, left=["invalid parted_i"]),
    # A partitioned table stands for its partitions, where they are all meant and locked alike.
    Fact("ALTER TABLE split ADD COLUMN b integer", {"split": AX}),
    Fact("ALTER TABLE split ALTER COLUMN a TYPE bigint", {"split": AX}, ["split"], ["split"]),
    Fact("CREATE INDEX split_a ON split (a)", {"split": S}, read=["split"], built=["split_a"]),
    Fact("UPDATE split SET a = 0 WHERE id < 50 AND a > 0", {"split": RX}, read=["split_1"]),
    Fact("CREATE INDEX split_1_b ON split_1 (b)", {"split_1": S}, read=["split_1"], built=["split_1_b"]),
    # Names are those that PostgreSQL prints; what is an extension's is left out.
    Fact(
        'ALTER TABLE sales.t ADD COLUMN b integer REFERENCES "Order line (new), old"',
        {"sales.t": AX, '"Order line (new), old"': SRX},
    ),
    Fact(
        'CREATE INDEX "by order" ON sales.t ("order")',
        {"sales.t": S},
        read=["sales.t"],
        built=['sales."by order"'],
    ),
    Fact(
        'ALTER TABLE sales.t ADD CONSTRAINT "Positive" CHECK (id > 0) NOT VALID',
        {"sales.t": AX},
        left=['unvalidated sales."Positive"'],
    ),
    Fact('ALTER TABLE "Order line (new), old" ADD COLUMN a integer', {'"Order line (new), old"': AX}),
    Fact("SET LOCAL search_path = sales, public; ALTER TABLE t ADD COLUMN c integer", {"sales.t": AX}),
    Fact("ALTER TABLE theirs ADD COLUMN a integer", {}),
    # Several statements: the strongest lock need not be the last, nor the rest be under it.
    Fact(
        "ALTER TABLE t ADD COLUMN d1 integer; COMMENT ON TABLE t IS 'tee'; SELECT 1 FROM p WHERE id = 1",
        {"t": AX, "p": AS},
    ),
    Fact("AUTOCOMMIT ALTER TABLE t ADD COLUMN d2 integer; COMMENT ON TABLE t IS 'thé'", {"t": AX}),
    # What the planner may choose: it does not depend on how few the rows are.
    Fact("UPDATE t SET c1 = 1", {"t": RX}, read=["t"]),
    Fact("UPDATE t SET c1 = 2 WHERE id > 0", {"t": RX}),
    Fact("SELECT count(*) FROM t", {"t": AS}, read=["t"]),
    Fact("SELECT 1 FROM t ORDER BY id LIMIT 1", {"t": AS}),
    # What is deleted on the way is not there to be read.
    Fact("DELETE FROM t WHERE id > 290; ALTER TABLE t ALTER COLUMN q_id SET NOT NULL", {"t": AX}, read=["t"]),
    Fact("DO $$ BEGIN DELETE FROM t WHERE id > 280; PERFORM count(*) FROM t; END $$", {"t": RX}, read=["t"]),
    # c5 refers to p without an index: the check of its foreign key reads all of t.
    Fact("DELETE FROM p WHERE id = 101", {"p": RX, "t": RS}, read=["t"]),
    # Code that commits on its way.
    Fact(
        "AUTOCOMMIT DO $$ BEGIN FOR i IN 0..2 LOOP "
        "UPDATE t SET c1 = 3 WHERE id BETWEEN i * 100 AND i * 100 + 99; COMMIT; END LOOP; END $$",
        {"t": RX},
    ),
    Fact(
        "AUTOCOMMIT DO $$ BEGIN ALTER TABLE t ADD COLUMN d3 integer; COMMIT; "
        "PERFORM FROM p WHERE id = 1; END $$",
        {"t": AX, "p": AS},
    ),
    # A rollback to a savepoint lets go of its locks.
    Fact(
        "DO $$ BEGIN LOCK TABLE p IN EXCLUSIVE MODE; PERFORM 1 / 0; "
        "EXCEPTION WHEN division_by_zero THEN PERFORM FROM t WHERE id = 1; END $$",
        {"p": EX, "t": AS},
    ),
    # What locks an index alone: traffic waits for it, because every index is opened to plan a query.
    Fact("CREATE INDEX split_c ON ONLY split (a, id)", {"split": S}, left=["invalid split_c"]),
    Fact("CREATE INDEX split_1_c ON split_1 (a, id)", {"split_1": S}, read=["split_1"], built=["split_1_c"]),
    Fact("ALTER INDEX split_c ATTACH PARTITION split_1_c", {"split_1_c": AX, "split": AS}),
    Fact("AUTOCOMMIT REINDEX INDEX t_p", {"t_p": AX, "t": S}, read=["t"], built=["t_p"]),
    Fact("ALTER INDEX t_p RENAME TO t_p2", {}),
    # A deferred constraint takes its locks at the commit.
    Fact(
        "ALTER TABLE t ADD CONSTRAINT late FOREIGN KEY (q_id) REFERENCES p INITIALLY DEFERRED NOT VALID",
        {"p": SRX, "t": SRX},
        left=["unvalidated late"],
    ),
    Fact("UPDATE t SET q_id = 3 WHERE id = 1", {"t": RX, "p": RS}),
]


def test_it_measures_what_the_catalogue_says(chain: Chain) -> None:
    entries, _ = measure(Config(chain(SETUP, *(fact.sql for fact in FACTS))))
    measured = [
        Fact(fact.sql, run.locks, run.rewritten, sorted(run.read), sorted(run.built), run.left)
        for fact, run in zip(FACTS, [entry.upgrade for entry in entries[1:]], strict=True)
    ]
    wrong = [(fact, found) for fact, found in zip(FACTS, measured, strict=True) if fact != found]
    assert wrong == []
    for fact, entry in zip(FACTS, entries[1:], strict=True):
        assert entry.upgrade.autocommit == fact.sql.startswith("AUTOCOMMIT")


def test_it_names_the_statement_in_which_traffic_waits(chain: Chain) -> None:
    entries, _ = measure(
        Config(chain(SETUP, "COMMENT ON TABLE t IS 'tee'; -- harmless\nREINDEX INDEX t_p; DROP TABLE p"))
    )
    found = record.did(entries[1].upgrade)
    assert found["blocks"] == {"t": "reads", "p": "reads"}  # of t by the lock on its index
    assert found["blocked_in"] == {"t": "REINDEX INDEX t_p", "p": "DROP TABLE p"}


@pytest.mark.slow
def test_no_mode_escapes_in_code_that_commits(chain: Chain) -> None:
    pairs = list(itertools.product(MODES, MODES))
    statements = [
        f"AUTOCOMMIT DO $$ BEGIN LOCK TABLE p IN {SQL_NAMES[one]} MODE; "
        f"LOCK TABLE p IN {SQL_NAMES[other]} MODE; COMMIT; END $$"
        for one, other in pairs
    ]
    entries, _ = measure(Config(chain(SETUP, *statements)))
    measured = [entry.upgrade.locks["p"] for entry in entries[1:]]
    assert measured == [max(pair, key=MODES.index) for pair in pairs]


# The policy.


def document(ini: Path, name: str, text: str) -> None:
    """Give a revision of one's own a docstring."""
    path = ini.parent / "versions" / f"{name}.py"
    path.write_text(f'"""What it does.\n\n{text}\n"""\n' + path.read_text())


def judge(ini: Path, policy: Policy | None = None) -> list[str]:
    """Return what is found wrong with the revisions after the first."""
    entries, left = measure(Config(ini))
    found = findings(entries[1:], left, policy or Policy())
    return [f"{finding.revision.id} {finding.what}" for finding in found]


NAIVE = [
    ("ALTER TABLE t ALTER COLUMN n TYPE bigint", f"t {AX}", f"rewrites t under {AX}", "rewrite t"),
    ("CREATE INDEX t_b ON t (b)", f"t {S}", f"builds t_b on t under {S}", "index t"),
    ("ALTER TABLE t ALTER COLUMN a SET NOT NULL", f"t {AX}", f"reads all of t under {AX}", "scan t"),
    (
        "ALTER TABLE p ADD COLUMN z integer; UPDATE t SET a = 0 WHERE a = 1",
        f"p {AX}, t {RX}",
        f"reads all of t under {AX} on p",
        "scan t",
    ),
    (
        "ALTER TABLE p ADD COLUMN z integer; UPDATE t SET a = 0 WHERE ctid < '(1000,0)' AND a = 1",
        f"p {AX}, t {RX}",
        f"reads all of t under {AX} on p",
        "scan t",
    ),
    (
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
        f"t {AX}",
        "leaves c unvalidated at head",
        "unvalidated c",
    ),
    (
        'ALTER TABLE "Order line (new), old" ADD a integer; UPDATE sales.t SET "order" = 0 WHERE "order" = 1',
        f'"Order line (new), old" {AX}, sales.t {RX}',
        f'reads all of sales.t under {AX} on "Order line (new), old"',
        "scan sales.t",
    ),
    (
        'CREATE UNIQUE INDEX ON "Order line (new), old" (id)',
        f'"Order line (new), old" {S}',
        f'builds "Order line (new), old_id_idx" on "Order line (new), old" under {S}',
        'index "Order line (new), old"',
    ),
    (
        "CREATE INDEX parted_i ON ONLY parted (id)",
        f"parted {S}",
        "leaves parted_i invalid at head",
        "invalid parted_i",
    ),
]


@pytest.mark.parametrize(("sql", "locks", "act", "permission"), NAIVE, ids=[case[0] for case in NAIVE])
def test_the_policy_finds_and_an_allow_line_allows(
    chain: Chain, sql: str, locks: str, act: str, permission: str
) -> None:
    ini = chain(SETUP, sql)
    document(ini, "r1", f"Locks: {locks}; words")
    assert judge(ini) == [f"r1 {act}; if it has to, say so: Allow: {permission}, and why"]
    assert judge(ini, Policy(frozenset())) == []

    document(
        ini, "r1", f"Locks: {locks}\nAllow: {permission}, there is a reason\n    for it\nRollback: lossless"
    )
    path = ini.parent / "versions/r1.py"
    path.write_text(path.read_text().replace(f'"""What it does.\n\nLocks: {locks}; words\n"""\n', ""))
    assert judge(ini) == []


def test_an_allow_line_must_be_read_and_be_needed(chain: Chain) -> None:
    ini = chain(SETUP, "ALTER TABLE t ADD COLUMN z integer")
    document(ini, "r1", f"Locks: t {AX}\nAllow: scan t, no reason\nAllow: scan t\nAllow: everything, why not")
    needless, unread, unknown = judge(ini)
    assert needless == "r1 Allow: scan t: the revision does no such thing; take the line out"
    assert unread.startswith("r1 Allow: scan t: cannot be read; write Allow: rewrite|scan|")
    assert unknown.startswith("r1 Allow: everything, why not: cannot be read")


@pytest.mark.parametrize(
    ("said", "finding"),
    [
        ("none", f"Locks: says 'none', measured: t {AX}, p {SRX}"),
        (f"t {SUX}, p {SRX}; short", f"Locks: says 't {SUX}, p {SRX}', measured: t {AX}, p {SRX}"),
        (f"t {AX}; short", f"Locks: says 't {AX}', measured: t {AX}, p {SRX}"),
        (f"p {SRX}, t {AX} (an instant, as q {AX}); no rewrite", None),
        (f"t {AX}, p {SRX}; no rewrite, no scan", "Locks: says no scan, measured: reads all of p"),
    ],
)
def test_a_locks_line_that_is_not_so_is_found(chain: Chain, said: str, finding: str | None) -> None:
    ini = chain(SETUP, "SELECT count(*) FROM p; ALTER TABLE t ADD COLUMN z integer REFERENCES p (id)")
    document(ini, "r1", f"Locks: {said}")
    assert judge(ini) == ([f"r1 {finding}"] if finding else [])


@pytest.mark.parametrize(
    ("said", "claims"),
    [
        (
            f'"Order  line; (new)" {AX} (as q {AX}; no), sales.t {RX}; u {AX}',
            {'"Order  line; (new)"': AX, "sales.t": RX},
        ),
        (f'sales."Say ""when""" {SUX}, with its partitions', {'sales."Say ""when"""': SUX}),
        ("none on existing tables", {}),
    ],
)
def test_a_locks_line_is_read_with_any_names(said: str, claims: dict[str, str]) -> None:
    assert claimed_locks(said) == claims


def test_a_downgrade_is_held_to_the_policy_where_the_settings_say_so(chain: Chain) -> None:
    ini = chain(SETUP, "ALTER TABLE t ADD COLUMN z integer")
    path = ini.parent / "versions/r1.py"
    sql = "ALTER TABLE t ALTER COLUMN n TYPE bigint"
    path.write_text(
        path.read_text().replace("downgrade():\n    pass", f"downgrade():\n    op.execute({sql!r})")
    )
    document(ini, "r1", f"Locks: t {AX}")
    assert judge(ini) == []
    [found] = judge(ini, Policy(downgrade=True))
    assert found.startswith(f"r1 the downgrade rewrites t under {AX}; ")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('forbit = ["scan"]', "no setting 'forbit'"),
        ('forbid = ["scans"]', "forbid is a list of rewrite, scan, index"),
        ('downgrade = "no"', "downgrade is true or false"),
    ],
)
def test_settings_that_are_none_are_refused(tmp_path: Path, settings: str, message: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(f"[tool.migrate.ledger]\n{settings}\n")
    with pytest.raises(CommandError, match=message):
        Policy.load(path)


# The files.

README = f"Before.\n\n{words.PLACE.start}\n{words.PLACE.end}\n\nAfter.\n"
LEFT = "Scenario: s\nRollback: lossless\nDeploy: d"


def update(ini: Path, start: str | None = None, *, check: bool = False) -> list[str]:
    """Update or check the ledger of a chain of one's own; return the lines that are said."""
    said: list[str] = []
    ledger.update(start, check=check, folder=ini.parent / "versions", config=Config(ini), say=said.append)
    return said


def complaints(ini: Path) -> list[str]:
    """Return what a check complains about."""
    with pytest.raises(ledger.LedgerError) as error:
        update(ini, check=True)
    title, *lines = str(error.value).splitlines()
    assert title == "the ledger does not hold"
    return [line.strip() for line in lines]


@pytest.mark.slow
def test_a_ledger_that_is_not_true_is_told_revision_by_revision(chain: Chain) -> None:
    ini = chain("CREATE TABLE t (id integer)", "ALTER TABLE t ADD COLUMN a integer")
    for name, locks in (("r0", "none"), ("r1", f"t {AX}")):
        document(ini, name, f"{LEFT}\nLocks: {locks}")
    readme, record = ini.parent / "versions/README.md", ini.parent / "versions/ledger.json"
    readme.write_text(README)
    stale = "ledger.json is not what was measured (make ledger):"
    unrendered = "README.md is not what ledger.json and the docstrings say: make index"
    assert complaints(ini) == [
        stale,
        "r0.py (r0): not recorded yet",
        "r1.py (r1): not recorded yet",
        unrendered,
    ]
    assert readme.read_text() == README
    assert not record.exists()

    assert update(ini) == ["2 revisions in ledger.json"]
    update(ini, check=True)
    written = readme.read_text()
    line = f"| [r1](r1.py) | What it does. | {AX} on t | reads of t | - | - | - | transaction | lossless |"
    assert line in written.splitlines()
    assert written.startswith("Before.")
    assert written.endswith("After.\n")

    text = record.read_text()
    record.write_text(text.replace(f'"t": "{AX}"', f'"t": "{SUX}"').replace('"r0"', '"gone"'))
    recorded = f"recorded {SUX} on t, measured {AX} on t"
    assert complaints(ini) == [
        stale,
        "r0.py (r0): not recorded yet",
        f"r1.py (r1): upgrade: locks: {recorded}",
        "gone (gone): recorded, but the chain has no such revision",
        unrendered,
    ]
    record.write_text(text.replace("  ", " "))
    assert complaints(ini) == [stale, "it is not laid out as it is written"]
    record.write_text(text)
    document(ini, "r1", f"{LEFT}\nLocks: t {AX}")
    path = ini.parent / "versions/r1.py"
    path.write_text(
        path.read_text().replace("What it does.", "What it did.", 1).replace("Deploy: d\n", "", 1)
    )
    assert complaints(ini) == [unrendered, "r1.py: its docstring lacks Deploy"]


@pytest.mark.slow
def test_from_a_revision_on_the_other_entries_stay(chain: Chain) -> None:
    ini = chain("CREATE TABLE t (id integer)", "ALTER TABLE t ADD COLUMN a integer", "DROP TABLE t")
    path = ini.parent / "versions/ledger.json"
    update(ini, "r2")
    assert list(record.load(path)) == ["r2"]
    update(ini, "r1")
    assert list(record.load(path)) == ["r1", "r2"]
    path.write_text(path.read_text().replace(f'"t": "{AX}"', f'"t": "{SUX}"'))
    update(ini, "r2")
    assert [of["upgrade"]["locks"]["t"] for of in record.load(path).values()] == [SUX, AX]
    with pytest.raises(CommandError, match="r9"):
        update(ini, "r9")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("<<<<<<< HEAD\n", "cannot be read .*Expecting value"),
        ('{"version": 1, "revisions": {}}', "its version is 1, known is 2"),
        (
            '{"version": 2, "revisions": {"r0": {"name": "r0", "upgrade": {"locks": []}}}}',
            "upgrade of r0 has other",
        ),
    ],
)
def test_a_record_that_cannot_be_read_gets_one_clear_line(chain: Chain, broken: str, message: str) -> None:
    ini = chain("SELECT 1")
    path = ini.parent / "versions/ledger.json"
    path.write_text(broken)
    with pytest.raises(ledger.LedgerError, match=rf"{message}.*make ledger writes it anew") as error:
        update(ini, check=True)
    assert "\n" not in str(error.value)
    update(ini)
    assert list(record.load(path)) == ["r0"]


def test_without_a_revision_there_is_nothing_to_measure(chain: Chain) -> None:
    ini = chain()
    (ini.parent / "versions/README.md").write_text(README)
    assert update(ini) == ["there is no revision yet: nothing to measure"]
    update(ini, check=True)
    assert [path.name for path in (ini.parent / "versions").iterdir()] == ["README.md"]


# What it writes into docstrings.

QUESTIONS = """\
What it does.

Scenario: ? what for
Instead of: ? what
Locks: ? which
    and for how long
Rollback:
Deploy: ? when

Revision ID: r1
"""


def test_a_docstring_that_leaves_it_open_gets_what_was_measured(chain: Chain) -> None:
    tables = [f'"T {number} of a long name"' for number in range(4)]
    ini = chain(
        "; ".join(f"CREATE TABLE {table} (id integer)" for table in tables),
        "; ".join(f"ALTER TABLE {table} ADD COLUMN a integer" for table in tables),
    )
    document(ini, "r0", f"{LEFT}\nLocks: none")
    path = ini.parent / "versions/r1.py"
    down = "; ".join(f"ALTER TABLE {table} DROP COLUMN a" for table in tables[:2])
    code = path.read_text().replace("    pass", f"    op.execute({down!r})")
    path.write_bytes(f'"""{QUESTIONS}"""\n{code}'.replace("\n", "\r\n").encode())
    *_, last = said = update(ini)
    assert said[0].startswith(f"r1.py: wrote Locks: {tables[0]} {AX}, {tables[1]} {AX}, ")
    assert said[1] == f"r1.py: wrote Rollback: loses {tables[0]}.a, {tables[1]}.a"
    assert last == "r1.py: left for you to say: Scenario, Deploy"
    expected = QUESTIONS.replace(
        "Locks: ? which\n    and for how long\nRollback:\n",
        f"Locks: {tables[0]} {AX}, {tables[1]} {AX},\n"
        f"    {tables[2]} {AX}, {tables[3]} {AX}; no rewrite, no\n    scan\n"
        f"Rollback: loses {tables[0]}.a, {tables[1]}.a\n",
    )
    assert path.read_bytes().decode() == f'"""{expected}"""\n{code}'.replace("\n", "\r\n")
    assert complaints(ini) == ["r1.py: its docstring lacks Scenario, Deploy"]


def test_a_docstring_without_such_lines_is_left_alone(chain: Chain) -> None:
    ini = chain("CREATE TABLE t (id integer)", "ALTER TABLE t ADD COLUMN a integer; UPDATE t SET a = 0")
    path = ini.parent / "versions/r1.py"
    before = path.read_bytes()
    assert update(ini)[-1] == (
        f"r1.py: left for you to say: Scenario, Locks (t {AX}; no rewrite, reads all of t under {AX}), "
        "Rollback (what t held before may not come back: lossless, or loses what?), Deploy"
    )
    assert path.read_bytes() == before


LOSSES = [
    ("ALTER TABLE t ADD COLUMN z integer", "ALTER TABLE t DROP COLUMN z", "loses t.z"),
    ("ALTER TABLE t DROP COLUMN v", "ALTER TABLE t ADD COLUMN v text", "loses t.v"),
    ("CREATE TABLE sales.u (id integer)", "DROP TABLE sales.u", "loses sales.u"),
    ("DROP TABLE split_2", "SELECT 1", "loses split (rows of split_2)"),
    ("ALTER TABLE t RENAME a TO w", "ALTER TABLE t RENAME w TO a", "lossless"),
    ("CREATE INDEX i ON t (n)", "DROP INDEX i", "lossless"),
    ("SELECT 1", "ALTER TABLE t SET UNLOGGED", "lossless; rewrites t"),
    ("ALTER TYPE mood ADD VALUE 'so'", "SELECT 1", "irreversible: PostgreSQL takes no label of an enum back"),
    ("ALTER TYPE mood RENAME VALUE 'up' TO 'on'", "ALTER TYPE mood RENAME VALUE 'on' TO 'up'", "lossless"),
    ("ALTER TABLE t ALTER at1 TYPE date", "ALTER TABLE t ALTER at1 TYPE timestamp", "? t.at1"),
    ("DELETE FROM p WHERE id = 101", "SELECT 1", "? p"),
    ("DELETE FROM sales.t WHERE false", "SELECT 1", "? sales.t"),
]


def test_what_a_way_back_loses_is_proposed_where_it_can_be_known(chain: Chain) -> None:
    ini = chain(f"{SETUP}; CREATE TYPE mood AS ENUM ('up')", *(up for up, _, _ in LOSSES))
    for number, (_, down, _) in enumerate(LOSSES, 1):
        path = ini.parent / f"versions/r{number}.py"
        path.write_text(path.read_text().replace("    pass", f"    op.execute({down!r})"))
    (_, *entries), _ = measure(Config(ini))
    questions = [question(entry).removeprefix("what ").partition(" held before")[0] for entry in entries]
    proposed = [rollback(entry) or f"? {asked}" for entry, asked in zip(entries, questions, strict=True)]
    assert proposed == [said for _, _, said in LOSSES]


def test_a_first_revision_locks_nothing_and_an_irreversible_one_has_no_way_back(chain: Chain) -> None:
    ini = chain("CREATE TABLE t (id integer); INSERT INTO t VALUES (1); CREATE INDEX i ON t (id)")
    document(ini, "r0", "Locks: none\nRollback: irreversible: there is nothing before it")
    [entry], left = measure(Config(ini))
    assert (entry.upgrade.locks, entry.upgrade.read, entry.upgrade.built, left) == ({}, {}, {}, [])
    assert entry.downgrade is None
    lines = words.lines([entry.revision], {"r0": record.of(entry)}, ini.parent)
    assert lines[-1].startswith("| [r0](versions/r0.py) | irreversible | - |")


def test_a_downgrade_that_raises_is_not_run(chain: Chain) -> None:
    ini = chain("CREATE TABLE t (id integer)")
    path = ini.parent / "versions/r0.py"
    path.write_text(path.read_text().replace("    pass", "    raise NotImplementedError"))
    [entry], _ = measure(Config(ini))
    assert entry.downgrade is None
    assert question(entry) == "the downgrade refuses: irreversible, and why"


def test_code_that_fails_is_named_with_its_line(chain: Chain) -> None:
    ini = chain("SELECT 1")
    path = ini.parent / "versions/r0.py"
    path.write_text(path.read_text().replace("    with", "    with open('nothing'),"))
    with pytest.raises(
        MeasureError, match=r"upgrade of r0\.py, line 6, failed .* FileNotFoundError: .*nothing"
    ):
        measure(Config(ini))


def test_a_revision_that_fails_is_named_and_leaves_no_database(chain: Chain) -> None:
    ini = chain("CREATE TABLE t (id integer)", "ALTER TABLE t ADD COLUMN id integer")
    with pytest.raises(
        MeasureError, match=r'upgrade of r1\.py failed .*column "id" .* already exists'
    ) as error:
        measure(Config(ini))
    assert "\n" not in str(error.value)


def test_two_heads_are_both_measured(chain: Chain) -> None:
    ini = chain(
        "CREATE TABLE t (id integer)", "ALTER TABLE t ADD COLUMN a integer", "COMMENT ON TABLE t IS 'x'"
    )
    path = ini.parent / "versions/r2.py"
    path.write_text(path.read_text().replace("down_revision = 'r1'", "down_revision = 'r0'"))
    entries, _ = measure(Config(ini))
    assert {entry.revision.id: entry.upgrade.locks.get("t") for entry in entries} == {
        "r0": None,
        "r1": AX,
        "r2": SUX,
    }


def test_a_file_without_a_place_is_refused_before_anything_is_measured(tmp_path: Path, chain: Chain) -> None:
    (tmp_path / "README.md").write_text("nothing\n")
    with pytest.raises(NoPlaceError, match="has no place for the index"):
        ledger.update(folder=tmp_path, config=Config(chain("SELECT 1 / 0")))


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("there", ["a folder", "a link to nothing", "a link to itself"])
def test_what_is_no_file_is_refused_before_anything_is_measured(
    there: str, check: bool, chain: Chain
) -> None:
    ini = chain("SELECT 1 / 0")
    path = ini.parent / "versions/ledger.json"
    if there == "a folder":
        path.mkdir()
    else:
        path.symlink_to(path.with_name("gone") / "ledger.json" if there == "a link to nothing" else path)
    with pytest.raises(ledger.LedgerError, match=r"ledger.json cannot be read \([^)]*\): move it away"):
        update(ini, check=check)


@pytest.mark.slow
def test_it_tells_how_long_a_lock_is_held(chain: Chain) -> None:
    ini = chain(
        "CREATE TABLE t (id integer)",
        "ALTER TABLE t ADD COLUMN a integer; SELECT pg_sleep(0.3)",
        "AUTOCOMMIT ALTER TABLE t ADD COLUMN b integer; SELECT pg_sleep(0.3)",
        "COMMENT ON TABLE t IS 'x'; SELECT pg_sleep(0.3)",
    )
    entries, _ = measure(Config(ini), timed=True)
    seconds, blocked = zip(
        *((entry.upgrade.seconds, entry.upgrade.blocked_seconds) for entry in entries), strict=True
    )
    assert min(seconds[1:]) >= 0.3
    assert blocked[1] >= 0.3
    assert 0 < blocked[2] < 0.3
    assert blocked[3] == 0
    assert "blocked for" in ledger.timings(entries, 500)


# The command.


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "migrate", "ledger", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "nonsense"], "error: Can't locate revision identified by 'nonsense'"),
        (["--rows", "10"], "--rows is for --time"),
        (["--check", "--json"], "not allowed with argument"),
    ],
)
def test_wrong_arguments_get_one_clear_line(arguments: list[str], message: str) -> None:
    done = command(*arguments)
    assert done.returncode
    assert message in done.stderr.splitlines()[-1]


def test_a_server_that_is_not_there_gets_one_clear_line() -> None:
    done = command("--check", DATABASE_URL="postgresql://u:secret@127.0.0.1:1/x", MIGRATION_DATABASE_URL="")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error: cannot connect to postgresql+psycopg://u:***@127.0.0.1:1/x")
    assert "secret" not in done.stderr


def test_what_a_lock_means_follows_from_what_it_keeps_out() -> None:
    assert {mode: blocked_by(mode) for mode in MODES} == {
        AS: None, RS: None, RX: None, SUX: None, S: "writes", SRX: "writes", EX: "writes", AX: "reads",
    }  # fmt: skip

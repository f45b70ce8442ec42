"""How to make a change beside the traffic: the revision that shows it, or one line that says it."""

from typing import NamedTuple

from database import ROOT

VERSIONS = ROOT / "alembic" / "versions"

ANEW = "add the new one under another name, NOT VALID, and validate it, before you drop the old one"


class How(NamedTuple):
    """How one kind of change is done.

    Attributes:
        scenario: the words after `Scenario:` in the docstring of a revision that does it.
        line: what to do, if the backend has no such revision.
    """

    scenario: str
    line: str


HOW = {
    "add a foreign key to partitions": How(
        "validate a foreign key", "reads and writes go on meanwhile, and then the parent's key needs no scan"
    ),
    "add a time zone": How(
        "add a time zone to timestamps without a rewrite",
        "migrations run in UTC, so write no USING, and run it with no other client",
    ),
    "change a check": How("change the expression of a CHECK", ANEW),
    "change a foreign key": How("change the ON DELETE of a live foreign key", ANEW),
    "change a type": How(
        "change an integer column of a big live table to bigint: expand",
        "add a column of the new type, keep both equal with a trigger, backfill in batches, and swap names",
    ),
    "change a unique constraint": How(
        "add a unique constraint to a big live table",
        "build the new index first, concurrently and under another name, then drop the constraint and add "
        "it UNIQUE USING INDEX in one transaction",
    ),
    "drop a column": How(
        "drop a column", "first deploy code that does not name it; an ORM names all columns in every SELECT"
    ),
    "drop a table": How(
        "drop a table",
        "first deploy code that does not name it; without CASCADE, nothing else is dropped with it",
    ),
    "drop an index": How(
        "drop an index that is not used", "look at idx_scan in pg_stat_user_indexes, on every replica too"
    ),
    "fill a column": How("fill a column with values that must be unique", "backfill it in batches"),
    "index partitions": How(
        "index a partitioned table",
        "create it ON ONLY the parent, concurrently on each partition, and attach those",
    ),
    "merge rows": How(
        "merge duplicate rows, with everything that points at them",
        "first change all rows that refer to the duplicates, so that they refer to the row that stays; "
        "then delete the duplicates",
    ),
    "remove a label": How(
        "remove a label from an enum: contract",
        "make a new type without it, and change the column to that type",
    ),
    "rename a column": How(
        "rename a column with no downtime, first step: new column, trigger in both directions",
        "add the new column, keep both equal with a trigger, backfill in batches, deploy code that uses the "
        "new one, and drop the old one",
    ),
    "rename a label": How("rename a label of an enum", "ALTER TYPE … RENAME VALUE"),
    "rename a table": How(
        "rename a table while code that uses the old name is running",
        "create a view of the old name in the same transaction",
    ),
    "repair orphans": How("clean orphans out of a big live table", "set to NULL or delete them, in batches"),
    "repair values": How("repair values before a CHECK is added", "change them in batches"),
    "replace an index": How(
        "replace an index of a big live table", "build it under another name, drop the old one, and rename it"
    ),
    "require a column": How(
        "add a NOT NULL column whose value differs from row to row",
        "add it nullable, backfill it in batches, and set NOT NULL in a later revision",
    ),
}


def scenario(change: str) -> str:
    """Return how to make a change, as the end of a remark.

    Args:
        change: one of the keys of `HOW`.

    Returns:
        The revision of this backend that shows it, if there is one; else what to do, in one line.
    """
    how = HOW[change]
    for path in sorted(VERSIONS.glob("*.py")):
        if f"\nScenario: {how.scenario}\n" in path.read_text(encoding="utf-8", errors="replace"):
            return f"see the scenario {path.stem.split('_', 2)[2]} in alembic/versions"
    return how.line

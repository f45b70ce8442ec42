"""What a downgrade loses and costs, as a proposal for `Rollback:`, which a person judges.

The measurement sees what upgrade and downgrade drop; a rename is no loss. If a revision changes
existing rows, the measurement cannot tell whether the old values come back.
"""

from collections.abc import Iterator

from migrate.ledger.catalogue import Holdings, Relation
from migrate.ledger.measure import Entry, Run

NO_LABEL_BACK = "irreversible: PostgreSQL takes no label of an enum back"


def rollback(entry: Entry) -> str:
    """Return a text for `Rollback:`; empty if the measurement does not tell (see `question`)."""
    up, down = entry.upgrade, entry.downgrade
    if question(entry) or not down:
        return ""
    types = {type_ for type_, _ in up.before.labels}
    if any(type_ in types for type_, _ in (up.after.labels - up.before.labels) & down.after.labels):
        return NO_LABEL_BACK
    if not entry.revision.parents and down.before.tables and not down.after.tables:
        return "loses every row"
    lost = dict.fromkeys([*dropped(down), *dropped(up)])
    rewrites = f"; rewrites {', '.join(down.rewritten)}" if down.rewritten else ""
    return (f"loses {', '.join(lost)}" if lost else "lossless") + rewrites


def question(entry: Entry) -> str:
    """Return the question that a person must answer for `Rollback:`; empty if there is none."""
    if entry.downgrade is None:
        return "the downgrade refuses: irreversible, and why"
    runs = entry.upgrade, entry.downgrade
    changed = sorted({name for run in runs for name in (*run.written, *retyped(run))})
    if changed:
        return f"what {', '.join(changed)} held before may not come back: lossless, or loses what?"
    return ""


def dropped(run: Run) -> Iterator[str]:
    """Yield the tables and columns that a direction drops, without the columns of dropped tables."""
    before, after = run.before, run.after
    for oid, table in before.tables.items():
        if oid in after.tables:
            continue
        if not table.parent:
            yield table.name
        elif (root := _root(table, before)).oid in after.tables:
            yield f"{root.name} (rows of {table.name})"
    for (oid, number), (column, _) in before.columns.items():
        if oid in after.tables and (oid, number) not in after.columns:
            yield f"{before.tables[oid].name}.{column}"


def retyped(run: Run) -> Iterator[str]:
    """Yield the columns that have another type after a direction."""
    for key, (column, type_) in run.before.columns.items():
        if key in run.after.columns and run.after.columns[key][1] != type_:
            yield f"{run.before.tables[key[0]].name}.{column}"


def _root(partition: Relation, holdings: Holdings) -> Relation:
    while partition.parent in holdings.tables:
        partition = holdings.tables[partition.parent]
    return partition

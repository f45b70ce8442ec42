"""What code cannot name any more after a revision: tables, views, columns, labels of enums.

It goes by names: a view that has a table's old name stands for it, and so does a column that takes the
name of one that is dropped.
"""

import re
from collections.abc import Iterator

from migrate.ledger.catalogue import Holdings
from migrate.ledger.measure import Run


def gone(run: Run) -> Iterator[str]:
    """Yield what a direction drops or gives another name, as SQL has it."""
    yield from _relations(run)
    before, after = _columns(run.before), _columns(run.after)
    for oid, columns in before.items():
        left = after.get(oid)
        if left is None:
            continue
        for number, name in columns.items():
            # A swap: it has the name now of a column that was there too, which is the one that code knows.
            took_over = number in left and left[number] in columns.values()
            if name not in left.values() and not took_over:
                yield f"{run.before.tables[oid].name}.{name}"
    labels, still = _labels(run.before), _labels(run.after)
    for type_ in sorted(labels.keys() & still.keys()):
        yield from (f"{label!r} of {type_}" for label in sorted(labels[type_] - still[type_]))


def cascaded(run: Run) -> Iterator[str]:
    """Yield the tables and views that went, and that no statement names."""
    said = "\n".join(run.sql).lower()
    for name in _relations(run):
        plain = re.sub(r'^.*\.(?=[^"]*$)|^.*\.(?=")', "", name).strip('"').lower()
        if plain not in said:
            yield name


def _relations(run: Run) -> Iterator[str]:
    there = {table.name for table in run.after.tables.values()} | run.after.views
    tables = [table.name for table in run.before.tables.values() if not table.parent]
    yield from (name for name in [*tables, *sorted(run.before.views)] if name not in there)


def _columns(holdings: Holdings) -> dict[int, dict[int, str]]:
    """Return the names of columns by number, by table."""
    found: dict[int, dict[int, str]] = {oid: {} for oid in holdings.tables}
    for (oid, number), (name, _) in holdings.columns.items():
        found[oid][number] = name
    return found


def _labels(holdings: Holdings) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for type_, label in holdings.labels:
        found.setdefault(holdings.types[type_], set()).add(label)
    return found

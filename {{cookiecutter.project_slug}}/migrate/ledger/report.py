"""What `python -m migrate ledger` prints: a bar, and all that was measured, or how long it took."""

import json
import sys
from collections.abc import Iterable

from migrate.chain import Revision
from migrate.ledger.locks import blocked_by
from migrate.ledger.measure import Entry, Run
from migrate.ledger.record import did


def as_json(entries: Iterable[Entry]) -> str:
    """Return what is recorded of revisions and more: what they say, and each of their statements."""

    def of(run: Run) -> dict[str, object]:
        return {**did(run), "statements": [vars(statement) for statement in run.statements]}

    found = [
        {
            "revision": entry.revision.id,
            "file": entry.revision.path.name,
            "summary": entry.revision.summary,
            "rollback": entry.revision.fields.get("Rollback", ""),
            "upgrade": of(entry.upgrade),
            "downgrade": entry.downgrade and of(entry.downgrade),
        }
        for entry in entries
    ]
    return json.dumps(found, indent=2, ensure_ascii=False)


def timings(entries: Iterable[Entry], rows: int) -> str:
    """Return how long upgrades took and blocking locks were held, as a table."""
    lines = [
        f"{'upgrade, with --rows ' + format(rows, ','):<50} {'took':>10} {'blocked for':>12}  by",
        *(_timing(entry) for entry in entries),
    ]
    return "\n".join(lines)


def show_progress(number: int, count: int, revision: Revision | None) -> None:
    """Draw a bar on a terminal; elsewhere nothing.

    Args:
        number: how many revisions are done.
        count: of how many.
        revision: what is being done; None at the end.
    """
    if sys.stderr.isatty():
        bar = "#" * (number * 30 // count)
        line = f"{bar:.<30} {number}/{count} {revision.path.stem}" if revision else ""
        sys.stderr.write(f"\r\x1b[K{line[:100]}")
        sys.stderr.flush()


def _timing(entry: Entry) -> str:
    run = entry.upgrade
    modes = [f"{table} {mode}" for table, mode in run.locks.items() if blocked_by(mode)]
    blocked = f"{_duration(run.blocked_seconds):>12}  {', '.join(modes)}" if modes else f"{'-':>12}"
    return f"{entry.revision.slug:<50} {_duration(run.seconds):>10} {blocked}"


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"

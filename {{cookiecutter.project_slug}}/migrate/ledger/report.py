"""What `python -m migrate ledger` prints: a progress bar, and all measurements, or the times."""

import json
import sys
from collections.abc import Iterable

from migrate.chain import Revision
from migrate.ledger.locks import blocked_by
from migrate.ledger.measure import Entry, Run
from migrate.ledger.predict import Predicted, Prediction
from migrate.ledger.record import did


def as_json(entries: Iterable[Entry]) -> str:
    """Return the records of revisions as JSON, with their docstrings and each of their statements."""

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
    return json.dumps(found, indent=2)


def timings(entries: Iterable[Entry], rows: int) -> str:
    """Return a table: how long upgrades took, and how long blocking locks were held."""
    lines = [
        f"{'upgrade, with --rows ' + format(rows, ','):<50} {'took':>10} {'blocked for':>12}  by",
        *(_timing(entry) for entry in entries),
    ]
    return "\n".join(lines)


def predictions(found: Predicted) -> str:
    """Return for how long upgrades would hold locks that traffic waits for, and what that leaves out."""
    few, many = found.sizes
    return "\n".join([
        f"{'upgrade, predicted':<50} {'takes':>10} {'held for':>10}  lock",
        *(line for each in found.predictions for line in _prediction(each)),
        "",
        f"Measured on this machine with up to {few:,} and {many:,} rows of a table, and continued to those",
        "of the snapshot. At the end of a line stands what grows with the rows and takes longest. Another",
        "machine is faster or slower. The wait for a lock, the traffic meanwhile, and tables that do not",
        "fit into memory are not in it.",
        *(
            f"{table}: a row is {times:.1f} times as wide as in the sample: it takes longer."
            for table, times in found.wider.items()
        ),
    ])  # fmt: skip


def predictions_as_json(found: Predicted) -> str:
    """Return the same for a program: every lock, and every statement."""
    return json.dumps(
        {
            "measured_with": found.sizes,
            "wider_rows": found.wider,
            "revisions": [
                {
                    "revision": each.revision.id,
                    "file": each.revision.path.name,
                    "seconds": each.seconds,
                    "locks": [vars(lock) for lock in each.locks],
                    "statements": [vars(statement) for statement in each.statements],
                }
                for each in found.predictions
            ],
        },
        indent=2,
    )


def show_progress(number: int, count: int, revision: Revision | None) -> None:
    """Draw a progress bar on a terminal; elsewhere, draw nothing.

    Args:
        number: how many revisions are done.
        count: how many there are.
        revision: the present one; None at the end.
    """
    if sys.stderr and sys.stderr.isatty():
        bar = "#" * (number * 30 // count)
        line = f"{bar:.<30} {number}/{count} {revision.path.stem}" if revision else ""
        sys.stderr.write(f"\r\x1b[K{line[:100]}")
        sys.stderr.flush()


def _timing(entry: Entry) -> str:
    run = entry.upgrade
    modes = [f"{table} {mode}" for table, mode in run.locks.items() if blocked_by(mode)]
    blocked = f"{_duration(run.blocked_seconds):>12}  {', '.join(modes)}" if modes else f"{'-':>12}"
    return f"{entry.revision.slug:<50} {_duration(run.seconds):>10} {blocked}"


def _prediction(prediction: Prediction) -> Iterable[str]:
    blocking = [lock for lock in prediction.locks if lock.blocks]
    longest = max(prediction.statements, key=lambda step: step.seconds, default=None)
    why = f": {longest.work}" if longest and longest.work != "nothing" else ""
    head = f"{prediction.revision.slug:<50} {_duration(prediction.seconds):>10}"
    if not blocking:
        yield f"{head} {'-':>10}  nothing that traffic waits for{why}"
    for number, lock in enumerate(blocking):
        yield (
            f"{'' if number else head:<61} {_duration(lock.seconds):>10}  {lock.mode} on {lock.table}, "
            f"blocks {lock.blocks}{'' if number else why}"
        )


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"

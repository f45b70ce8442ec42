"""The ledger: what each revision locks, rewrites and reads, measured and held true.

measure.py measures, with holders.py and locks.py; table.py writes it down and reads it back;
policy.py says what a revision may not do.
"""

import json
import sys
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from database import ROOT
from migrate.chain import Revision, project_config
from migrate.ledger import table
from migrate.ledger.locks import blocked_by
from migrate.ledger.measure import Entry, Run, chain, measure
from migrate.ledger.policy import Policy, findings

__all__ = ["LedgerError", "as_json", "measure", "recorded", "show_progress", "timings", "update"]

PATH = ROOT / "alembic" / "versions" / "README.md"
PYPROJECT = ROOT / "pyproject.toml"


class LedgerError(CommandError):
    """The ledger is not true, or a revision does what it may not. The message says all of it."""


def recorded() -> dict[str, str]:
    """Return what the committed ledger says of each revision's upgrade, in words.

    It reads files, and needs no server.

    Returns:
        By the revision's id, for example "AccessExclusiveLock on documents; blocks reads of
        documents; no rewrite; no full scan"; "unmeasured" where the ledger lacks it.
    """
    return table.recorded(PATH)


def update(
    start: str | None = None,
    *,
    check: bool = False,
    path: Path = PATH,
    config: Config | None = None,
) -> None:
    """Measure the chain, and write the ledger, or only say what is not as it should be.

    Args:
        start: measure this revision and those after it; of the others the lines stay.
        check: write nothing.
        path: the file that holds the ledger.
        config: Alembic's; by default that of `alembic.ini`.

    Raises:
        LedgerError: the file is out of date (only with `check`), a docstring's `Locks:` is
            not what was measured, or a revision does what it may not.
        CommandError: a revision failed, or there is no such revision, or no server.
    """
    policy = Policy.load(PYPROJECT)
    text = path.read_text(encoding="utf-8")
    table.replace(text, "", path)  # before a minute's work: has it a place?
    revisions = chain(ScriptDirectory.from_config(config or project_config()))
    entries, unfinished = measure(config, start=start, progress=show_progress)
    new = table.replace(text, table.render(revisions, entries, path.parent, text), path)
    problems = [str(finding) for finding in findings(entries, unfinished, policy)]
    if not check:
        path.write_text(new, encoding="utf-8")
    elif new != text:
        problems.append(f"{path} is out of date (make ledger):\n{table.difference(text, new, path)}")
    if problems:
        raise LedgerError("\n".join(["the ledger does not hold", *problems]))


def as_json(entries: list[Entry]) -> str:
    """Return all that was measured, statement by statement, as JSON."""

    def of(run: Run) -> dict[str, Any]:
        return {
            "locks": run.locks,
            "blocks": {table: blocked_by(mode) for table, mode in run.locks.items()},
            "rewrites": run.rewritten,
            "full_scans": run.read,
            "indexes_built": run.built,
            "left": run.left,
            "autocommit": run.autocommit,
            "statements": [vars(statement) for statement in run.statements],
        }

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


def timings(entries: list[Entry], rows: int) -> str:
    """Return how long upgrades took and blocking locks were held, as a table."""
    lines = [
        f"{'upgrade, with ' + format(rows, ',') + ' documents':<50} {'took':>10} {'blocked for':>12}  by",
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
    return f"{entry.revision.path.stem.split('_', 2)[-1]:<50} {_duration(run.seconds):>10} {blocked}"


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"

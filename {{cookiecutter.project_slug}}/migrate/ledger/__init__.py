"""The ledger: what each revision locks, rewrites and scans, measured on a server and kept true.

measure.py measures, with catalogue.py, holders.py and locks.py. record.py reads and writes the
committed ledger.json; readme.py renders it, in the words of words.py. policy.py says what a revision
may not do. docstring.py fills in empty fields of its docstring, with losses.py.
predict.py predicts how long revisions would take on a database of the size in a snapshot.py.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from alembic.config import Config

from database import ROOT
from migrate.chain import Revision, project_config, revisions
from migrate.ledger import docstring, readme, words
from migrate.ledger import record as records
from migrate.ledger.measure import Entry, measure
from migrate.ledger.policy import Policy, findings
from migrate.ledger.predict import ROWS, predict
from migrate.ledger.record import LedgerError, Record
from migrate.ledger.report import as_json, predictions, predictions_as_json, show_progress, timings
from migrate.ledger.snapshot import Snapshot
from migrate.scripts import scripts_of

__all__ = [
    "ROWS", "LedgerError", "Snapshot", "as_json", "measure", "predict", "predictions", "predictions_as_json",
    "recorded", "show_progress", "timings", "update",
]  # fmt: skip

FOLDER = ROOT / "alembic" / "versions"
PYPROJECT = ROOT / "pyproject.toml"


def recorded(revision: Revision) -> str | None:
    """Return what the committed ledger says of a revision's upgrade, in words; None if it has no entry.

    For example "AccessExclusiveLock on orders; blocks reads of orders; no rewrite; no full
    scan". It reads a file, and needs no server.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    found = records.find(_committed(), revision)
    return words.sentence(found["upgrade"]) if found else None


def update(
    start: str | None = None,
    *,
    check: bool = False,
    folder: Path = FOLDER,
    config: Config | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Measure the chain, and write the measurements; or only check what is written.

    It writes ledger.json, README.md if it exists, and those empty fields of docstrings that the
    measurements answer.

    Args:
        start: measure this revision and those after it; the entries of the others stay.
        check: write nothing.
        folder: the folder of ledger.json and README.md.
        config: Alembic's; by default that of `alembic.ini`.
        say: called with each line about what was written, and what a person still has to do.

    Raises:
        LedgerError: with `check`: ledger.json or README.md is out of date, a docstring lacks a
            field or contradicts the measurements, or a revision does what it may not do.
        CommandError: a revision failed, or there is no such revision, or no server.
    """
    policy, chain, path = Policy.load(PYPROJECT), _chain(config), folder / records.NAME
    records.refuse_no_file(path)
    old = records.load(path) if check or start else {}
    stale = _stale_readme(folder / readme.FILE, chain, old)  # first: it may have no place
    entries, unfinished = measure(config, start=start, progress=show_progress) if chain else ([], [])
    if check:
        problems = [
            *_stale_record(path, chain, old, records.merged(chain, old, entries)),
            *stale,
            *map(str, findings(entries, unfinished, policy)),
            *(
                f"{each.path.name}: its docstring lacks {', '.join(each.unsaid)}"
                for each in chain
                if each.unsaid
            ),
        ]
        if problems:
            raise LedgerError("\n".join(["the ledger does not hold", *problems]))
        return
    left = {entry.revision.id: _fill_in(entry, say) for entry in entries}
    chain = _chain(config)  # again, because the docstrings have changed
    now = {revision.id: revision for revision in chain}
    entries = [replace(entry, revision=now[entry.revision.id]) for entry in entries]
    _write(folder, chain, records.merged(chain, old, entries), say)
    for finding in findings(entries, unfinished, policy):
        say(f"to repair: {finding}")
    for revision in chain:
        if revision.unsaid:
            hints = left.get(revision.id, {})
            words = [f"{name} ({hints[name]})" if name in hints else name for name in revision.unsaid]
            say(f"{revision.path.name}: left for you to say: {', '.join(words)}")


def _chain(config: Config | None) -> list[Revision]:
    return revisions(scripts_of(config or project_config()))


def _stale_record(path: Path, chain: Sequence[Revision], old: Record, new: Record) -> Iterator[str]:
    lines = list(words.differences(chain, old, new))
    if not lines and old and path.read_text(encoding="utf-8") != records.dump(old):
        lines = ["it is not laid out as it is written"]
    if lines:
        yield f"{path.name} is not what was measured (make ledger):"
        yield from (f"    {line}" for line in lines)


def _stale_readme(path: Path, chain: Sequence[Revision], record: Record) -> list[str]:
    """Return a line if README.md differs from the record or the docstrings."""
    if not path.exists() or readme.rendered(path, chain, record) == path.read_text(encoding="utf-8"):
        return []
    return [f"{path.name} is not what {records.NAME} and the docstrings say: make index"]


def _fill_in(entry: Entry, say: Callable[[str], None]) -> dict[str, str]:
    """Write the measurements into the docstring; return a hint for each field that is still empty."""
    revision, proposed = entry.revision, docstring.proposals(entry)
    for name in docstring.fill(revision.path, proposed):
        say(f"{revision.path.name}: wrote {name}: {proposed.pop(name)}")
    return {**docstring.questions(entry), **proposed}


def _write(folder: Path, chain: Sequence[Revision], record: Record, say: Callable[[str], None]) -> None:
    path = folder / records.NAME
    if chain or path.exists():
        path.write_text(records.dump(record), encoding="utf-8")
    if (path := folder / readme.FILE).exists():
        path.write_text(readme.rendered(path, chain, record), encoding="utf-8")
    plural = "" if len(chain) == 1 else "s"
    nothing = "there is no revision yet: nothing to measure"
    say(f"{len(chain)} revision{plural} in {records.NAME}" if chain else nothing)


@cache
def _committed() -> Record:
    return records.load(FOLDER / records.NAME)

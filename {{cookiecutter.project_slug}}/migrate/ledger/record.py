"""ledger.json, the committed record of the measurements: an entry for each revision, by its id."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict, get_type_hints

from alembic.util import CommandError

from migrate.chain import Revision
from migrate.ledger.locks import MODES
from migrate.ledger.measure import Entry, Run

NAME = "ledger.json"
VERSION = 2  # of the format


class LedgerError(CommandError):
    """The ledger is not true, or cannot be read. The message says everything."""


class Did(TypedDict):
    """What one direction of a revision does to the tables that were there before it.

    Attributes:
        locks: the strongest mode by table, the strongest first; by index if its table is locked less.
        blocks: what waits, by table: "reads" (and writes), or "writes".
        blocked_in: by table, the beginning of the statement in which they wait.
        rewrites: tables that are rewritten.
        full_scans: tables that are scanned in full, each with the strongest mode that is held
            meanwhile, on any table.
        indexes_built: by index, the mode in which its table is locked while it is built.
        left: what is "unvalidated" or "invalid" after it, and was not before.
        autocommit: whether it runs outside of a transaction.
    """

    locks: dict[str, str]
    blocks: dict[str, str]
    blocked_in: dict[str, str]
    rewrites: list[str]
    full_scans: dict[str, str]
    indexes_built: dict[str, str]
    left: dict[str, str]
    autocommit: bool


class Recorded(TypedDict):
    """The measurements of a revision.

    Attributes:
        name: the revision's slug, for people who read the file.
        upgrade: what the upgrade does.
        downgrade: what the downgrade does; None if the revision is irreversible.
    """

    name: str
    upgrade: Did
    downgrade: Did | None


Record = dict[str, Recorded]


def of(entry: Entry) -> Recorded:
    """Return the record of a measured revision."""
    return {
        "name": entry.revision.slug,
        "upgrade": did(entry.upgrade),
        "downgrade": did(entry.downgrade) if entry.downgrade else None,
    }


def did(run: Run) -> Did:
    """Return the record of one direction."""
    return {
        "locks": run.locks,
        "blocks": {table: waits for table, (waits, _) in run.waits.items()},
        "blocked_in": {table: statement for table, (_, statement) in run.waits.items()},
        "rewrites": run.rewritten,
        "full_scans": run.read,
        "indexes_built": run.built,
        "left": {name: state for state, name in (left.split(" ", 1) for left in run.left)},
        "autocommit": run.autocommit,
    }


def find(record: Record, revision: Revision) -> Recorded | None:
    """Return the record of a revision; None if there is none.

    The file's name must fit too: a squash has the id of a revision that it replaced.
    """
    found = record.get(revision.id)
    return found if found and found["name"] == revision.slug else None


def merged(chain: Iterable[Revision], old: Record, entries: Iterable[Entry]) -> Record:
    """Return the record with these entries, in the chain's order, without revisions that are gone."""
    new = {entry.revision.id: of(entry) for entry in entries}
    known = {revision.id: new.get(revision.id) or find(old, revision) for revision in chain}
    return {id_: recorded for id_, recorded in known.items() if recorded}


def load(path: Path) -> Record:
    """Read a record; one that does not exist is empty.

    Raises:
        LedgerError: it cannot be read.
    """
    refuse_no_file(path)
    if not path.exists():
        return {}
    try:
        return _checked(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LedgerError(f"{path} cannot be read ({error}): make ledger writes it anew") from error


def refuse_no_file(path: Path) -> None:
    """Refuse what is in the place of a record, and can be neither read nor written as a file.

    Raises:
        LedgerError: it is a folder, a link to nothing, or of another user.
    """
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        if path.is_symlink() or not isinstance(error, FileNotFoundError):
            raise LedgerError(
                f"{path} cannot be read ({error.strerror}): move it away, and make ledger writes it anew"
            ) from error


def dump(record: Record) -> str:
    """Return a record as text: a block of lines for each revision, so that a diff shows one revision."""
    blocks = ",\n".join(f"    {_json(id_)}: {_block(recorded)}" for id_, recorded in record.items())
    revisions = f"{{\n{blocks}\n  }}" if blocks else "{}"
    return f'{{\n  "version": {VERSION},\n  "revisions": {revisions}\n}}\n'


def _block(recorded: Recorded) -> str:
    facts = [
        f'"name": {_json(recorded["name"])}',
        f'"upgrade": {_facts(recorded["upgrade"])}',
        f'"downgrade": {_facts(recorded["downgrade"])}',
    ]
    return "{\n" + ",\n".join(f"      {fact}" for fact in facts) + "\n    }"


def _facts(did: Did | None) -> str:
    if did is None:
        return "null"
    facts = ",\n".join(f"        {_json(name)}: {_json(value)}" for name, value in did.items())
    return f"{{\n{facts}\n      }}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _checked(value: Any) -> Record:
    """Return the value, if it has the shape of a record."""
    if value["version"] != VERSION:
        raise ValueError(f"its version is {value['version']!r}, known is {VERSION}")
    for id_, recorded in value["revisions"].items():
        if not isinstance(recorded["name"], str):
            raise TypeError(f"{id_} has no name")
        for direction in ("upgrade", "downgrade"):
            if direction == "upgrade" or recorded[direction] is not None:
                _check(f"{direction} of {id_}", recorded[direction])
    record: Record = value["revisions"]
    return record


def _check(where: str, did: Mapping[str, Any]) -> None:
    kinds = {name: getattr(hint, "__origin__", hint) for name, hint in get_type_hints(Did).items()}
    if {name: type(value) for name, value in did.items()} != kinds:
        raise TypeError(f"the {where} has other facts than {', '.join(kinds)}")
    modes = {*did["locks"].values(), *did["full_scans"].values(), *did["indexes_built"].values()}
    if unknown := modes.difference(MODES):
        raise ValueError(f"the {where} has no lock mode {min(unknown)}")

"""The ledger as Markdown, in the README of the revisions' folder, and read back from it."""

import os
import re
from collections.abc import Iterable, Mapping
from difflib import unified_diff
from pathlib import Path
from urllib.parse import quote

from alembic.util import CommandError

from migrate.chain import Revision, revisions
from migrate.ledger.locks import blocked_by
from migrate.ledger.measure import Entry, Run

START = "<!-- ledger: measured by `make ledger` -->"
END = "<!-- /ledger -->"

UNMEASURED = "unmeasured"
NOTHING = "-"

SUMMARY = ["revision", "what it does"]
RUN = ["locks", "blocks", "rewrites", "full scan", "indexes, constraints", "runs in"]
COLUMNS = {"Upgrade": [*SUMMARY, *RUN, "rollback"], "Downgrade": ["revision", *RUN]}

LINK = re.compile(r"\| \[[^]]*\]\(([^)]*)\) \|")


class NoLedgerError(CommandError):
    """A file has no place for the ledger. The message says which file and what to add."""


def render(chain: Iterable[Revision], entries: Iterable[Entry], folder: Path, text: str = "") -> str:
    """Return the ledger as Markdown.

    Args:
        chain: the revisions, in order.
        entries: what was measured.
        folder: where the file is whose links it holds.
        text: the file as it is; of revisions that were not measured, its lines stay.
    """
    measured = {entry.revision.id: entry for entry in entries}
    lines = [START]
    for title, columns in COLUMNS.items():
        old = _lines(text, title)
        lines += ["", f"### {title}", "", _row(columns), _row(["---"] * len(columns))]
        for revision in chain:
            link = _link(revision, folder)
            first = [f"[{revision.path.stem.split('_', 2)[-1]}]({link})"]
            if title == "Upgrade":
                first.append(revision.summary)
            if entry := measured.get(revision.id):
                lines.append(_row([*first, *_cells(entry, title)]))
            else:
                lines.append(old.get(link) or _row([*first, *[UNMEASURED] * (len(columns) - len(first))]))
    return "\n".join([*lines, "", END])


def replace(text: str, ledger: str, path: Path) -> str:
    """Return a file's text with another ledger between its markers.

    Raises:
        NoLedgerError: it has no markers.
    """
    try:
        head, rest = text.split(START)
        _, tail = rest.split(END)
    except ValueError:
        raise NoLedgerError(
            f"{path} has no place for the ledger: put the lines {START} and {END} into it"
        ) from None
    return head + ledger + tail


def difference(old: str, new: str, path: Path) -> str:
    """Return what has to change in a file, as a diff."""
    names = f"{path.name} as committed", f"{path.name} as measured"
    return "\n".join(unified_diff(old.splitlines(), new.splitlines(), *names, n=0, lineterm=""))


def recorded(path: Path, chain: Iterable[Revision] | None = None) -> dict[str, str]:
    """Return what the committed ledger says of each revision's upgrade, in words.

    Args:
        path: the file that holds the ledger.
        chain: the revisions; by default all.

    Returns:
        By the revision's id, for example "AccessExclusiveLock on documents; blocks reads of
        documents; no rewrite; no full scan", or "unmeasured".
    """
    lines = _lines(path.read_text(encoding="utf-8"), "Upgrade") if path.exists() else {}
    known = {link: dict(zip(COLUMNS["Upgrade"], _split(line), strict=False)) for link, line in lines.items()}
    return {
        revision.id: _words(known.get(_link(revision, path.parent), {}))
        for revision in (revisions() if chain is None else chain)
    }


def _words(cells: Mapping[str, str]) -> str:
    locks = cells.get("locks", UNMEASURED).replace("<br>", ", ")
    if locks == UNMEASURED:
        return UNMEASURED
    rewrites, scans = cells["rewrites"], cells["full scan"]
    return "; ".join(
        [
            "no locks" if locks == "none" else locks,
            f"blocks {cells['blocks']}",
            "no rewrite" if rewrites == NOTHING else f"rewrites {rewrites}",
            "no full scan" if scans == NOTHING else f"full scan of {scans}",
        ]
    )


def _cells(entry: Entry, title: str) -> list[str]:
    if title == "Upgrade":
        return [*_run_cells(entry.upgrade), _rollback(entry.revision)]
    return _run_cells(entry.downgrade) if entry.downgrade else ["irreversible", *[NOTHING] * (len(RUN) - 1)]


def _run_cells(run: Run) -> list[str]:
    built = [_built(index, mode) for index, mode in run.built.items()]
    return [
        "<br>".join(_by_mode(run.locks)) or "none",
        _blocked(run.locks),
        ", ".join(run.rewritten) or NOTHING,
        ", ".join(_under(table, mode) for table, mode in run.read.items()) or NOTHING,
        "<br>".join([*built, *map(_left, run.left)]) or NOTHING,
        "autocommit" if run.autocommit else "transaction",
    ]


def _by_mode(locks: Mapping[str, str]) -> list[str]:
    modes = dict.fromkeys(locks.values())
    return [f"{mode} on {', '.join(t for t, m in locks.items() if m == mode)}" for mode in modes]


def _blocked(locks: Mapping[str, str]) -> str:
    blocked = {
        what: [t for t, mode in locks.items() if blocked_by(mode) == what] for what in ("reads", "writes")
    }
    found = [f"{what} of {', '.join(tables)}" for what, tables in blocked.items() if tables]
    return "; ".join(found) or ("nothing but DDL" if locks else "nothing")


def _under(what: str, mode: str) -> str:
    return f"{what} under {mode}" if blocked_by(mode) else what


def _built(index: str, mode: str) -> str:
    return f"builds {index} {f'under {mode}' if blocked_by(mode) else 'concurrently'}"


def _left(what: str) -> str:
    state, name = what.split(" ", 1)
    return f"leaves {name} {state}"


def _rollback(revision: Revision) -> str:
    if not revision.reversible:
        return "irreversible"
    if revision.lossless:
        return "lossless"
    return "lossy" if revision.fields.get("Rollback") else "unsaid"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _split(line: str) -> list[str]:
    cells = re.split(r"(?<!\\) ?\| ?", line)[1:-1]
    return [cell.replace("\\|", "|") for cell in cells]


def _lines(text: str, title: str) -> dict[str, str]:
    """Return the lines of one of the tables, by the link in them."""
    ledger = text.partition(START)[2].partition(END)[0]
    section = ledger.partition(f"### {title}\n")[2].partition("\n### ")[0]
    return {match[1]: line for line in section.splitlines() if (match := LINK.match(line))}


def _link(revision: Revision, folder: Path) -> str:
    return quote(os.path.relpath(revision.path, folder.resolve()).replace(os.sep, "/"))

"""The ledger in words: as Markdown tables, as a line for a deploy, and as differences."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from migrate.chain import Revision
from migrate.ledger.locks import blocked_by
from migrate.ledger.record import Did, Record, find
from migrate.markdown import Place, link, row

PLACE = Place("ledger", "<!-- ledger: measured by `make ledger` -->", "<!-- /ledger -->")

UNMEASURED = "unmeasured"
NOTHING = "-"

LOCKS, BLOCKS, REWRITES, SCANS = "locks", "blocks", "rewrites", "full scan"
INDEXES, RUNS_IN = "indexes, constraints", "runs in"
RUN = [LOCKS, BLOCKS, REWRITES, SCANS, INDEXES, RUNS_IN]

# A line break in a cell.
BREAK = "<br>"


def lines(chain: Sequence[Revision], record: Record, folder: Path) -> list[str]:
    """Return the ledger as lines of Markdown.

    Args:
        chain: the revisions, in order.
        record: the measurements.
        folder: the folder of the Markdown file, for its links.
    """
    if not chain:
        return []
    found = ["", "### Upgrade", "", *_head("revision", "what it does", *RUN, "rollback")]
    for revision in chain:
        recorded = find(record, revision)
        did = _in_order(recorded and recorded["upgrade"])
        found.append(row([link(revision, folder), revision.summary, *did, _rollback(revision)]))
    found += ["", "### Downgrade", "", *_head("revision", *RUN)]
    for revision in chain:
        recorded = find(record, revision)
        back = recorded["downgrade"] if recorded else None
        irreversible = ["irreversible", *[NOTHING] * (len(RUN) - 1)]
        known = irreversible if not revision.reversible else _in_order(back)
        found.append(row([link(revision, folder), *known]))
    return found


def sentence(did: Did) -> str:
    """Return what a direction does to its tables, in one line."""
    words = cells(did)
    return "; ".join([
        "no locks" if words[LOCKS] == "none" else words[LOCKS].replace(BREAK, ", "),
        f"blocks {words[BLOCKS]}",
        "no rewrite" if words[REWRITES] == NOTHING else f"rewrites {words[REWRITES]}",
        "no full scan" if words[SCANS] == NOTHING else f"full scan of {words[SCANS]}",
    ])  # fmt: skip


def differences(chain: Iterable[Revision], old: Record, new: Record) -> Iterator[str]:
    """Yield a line for each difference between the record and the measurements.

    Args:
        chain: the revisions.
        old: the record.
        new: the measurements, in the chain's order.
    """
    there = {revision.id for revision in chain}
    found = [line for revision in chain for line in _differences(revision, old, new)]
    found += [
        f"{id_} ({recorded['name']}): recorded, but the chain has no such revision"
        for id_, recorded in old.items()
        if id_ not in there
    ]
    yield from found
    if not found and list(old) != list(new):
        yield "the record is in another order than the chain"


def cells(did: Did) -> dict[str, str]:
    """Return what a direction does, in words, by the name of the table's column."""
    built = [_built(index, mode) for index, mode in did["indexes_built"].items()]
    left = [f"leaves {name} {state}" for name, state in did["left"].items()]
    return {
        LOCKS: BREAK.join(_by_mode(did["locks"])) or "none",
        BLOCKS: _blocked(did),
        REWRITES: ", ".join(did["rewrites"]) or NOTHING,
        SCANS: ", ".join(_under(table, mode) for table, mode in did["full_scans"].items()) or NOTHING,
        INDEXES: BREAK.join([*built, *left]) or NOTHING,
        RUNS_IN: "autocommit" if did["autocommit"] else "transaction",
    }


def _differences(revision: Revision, old: Record, new: Record) -> Iterator[str]:
    where = f"{revision.path.name} ({revision.id})"
    then, now = find(old, revision), new.get(revision.id)
    if now is None:
        return
    if then is None:
        yield f"{where}: not recorded yet"
        return
    yield from (f"{where}: {line}" for line in _changes("upgrade", then["upgrade"], now["upgrade"]))
    # The downgrade of an irreversible revision is not measured.
    if now["downgrade"]:
        yield from (f"{where}: {line}" for line in _changes("downgrade", then["downgrade"], now["downgrade"]))


def _changes(direction: str, then: Did | None, now: Did) -> Iterator[str]:
    if then is None:
        yield f"{direction}: recorded as irreversible, measured: {sentence(now)}"
        return
    was, is_ = cells(then), cells(now)
    for column in RUN:
        follows = column == BLOCKS and was[LOCKS] != is_[LOCKS]
        if was[column] != is_[column] and not follows:
            recorded, measured = (words[column].replace(BREAK, ", ") for words in (was, is_))
            yield f"{direction}: {column}: recorded {recorded}, measured {measured}"


def _head(*columns: str) -> list[str]:
    return [row(columns), row(["---"] * len(columns))]


def _in_order(did: Did | None) -> list[str]:
    return list(cells(did).values()) if did else [UNMEASURED] * len(RUN)


def _by_mode(locks: Mapping[str, str]) -> list[str]:
    modes = dict.fromkeys(locks.values())
    return [f"{mode} on {', '.join(t for t, m in locks.items() if m == mode)}" for mode in modes]


def _blocked(did: Did) -> str:
    waits = did["blocks"].items()
    blocked = {what: [table for table, waiting in waits if waiting == what] for what in ("reads", "writes")}
    found = [f"{what} of {', '.join(tables)}" for what, tables in blocked.items() if tables]
    return "; ".join(found) or ("nothing but DDL" if did["locks"] else "nothing")


def _under(what: str, mode: str) -> str:
    return f"{what} under {mode}" if blocked_by(mode) else what


def _built(index: str, mode: str) -> str:
    return f"builds {index} {f'under {mode}' if blocked_by(mode) else 'concurrently'}"


def _rollback(revision: Revision) -> str:
    if not revision.reversible:
        return "irreversible"
    if revision.lossless:
        return "lossless"
    return "lossy" if revision.fields.get("Rollback") else "unsaid"

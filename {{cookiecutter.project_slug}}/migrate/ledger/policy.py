"""What a revision may do only if its docstring allows it, and what its docstring must say.

An `Allow:` line gives one permission: `Allow: scan countries, it has a few hundred rows`. What code
can no longer name has a place in `Deploy:`, and rows that are gone have one in `Rollback:`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from alembic.util import CommandError

from migrate.chain import NAME, Revision
from migrate.ledger.locks import MODES, blocked_by
from migrate.ledger.losses import dropped
from migrate.ledger.measure import FEW_ROWS, Entry, Run, Statement
from migrate.ledger.names import cascaded, gone
from postgres import pyproject

# What can be forbidden: the first word of an `Allow:` line, and what its second word names.
KINDS = {
    "rewrite": "table",
    "scan": "table",
    "index": "table",
    "rows": "table",
    "rescan": "table",
    "cascade": "table or view",
    "unvalidated": "constraint",
    "invalid": "index",
    "unpopulated": "view",
}
# What changes this share of a table in one transaction is a backfill, and belongs into batches.
MANY = 0.5
# How `Deploy:` says that code which knows a name is not running any more.
AFTER = re.compile(r"\b(after|together|while (nothing|no))\b")
# How `Rollback:` says what a downgrade costs.
REWRITES = re.compile(r"\brewrit", re.IGNORECASE)

DROP_INDEX = re.compile(r"\bDROP\s+INDEX\b", re.IGNORECASE)
CASCADE = re.compile(r"\bCASCADE\b", re.IGNORECASE)
ALLOW = re.compile(rf"({'|'.join(KINDS)}) ({NAME}), (\S.*)")

# A name in quotes may hold any character.
_QUOTED = r'"(?:[^"]|"")*"'
REMARK = re.compile(rf"({_QUOTED})|\([^()]*\)")
BEFORE_SEMICOLON = re.compile(rf"(?:{_QUOTED}|[^;])*")
CLAIM = re.compile(rf"({NAME}) (\w+Lock)\b")


@dataclass(frozen=True)
class Policy:
    """The settings `[tool.migrate.ledger]` of pyproject.toml.

    Attributes:
        forbid: the kinds that need an `Allow:` line.
        downgrade: whether downgrades need one too.
    """

    forbid: frozenset[str] = field(default_factory=lambda: frozenset(KINDS))
    downgrade: bool = False

    @classmethod
    def load(cls, path: Path) -> "Policy":
        """Read the settings.

        Raises:
            CommandError: there is an unknown setting or value.
            SettingsError: the file cannot be read.
        """
        settings = pyproject.settings(path, "ledger")
        where = f"[tool.migrate.ledger] in {path.name}"
        if unknown := set(settings) - {"forbid", "downgrade"}:
            raise CommandError(f"{where}: no setting {min(unknown)!r}; there are forbid and downgrade")
        forbid, downgrade = settings.get("forbid", list(KINDS)), settings.get("downgrade", False)
        if not isinstance(forbid, list) or not set(map(str, forbid)) <= set(KINDS):
            raise CommandError(f"{where}: forbid is a list of {', '.join(KINDS)}")
        if not isinstance(downgrade, bool):
            raise CommandError(f"{where}: downgrade is true or false")
        return cls(frozenset(forbid), downgrade)


@dataclass(frozen=True)
class Finding:
    """A fault of a revision, with what to do.

    Attributes:
        revision: which revision.
        what: the fault and what to do, in one line.
        kind: one of `KINDS`, or the field of the docstring that is not true.
        statement: the beginning of the statement that does it; empty if none does.
    """

    revision: Revision
    what: str
    kind: str
    statement: str = ""

    def __str__(self) -> str:
        return f"{self.revision.path.name} ({self.revision.id}): {self.what}"


@dataclass(frozen=True)
class Act:
    """Something that can be forbidden."""

    kind: str
    name: str
    words: str
    statement: str = field(default="", compare=False)


def findings(entries: Iterable[Entry], unfinished: Iterable[str], policy: Policy) -> list[Finding]:
    """Return what revisions do without an `Allow:` line, and where their docstrings are not true.

    Args:
        entries: the measurements.
        unfinished: constraints and indexes that are not valid at head.
        policy: the settings.
    """
    unfinished = set(unfinished)
    return [
        found
        for entry in entries
        for found in (*_forbidden(entry, unfinished, policy), *_unsaid(entry), *_untrue(entry))
    ]


def _forbidden(entry: Entry, unfinished: set[str], policy: Policy) -> Iterator[Finding]:
    acts = dict.fromkeys(act for act in _acts(entry, unfinished, policy) if act.kind in policy.forbid)
    allowed = set()
    for line in allow_lines(entry.revision):
        match = ALLOW.fullmatch(line)
        if not match:
            what = (
                f"Allow: {line}: cannot be read; write Allow: {'|'.join(KINDS)}, the name of the table, "
                "constraint or index, a comma, and why"
            )
            yield Finding(entry.revision, what, "Allow")
            continue
        allowed.add((match[1], match[2]))
        if not any((act.kind, act.name) == (match[1], match[2]) for act in acts):
            what = f"Allow: {match[1]} {match[2]}: the revision does no such thing; take the line out"
            yield Finding(entry.revision, what, "Allow")
    for act in acts:
        if (act.kind, act.name) not in allowed:
            what = f"{act.words}; if it has to, say so: Allow: {act.kind} {act.name}, and why"
            yield Finding(entry.revision, what, act.kind, act.statement)


def allow_lines(revision: Revision) -> list[str]:
    """Return the text after each `Allow:` of the docstring, of one line or more."""
    found = re.findall(r"^Allow:(.*(?:\n[ \t]+\S.*)*)", revision.script.longdoc, re.MULTILINE)
    return [" ".join(text.split()) for text in found]


def _acts(entry: Entry, unfinished: set[str], policy: Policy) -> Iterator[Act]:
    yield from _acts_of(entry.upgrade)
    if policy.downgrade and entry.downgrade:
        yield from _acts_of(entry.downgrade)
    for left in entry.upgrade.left:
        if left in unfinished:
            state, name = left.split(" ", 1)
            yield Act(state, name, f"leaves {name} {state} at head", _naming(entry.upgrade, name))


def _acts_of(run: Run) -> Iterator[Act]:
    verb = "" if run.direction == "upgrade" else "the downgrade "
    for statement in run.statements:
        for table in statement.rewritten:
            words = f"{verb}rewrites {table} under {_lock(statement, table)}"
            yield Act("rewrite", table, words, statement.text)
        for index, table in statement.built.items():
            lock = _lock(statement, table)
            if blocked_by(lock):
                yield Act("index", table, f"{verb}builds {index} on {table} under {lock}", statement.text)
        for index, table in statement.dropped.items():
            lock = _lock(statement, table)
            if blocked_by(lock) and DROP_INDEX.search(statement.text):
                yield Act("index", table, f"{verb}drops {index} of {table} under {lock}", statement.text)
        for table in statement.scanned:
            strongest = statement.strongest
            if strongest and blocked_by(strongest):
                held = ", ".join(name for name, mode in statement.locks.items() if mode == strongest)
                on = "" if held == table else f" on {held}"
                words = f"{verb}reads all of {table} under {strongest}{on}"
                yield Act("scan", table, words, statement.text)
    yield from _backfills(run, verb)
    if not run.autocommit:
        yield from _read_again(run, verb)
    for name in cascaded(run):
        words = f"{verb}takes {name} along, which no statement names"
        yield Act("cascade", name, words, next((s for s in run.sql if CASCADE.search(s)), ""))


def _backfills(run: Run, verb: str) -> Iterator[Act]:
    """Yield the tables of which one transaction changes many rows.

    What commits on its way is taken to work in batches, and so is a statement that is sent again and
    again, each time in a transaction of its own.
    """
    sent = Counter(run.sql)
    changed: Counter[str] = Counter()
    by: dict[str, str] = {}
    for statement, sql in zip(run.statements, run.sql, strict=True):
        if statement.commits or (run.autocommit and sent[sql] > 1):
            continue
        for table, count in statement.changed.items():
            changed[table] = max(changed[table], count) if run.autocommit else changed[table] + count
            by.setdefault(table, statement.text)
    for table, count in changed.items():
        rows = run.rows.get(table, 0)
        if rows >= FEW_ROWS and count >= rows * MANY:
            words = f"{verb}changes {min(count, rows)} of {rows} rows of {table} in one transaction"
            yield Act("rows", table, f"{words}, and has them locked until it ends", by[table])


def _read_again(run: Run, verb: str) -> Iterator[Act]:
    """Yield the tables that are read from end to end before a lock on them that a try may give up."""
    scanned: list[str] = []
    waits: set[str] = set()
    for statement in run.statements:
        now = {table for table, mode in statement.locks.items() if blocked_by(mode) == "reads"}
        for table in sorted((now - waits).intersection(scanned)):
            words = f"{verb}reads all of {table}, then asks for {MODES[-1]}: each try for that reads it again"
            yield Act("rescan", table, words, statement.text)
        scanned += statement.scanned
        waits |= now


def _naming(run: Run, *names: str) -> str:
    """Return the beginning of the statement that names one of these."""
    plain = [re.escape(name.partition(" of ")[0].rpartition(".")[2].strip("\"'")) for name in names]
    pattern = re.compile(rf"(?<!\w)({'|'.join(plain)})(?!\w)")
    statements = zip(run.statements, run.sql, strict=True)
    return next((each.text for each, sql in statements if pattern.search(sql)), "")


def _unsaid(entry: Entry) -> Iterator[Finding]:
    """Say what is gone, and what a way back costs, without a word in the docstring."""
    revision, run = entry.revision, entry.upgrade
    names = list(gone(run))
    if names and not AFTER.search(revision.fields.get("Deploy", "")):
        what = f"takes {', '.join(names)} from code that runs: Deploy: has to say after which code"
        yield Finding(revision, what, "Deploy", _naming(run, *names))
    said = revision.fields.get("Rollback", "")
    rewritten = entry.downgrade.rewritten if entry.downgrade else []
    if said and rewritten and not REWRITES.search(said):
        what = f"the downgrade rewrites {', '.join(rewritten)}: Rollback: has to say so"
        yield Finding(revision, what, "Rollback")
    if said.startswith(("lossless", "irreversible")):
        return  # the first is tried on rows, and the second gives nothing back
    removed: Counter[str] = Counter()
    for statement in run.statements:
        removed.update(statement.removed)
    lost = {table: f"{count} rows of {table}" for table, count in removed.items() if table in run.rows}
    lost |= {name.partition(" (")[0]: name for name in dropped(run)}
    for name, words in lost.items():
        if name.rpartition(".")[2] not in said:
            what = f"does away with {words}: Rollback: has to say loses {name}, where they do not come back"
            yield Finding(revision, what, "Rollback", _naming(run, name))


def _untrue(entry: Entry) -> Iterator[Finding]:
    """Yield each difference between the docstring's `Locks:` and the measurements."""
    said = entry.revision.fields.get("Locks")
    if not said:
        return  # a missing field is reported elsewhere
    # In a docstring a name may go over two lines: so every white space is one blank.
    measured = {" ".join(table.split()): mode for table, mode in entry.upgrade.locks.items()}
    claims = _claims(said)
    words = said[len(claims) :]
    wrong = []
    if claimed_locks(said) != measured:
        right = ", ".join(f"{table} {mode}" for table, mode in measured.items()) or "none on existing tables"
        wrong.append(f"{claims!r}, measured: {right}")
    if re.search(r"\bno rewrite\b", words) and entry.upgrade.rewritten:
        wrong.append(f"no rewrite, measured: rewrites {', '.join(entry.upgrade.rewritten)}")
    if re.search(r"\bno scan\b(?! (under|for))", words) and entry.upgrade.read:
        wrong.append(f"no scan, measured: reads all of {', '.join(entry.upgrade.read)}")
    yield from (Finding(entry.revision, f"Locks: says {what}", "Locks") for what in wrong)


def claimed_locks(text: str) -> dict[str, str]:
    """Return the mode by table that a `Locks:` line claims, before its first semicolon."""
    return dict(CLAIM.findall(_claims(REMARK.sub(r"\1", text))))


def _claims(text: str) -> str:
    match = BEFORE_SEMICOLON.match(text)
    return match[0] if match else ""


def _lock(statement: Statement, table: str) -> str:
    return statement.locks.get(table, MODES[0])

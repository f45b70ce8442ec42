"""What a revision may not do unless its docstring allows it, and gives the reason.

An `Allow:` line gives one permission: `Allow: scan countries, it has a few hundred rows`.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from alembic.util import CommandError

from migrate.chain import NAME, Revision
from migrate.ledger.locks import MODES, blocked_by
from migrate.ledger.measure import Entry, Run, Statement

# What can be forbidden: the first word of an `Allow:` line, and what the second one names.
KINDS = {
    "rewrite": "table",
    "scan": "table",
    "index": "table",
    "unvalidated": "constraint",
    "invalid": "index",
}
ALLOW = re.compile(rf"({'|'.join(KINDS)}) ({NAME}), (\S.*)")

# What stands in quotes is a name, whatever it holds.
_QUOTED = r'"(?:[^"]|"")*"'
REMARK = re.compile(rf"({_QUOTED})|\([^()]*\)")
BEFORE_SEMICOLON = re.compile(rf"(?:{_QUOTED}|[^;])*")
CLAIM = re.compile(rf"({NAME}) (\w+Lock)\b")


@dataclass(frozen=True)
class Policy:
    """The settings `[tool.migrate.ledger]` of pyproject.toml.

    Attributes:
        forbid: what needs an `Allow:` line.
        downgrade: whether downgrades need one too.
    """

    forbid: frozenset[str] = field(default_factory=lambda: frozenset(KINDS))
    downgrade: bool = False

    @classmethod
    def load(cls, path: Path) -> "Policy":
        """Read the settings.

        Raises:
            CommandError: there is no such setting, or no such value.
        """
        tables = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        settings = tables.get("tool", {}).get("migrate", {}).get("ledger", {})
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
    """What is wrong with a revision, in one line, and what to do about it."""

    revision: Revision
    what: str

    def __str__(self) -> str:
        return f"{self.revision.path.name} ({self.revision.id}): {self.what}"


@dataclass(frozen=True)
class Act:
    """Something that can be forbidden."""

    kind: str
    name: str
    words: str


def findings(entries: Iterable[Entry], unfinished: Iterable[str], policy: Policy) -> list[Finding]:
    """Return what revisions do without leave, and what their docstrings say that is not so.

    Args:
        entries: what was measured.
        unfinished: what is not valid at head.
        policy: the settings.
    """
    unfinished = set(unfinished)
    return [
        Finding(entry.revision, what)
        for entry in entries
        for what in (*_forbidden(entry, unfinished, policy), *_untrue(entry))
    ]


def _forbidden(entry: Entry, unfinished: set[str], policy: Policy) -> Iterator[str]:
    acts = dict.fromkeys(act for act in _acts(entry, unfinished, policy) if act.kind in policy.forbid)
    allowed = set()
    for line in allow_lines(entry.revision):
        match = ALLOW.fullmatch(line)
        if not match:
            yield (
                f"Allow: {line}: cannot be read; write Allow: {'|'.join(KINDS)}, the name of the table, "
                "constraint or index, a comma, and why"
            )
            continue
        allowed.add((match[1], match[2]))
        if not any((act.kind, act.name) == (match[1], match[2]) for act in acts):
            yield f"Allow: {match[1]} {match[2]}: allows nothing, it does no such thing; take the line out"
    for act in acts:
        if (act.kind, act.name) not in allowed:
            yield f"{act.words}; if it has to, say so: Allow: {act.kind} {act.name}, and why"


def allow_lines(revision: Revision) -> list[str]:
    """Return what stands after each `Allow:` of the docstring, over one line or more."""
    found = re.findall(r"^Allow:(.*(?:\n[ \t]+\S.*)*)", revision.script.longdoc, re.MULTILINE)
    return [" ".join(text.split()) for text in found]


def _acts(entry: Entry, unfinished: set[str], policy: Policy) -> Iterator[Act]:
    yield from _acts_of(entry.upgrade)
    if policy.downgrade and entry.downgrade:
        yield from _acts_of(entry.downgrade)
    for left in entry.upgrade.left:
        if left in unfinished:
            state, name = left.split(" ", 1)
            yield Act(state, name, f"leaves {name} {state} at head")


def _acts_of(run: Run) -> Iterator[Act]:
    verb = "" if run.direction == "upgrade" else "the downgrade "
    for statement in run.statements:
        for table in statement.rewritten:
            yield Act("rewrite", table, f"{verb}rewrites {table} under {_lock(statement, table)}")
        for index, table in statement.built.items():
            lock = _lock(statement, table)
            if blocked_by(lock):
                yield Act("index", table, f"{verb}builds {index} on {table} under {lock}")
        for table in statement.scanned:
            strongest = statement.strongest
            if strongest and blocked_by(strongest):
                held = ", ".join(name for name, mode in statement.locks.items() if mode == strongest)
                on = "" if held == table else f" on {held}"
                yield Act("scan", table, f"{verb}reads all of {table} under {strongest}{on}")


def _untrue(entry: Entry) -> Iterator[str]:
    """Say where the docstring's `Locks:` is not what was measured."""
    said = entry.revision.fields.get("Locks")
    if not said:
        return  # that it lacks the field is said of all that it lacks
    # As a docstring has names: over two lines, a blank is as good as another.
    measured = {" ".join(table.split()): mode for table, mode in entry.upgrade.locks.items()}
    claims = _claims(said)
    words = said[len(claims) :]
    if claimed_locks(said) != measured:
        right = ", ".join(f"{table} {mode}" for table, mode in measured.items()) or "none on existing tables"
        yield f"Locks: says {claims!r}, measured: {right}"
    if re.search(r"\bno rewrite\b", words) and entry.upgrade.rewritten:
        yield f"Locks: says no rewrite, measured: rewrites {', '.join(entry.upgrade.rewritten)}"
    if re.search(r"\bno scan\b(?! (under|for))", words) and entry.upgrade.read:
        yield f"Locks: says no scan, measured: reads all of {', '.join(entry.upgrade.read)}"


def claimed_locks(text: str) -> dict[str, str]:
    """Return the mode by table that a `Locks:` line claims, before its first semicolon."""
    return dict(CLAIM.findall(_claims(REMARK.sub(r"\1", text))))


def _claims(text: str) -> str:
    match = BEFORE_SEMICOLON.match(text)
    return match[0] if match else ""


def _lock(statement: Statement, table: str) -> str:
    return statement.locks.get(table, MODES[0])

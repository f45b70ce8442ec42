"""Rebase: if the chain has two heads, put your own revisions after the other head.

`alembic merge` is for two branches that databases have run already. A revision that is new in your
branch needs no merge: it moves after the other new revisions, and the chain stays a line.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import unified_diff
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from migrate.alembic_internals import revision_path
from migrate.chain import Revision, revisions, with_ancestors
from migrate.git import git
from migrate.run.connection import connect
from migrate.run.versions import versions
from migrate.scripts import scripts_of
from migrate.target import migration_engine

# git's names of the upstream branch: the first of these that exists.
UPSTREAM = ("origin/HEAD", "origin/main", "origin/master", "@{upstream}")

# A file may have a coding line of another encoding: each byte of it stays what it is.
ERRORS = "surrogateescape"


@dataclass(frozen=True)
class Move:
    """The change of one file."""

    old: Path
    new: Path
    before: str
    after: str

    def __str__(self) -> str:
        """The change, as a diff."""
        lines = unified_diff(
            self.before.splitlines(), self.after.splitlines(), self.old.name, self.new.name, n=0, lineterm=""
        )
        return "\n".join(line for line in lines if not line.startswith("@@"))


def rebase(config: Config, own: str = "", *, confirm: Callable[[str], bool]) -> str:
    """Put the revisions of one head after the other head.

    Args:
        config: Alembic's, with the chain.
        own: the head to move; by default the one whose files git does not find upstream.
        confirm: called with the change as text; returns whether to make it.

    Returns:
        What was done, and what to do next.

    Raises:
        CommandError: there are not two heads, it is not clear which one moves, or another database
            may have run a revision that would move. Nothing has changed.
        OSError: a file cannot be written. Nothing has changed.
    """
    scripts = scripts_of(config)
    chain = {revision.id: revision for revision in revisions(scripts)}
    moved, onto = _choose(scripts, chain, own)
    _refuse_what_was_run(moved, chain, config)
    moves = [_move(scripts, *each) for each in _places(moved, onto)]
    if not confirm("\n".join(map(str, moves))):
        raise CommandError("not confirmed: nothing has changed")
    _make(moves)
    what = moved[0].slug if len(moved) == 1 else f"{len(moved)} revisions, from {moved[0].slug} on,"
    return f"{what} now after {onto.slug}. Next: make ledger, alembic upgrade head, make test"


def _choose(
    scripts: ScriptDirectory, chain: dict[str, Revision], own: str
) -> tuple[list[Revision], Revision]:
    """Return the revisions that move, in their order, and the revision that they come after."""
    heads = [chain[head] for head in scripts.get_heads()]
    if len(heads) != 2:
        listed = f": {_listed(heads)}" if heads else ""
        raise CommandError(f"rebase needs two heads, and here is {len(heads) or 'none'}{listed}")
    branches = [
        [chain[each] for each in chain if each in with_ancestors(head, chain) - with_ancestors(other, chain)]
        for head, other in (heads, heads[::-1])
    ]
    if own:
        script = scripts.get_revision(own)
        mine = [number for number in (0, 1) if heads[number].script is script]
        if not mine:
            raise CommandError(f"{own} is no head; the heads are {_listed(heads)}")
    else:
        mine = [number for number in (0, 1) if _in_upstream(branches[number]) == []]
        if len(mine) != 1:
            raise CommandError(
                "git does not tell which one is yours: python -m migrate rebase REV, "
                f"with one of {_listed(heads)}"
            )
    [number] = mine
    return branches[number], heads[1 - number]


def _listed(heads: Iterable[Revision]) -> str:
    return ", ".join(f"{head.id} ({head.path.name})" for head in heads)


def _in_upstream(branch: Sequence[Revision]) -> list[Revision] | None:
    """Return the revisions whose files git has upstream; None if there is no upstream."""
    folder = branch[0].path.parent
    with suppress(FileNotFoundError):
        for name in UPSTREAM:
            listed = git(folder, "ls-tree", "-z", "--name-only", name)
            if not listed.returncode:
                return [revision for revision in branch if revision.path.name in listed.stdout.split("\0")]
    return None


def _refuse_what_was_run(moved: Sequence[Revision], chain: dict[str, Revision], config: Config) -> None:
    """Refuse to move a revision that is upstream, or that this project's database has run."""
    for revision in moved:
        if len(revision.parents) != 1:
            raise CommandError(f"{revision.path.name} merges branches, and cannot move: alembic merge heads")
    if there := _in_upstream(moved):
        raise CommandError(
            f"{there[0].path.name} is upstream already, and others may have run it: alembic merge heads"
        )
    with connect(migration_engine()) as connection:
        current = versions(connection, config).get_current_heads()
        connection.rollback()
    run = {each for head in current if head in chain for each in with_ancestors(chain[head], chain)}
    if applied := [revision for revision in moved if revision.id in run]:
        raise CommandError(
            f"the database has run {applied[-1].slug}: take it back first, "
            f"alembic downgrade {applied[0].parents[0]}"
        )


def _places(moved: Sequence[Revision], onto: Revision) -> Iterable[tuple[Revision, str, datetime]]:
    """Return for each revision its new parent, and a new time that keeps the files in order."""
    now = max(datetime.now(UTC), onto.created.astimezone(UTC) + timedelta(minutes=1))
    parent = onto.id
    for number, revision in enumerate(moved):
        yield revision, parent, now + timedelta(minutes=number)
        parent = revision.id


def _move(scripts: ScriptDirectory, revision: Revision, parent: str, created: datetime) -> Move:
    before = revision.path.read_text(encoding="utf-8", errors=ERRORS)
    after = before
    for pattern, value in (
        (r"^(down_revision\b[^=\n]*= *).*$", f'"{parent}"'),
        (r"^(Revises: *).*$", parent),
        (r"^(Create Date: *).*$", str(created)),
    ):
        after = re.sub(pattern, rf"\g<1>{value}", after, count=1, flags=re.MULTILINE)
    if f'"{parent}"' not in after:
        raise CommandError(f"{revision.path.name} has no line that begins with down_revision =")
    path = revision_path(scripts, revision.path.parent, revision.id, revision.slug, created)
    return Move(revision.path, path, before, after)


def _make(moves: Sequence[Move]) -> None:
    """Write the new files, and remove the old ones: all of them, or none."""
    if taken := [move.new.name for move in moves if move.new.exists() and move.new != move.old]:
        raise CommandError(f"{taken[0]} exists: nothing has changed")
    try:
        for move in moves:
            move.new.write_text(move.after, encoding="utf-8", errors=ERRORS, newline="\n")
        for move in moves:
            if move.new != move.old:
                move.old.unlink()
    except BaseException:
        for move in moves:
            if move.new != move.old:
                move.new.unlink(missing_ok=True)
            move.old.write_text(move.before, encoding="utf-8", errors=ERRORS, newline="\n")
        raise

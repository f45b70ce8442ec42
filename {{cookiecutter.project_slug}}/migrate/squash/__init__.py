"""Squash: replace old revisions by one.

The chain runs on a scratch database. What it leaves there (schema, rows, values of sequences,
privileges) becomes one revision, which keeps the id of the last one. A database at that revision or a
later one needs nothing. A new database is built in one step.
"""

from collections.abc import Callable

from alembic.config import Config

from migrate.squash.errors import SquashError
from migrate.squash.files import commit_of, swap
from migrate.squash.plan import make_plan
from migrate.squash.proof import prove

__all__ = ["SquashError", "squash"]


def squash(
    config: Callable[[], Config],
    to: str = "head",
    *,
    dry_run: bool = False,
    say: Callable[[str], None] = print,
) -> str:
    """Replace a revision and all before it by one that is proven to build the same.

    The old files are deleted if git has them; without git they are moved aside.

    Args:
        config: returns a configuration of Alembic, with the chain.
        to: the last revision to squash.
        dry_run: change no file.
        say: called with each line about what is done.

    Returns:
        The text of the new revision.

    Raises:
        SquashError: there is nothing to squash, later revisions depend on an old one, a file is
            not committed, or the proof failed. Nothing has changed.
        CommandError: there is no such revision, the server cannot be reached, or the chain
            does not run on an empty database.
        OSError: a file cannot be written. Nothing has changed.
    """
    plan = make_plan(config(), to)
    count, last, old = len(plan.squashed), plan.last.id, [revision.path for revision in plan.squashed]
    commit = None if dry_run else commit_of(old)
    say(f"{count} revisions, up to {last}, run on a scratch database …")
    text = prove(config, plan)
    say("one revision builds the same: both were dumped and compared, and it goes down and up again")
    for line in plan.notes():
        say(f"note: {line}")
    if dry_run:
        say(f"it would be {plan.path}, {len(text.splitlines())} lines; no file was changed")
        return text
    aside = swap(old, plan.path, text, keep=commit is None)
    say(
        f"{plan.path} takes the place of {count} files, which "
        + (f"are in {aside}" if aside else f"git has in {commit}")
    )
    say(f"a database at {last} or later needs nothing; upgrade any other to {last} with the old files first")
    return text

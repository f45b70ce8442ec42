"""What `alembic revision --autogenerate` writes: revisions that can run while traffic goes on.

A revision is either transactional or wholly in an autocommit block. So the changes are split into as
many revisions as needed, in an order in which they can run, up and down.
"""

from copy import copy
from pathlib import Path
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError, rev_id

from migrate.alembic_internals import new_path
from migrate.autogenerate import keys
from migrate.autogenerate.changes import name_of
from migrate.autogenerate.comments import commented
from migrate.autogenerate.enums import AddedLabel, flat
from migrate.autogenerate.operations import AutocommitBlock, Refused, Remark
from migrate.autogenerate.order import ordered
from migrate.autogenerate.review import Review
from migrate.autogenerate.safe import (
    Operations,
    Part,
    altered,
    built_constraint,
    built_index,
    dropped_index,
    not_null,
    not_valid,
)
from migrate.autogenerate.scope import Key
from migrate.autogenerate.undo import undo


def write(migration: MigrationContext, _revision: Any, directives: list[ops.MigrationScript]) -> None:
    """Make the revisions from the differences that autogenerate found.

    It is the hook `context.configure(process_revision_directives=…)`.

    Raises:
        CommandError: there is a difference that autogenerate cannot write.
    """
    assert migration.connection is not None
    assert migration.config is not None
    [script] = directives
    if script.message is None:
        if getattr(migration.config.cmd_opts, "autogenerate", False):
            raise CommandError(
                "the revision has no name: alembic revision --autogenerate -m add_user_nickname"
            )
        return  # for alembic check, which reports the differences itself
    assert script.upgrade_ops is not None
    changes = list(flat(script.upgrade_ops))
    if not changes:
        migration.config.print_stdout("no changes: models and database agree; nothing written")
        directives.clear()
        return
    review = Review(migration.connection, changes)
    _refuse(review)
    parts = split(changes, review)
    assert migration.environment_context is not None
    known = migration.environment_context.script
    # A longer name would be cut before the part that distinguishes the files.
    longest = known.truncate_slug_length - len("_10_")
    if len(parts) > 1 and len(script.message) > longest:
        raise CommandError(f"{script.message}: the name is too long, {longest} characters are possible here")
    directives[:] = scripts(script, parts)
    _refuse_to_overwrite(known, directives)
    if len(parts) > 1:
        migration.config.print_stdout(
            f"written as {len(parts)} revisions: each is either one transaction or all outside of one"
        )


def _refuse(review: Review) -> None:
    for change in review.changes:
        if isinstance(change, Refused):
            raise CommandError(str(change))
        if table := review.taken(change):
            raise CommandError(
                f"the table {table} has an index of the name {name_of(change)}, and the models do not "
                "drop it: give the models' index another name"
            )


def _refuse_to_overwrite(known: ScriptDirectory, directives: list[ops.MigrationScript]) -> None:
    """Refuse a revision whose file is there already: Alembic would write over it."""
    files = {Path(each.path).name for each in known.walk_revisions()}
    for each in directives:
        name = new_path(known, Path(), str(each.rev_id), str(each.message)).name
        if name in files:
            raise CommandError(f"the file {name} is there already: give the revision another name")


def split(changes: Operations, review: Review) -> list[Part]:  # noqa: C901  (one case for each form)
    """Split the changes into revisions.

    Labels come first, because a default may be one of them. An index is dropped before the columns
    change, and built after it, so that its columns exist in the downgrade too. A unique constraint
    comes before that, if it can, because a new foreign key may refer to it. A foreign key that refers
    to what is built after that comes last.
    """
    labels, rest, validate, require = Part("labels"), Part(""), Part("validate"), Part("require")
    link, validate_link = Part("link"), Part("validate_link")
    waiting: list[ops.CreateForeignKeyOp] = []
    early: list[ops.CreateUniqueConstraintOp] = []
    drops: list[Part] = []
    uniques: list[Part] = []
    builds: list[Part] = []
    doubts: Operations = [change for change in changes if isinstance(change, Remark)]
    changes = [change for change in changes if change not in doubts]
    added = [change for change in changes if isinstance(change, AddedLabel)]
    if added:
        labels.add([AutocommitBlock(list(added))], [added[0].reverse()])
    for change in ordered(changes, review):
        alone = review.lives(change) and not review.partitioned(change)
        remarks: Operations = [*keys.remarks(change, review), *review.remarks(change)]
        match change:
            case ops.CreateIndexOp() if not review.lives(change):
                rest.add([plain(change)], [])  # of a new table, or a dropped one: no session waits for it
            case AddedLabel():
                pass
            case ops.DropIndexOp() if alone and not keys.served(change, review):
                drops.append(dropped_index(change, remarks, review))
            case ops.CreateIndexOp() if alone:
                builds.append(built_index(change, remarks))
            case ops.CreateIndexOp():  # PostgreSQL builds none concurrently on a partitioned table
                rest.add([*remarks, plain(change)], undo(review.connection, change))
            case ops.CreateUniqueConstraintOp() if alone and change.constraint_name:
                built = built_constraint(change, remarks, review)
                if needs_more(change, changes, review):
                    builds.append(built)
                else:
                    uniques.append(built)
                    early.append(change)
            case ops.CreateForeignKeyOp() if keys.waits(change, review):
                waiting.append(change)
            case ops.CreateForeignKeyOp() if alone:
                not_valid(change, rest, validate, review)
            case ops.CreateCheckConstraintOp() if review.lives(change):
                not_valid(change, rest, validate, review)
            case ops.AlterColumnOp(modify_nullable=False) if review.lives(change):
                not_null(change, rest, validate, require, review)
            case ops.AlterColumnOp():
                altered(change, rest, review)
            case _:
                back = undo(review.connection, change, without=[name for _, name in review.held])
                rest.add([*remarks, change], [*review.remarks_on_downgrade(change), *back])
    for key in waiting:
        at_once = not builds or any(keys.refers(key, unique) for unique in early)
        linked(key, *((rest, validate) if at_once else (link, validate_link)), review)
    if not rest.steps:
        drops, builds = replaced(drops, builds, review)
    every = labels, *drops, *uniques, rest, validate, require, *builds, link, validate_link
    parts = [part for part in every if part.steps] or [rest]
    parts[0].steps.insert(0, (doubts, []))
    for part in parts:
        part.steps = [
            (list(commented(up, review.connection)), list(commented(down, review.connection)))
            for up, down in part.steps
        ]
    return parts


def linked(key: ops.CreateForeignKeyOp, link: Part, validate: Part, review: Review) -> None:
    """Add a foreign key after what it refers to."""
    if review.lives(key) and not review.partitioned(key):
        not_valid(key, link, validate, review)
    else:
        link.add([*review.remarks(key), key], [key.reverse()])


def plain(index: ops.CreateIndexOp) -> ops.CreateIndexOp:
    """Return an index of a new or partitioned table, to be built without CONCURRENTLY."""
    index.kw.pop("postgresql_concurrently", None)
    return index


def needs_more(unique: ops.CreateUniqueConstraintOp, changes: Operations, review: Review) -> bool:
    """Return whether a unique constraint must come after another change to its table."""
    for change in changes:
        if not review.same_table(change, unique):
            continue
        if isinstance(change, ops.AddColumnOp):
            if change.column.name in unique.columns:
                return True
        elif isinstance(change, ops.DropConstraintOp) and change.constraint_name == unique.constraint_name:
            return True
    return False


def scripts(script: ops.MigrationScript, parts: list[Part]) -> list[ops.MigrationScript]:
    """Return a script for each part, each after the one before."""
    written: list[ops.MigrationScript] = []
    for number, part in enumerate(parts, 1):
        one = copy(script)
        if len(parts) > 1 and (number > 1 or part.name):
            # The files sort in the order in which they run.
            place = f"{number:0{len(str(len(parts)))}}"
            one.message = f"{script.message}_{place}" + f": {part.name}" * bool(part.name)
        one.upgrade_ops = ops.UpgradeOps(part.upgrade)
        one.downgrade_ops = ops.DowngradeOps(part.downgrade)
        if written:
            one.rev_id, one.head, one.splice = rev_id(), written[-1].rev_id, False
            one.branch_label = one.depends_on = None
        written.append(one)
    return written


def replaced(drops: list[Part], builds: list[Part], review: Review) -> tuple[list[Part], list[Part]]:
    """Join the drop and the build of an index in one revision, if no other change is between them."""

    def key(part: Part) -> Key:
        schema, name = part.index
        return schema or review.default, name

    dropped = {key(part): part for part in drops}
    for part in builds:
        if old := dropped.pop(key(part), None):
            remarks: Operations = [op for op in old.upgrade if isinstance(op, Remark)]
            part.steps = [([*remarks, *part.upgrade], old.downgrade)]
    return list(dropped.values()), builds

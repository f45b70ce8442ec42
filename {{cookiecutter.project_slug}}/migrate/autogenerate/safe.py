"""The safe forms of a change to a table that is in use, as the scenarios have them."""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field

from alembic.operations import ops
from sqlalchemy.sql.elements import conv

from migrate.autogenerate.changes import table_of
from migrate.autogenerate.operations import AutocommitBlock, Nothing, Rank, Remark, Statement
from migrate.autogenerate.retype import form
from migrate.autogenerate.review import SAME_VALUES, Review
from migrate.autogenerate.scenarios import scenario
from migrate.autogenerate.scope import Key
from migrate.autogenerate.trial import plain, quoted
from migrate.autogenerate.undo import rebuilt, undo

Operations = list[ops.MigrateOperation]

# How to repair rows that break a constraint, by the operation that adds it.
REPAIR = {
    ops.CreateForeignKeyOp: "repair orphans",
    ops.CreateCheckConstraintOp: "repair values",
    ops.AlterColumnOp: "fill a column",
}


@dataclass
class Part:
    """The part of the changes that becomes one revision.

    Attributes:
        name: what is added to the user's name; empty for the revision that has just that name.
        index: the schema and name of its index, if it is about an index.
        steps: the operations of the upgrade, each with those that undo it.
    """

    name: str
    index: Key = (None, "")
    steps: list[tuple[Operations, Operations]] = field(default_factory=list)

    def add(self, upgrade: Operations, downgrade: Operations) -> None:
        """Add a step."""
        self.steps.append((upgrade, downgrade))

    @property
    def upgrade(self) -> Operations:
        return body(op for up, _ in self.steps for op in up)

    @property
    def downgrade(self) -> Operations:
        return body(op for _, down in reversed(self.steps) for op in down)


def body(operations: Iterable[ops.MigrateOperation]) -> Operations:
    """Return operations that are the body of a function: more than remarks."""
    found = list(operations)
    return found if any(not isinstance(op, Remark) for op in found) else [*found, Nothing()]


def drop(index: ops.CreateIndexOp | ops.DropIndexOp) -> ops.DropIndexOp:
    """Return the operation that drops an index, or the INVALID index that a failed build left."""
    assert index.index_name
    return ops.DropIndexOp(
        index.index_name,
        index.table_name,
        schema=index.schema,
        if_exists=True,
        postgresql_concurrently=True,
    )


def build(index: ops.CreateIndexOp) -> AutocommitBlock:
    """Return the operations that build an index concurrently, safe to run again after any failure."""
    concurrently = copy(index)
    concurrently.kw = {**index.kw, "postgresql_concurrently": True}
    return AutocommitBlock([drop(index), concurrently])


def dropped_index(index: ops.DropIndexOp, remarks: Operations, review: Review) -> Part:
    part = Part(f"drop_{index.index_name}", (index.schema, str(index.index_name)))
    back = rebuilt(review.connection, index, concurrently=True)
    unique = any("CREATE UNIQUE INDEX" in str(getattr(op, "sql", "")) for op in back)
    again = [*[SAME_VALUES] * unique, AutocommitBlock([drop(index), *back])]
    part.add([*remarks, AutocommitBlock([drop(index)])], again)
    return part


def built_index(index: ops.CreateIndexOp, remarks: Operations) -> Part:
    part = Part(str(index.index_name), (index.schema, str(index.index_name)))
    part.add([*remarks, build(index)], [AutocommitBlock([drop(index)])])
    return part


def built_constraint(unique: ops.CreateUniqueConstraintOp, remarks: Operations, review: Review) -> Part:
    """Build the index of a unique constraint concurrently, then attach it."""
    assert isinstance(unique.constraint_name, str)
    name = str(unique.constraint_name)
    keywords = {key: value for key, value in unique.kw.items() if key.startswith("postgresql_")}
    index = ops.CreateIndexOp(
        unique.constraint_name,
        unique.table_name,
        unique.columns,
        schema=unique.schema,
        unique=True,
        **keywords,
    )
    constraint = ops.DropConstraintOp(
        unique.constraint_name, unique.table_name, "unique", schema=unique.schema, if_exists=True
    )
    block = build(index)
    attach = f"ADD CONSTRAINT {quoted(review.connection, None, name)} UNIQUE USING INDEX"
    timing = " DEFERRABLE" if unique.kw.get("deferrable") else ""
    timing += f" INITIALLY {unique.kw['initially']}" if unique.kw.get("initially") else ""
    block.operations.insert(0, constraint)
    attached = alter(unique, f"{attach} {quoted(review.connection, None, name)}{timing}", review)
    attached.info.update(unique.info)
    block.operations.append(attached)
    part = Part(name, (unique.schema, name))
    part.add([*remarks, block], [unique.reverse()])
    return part


def not_valid(
    constraint: ops.CreateForeignKeyOp | ops.CreateCheckConstraintOp,
    rest: Part,
    validate: Part,
    review: Review,
) -> None:
    """Add a constraint for new rows, and in a second revision validate it for the others."""
    back = constraint.reverse()
    if constraint.kw.get("postgresql_not_valid"):  # the models want it so
        rest.add([constraint], [back])
        return
    constraint.kw["postgresql_not_valid"] = True
    rest.add([constraint], [back])
    # PostgreSQL cannot undo VALIDATE: drop the constraint, and add it again.
    validate.add(validated(constraint, constraint, review), [back, constraint])


def altered(change: ops.AlterColumnOp, rest: Part, review: Review) -> None:
    """Change a column, in the form that the server accepts."""
    back = undo(review.connection, change)
    if change.modify_type is None:
        rest.add([change], back)
        return
    needed = [op.sql for op in review.changes if isinstance(op, Statement) and op.rank == Rank.PREPARE]
    dropped = {
        str(getattr(op, "index_name", None) or getattr(op, "constraint_name", None))
        for op in review.changes
        if isinstance(op, ops.DropIndexOp | ops.DropConstraintOp) and review.same_table(op, change)
    }
    how = form(review.connection, change, needed, dropped)
    up: Operations = [*review.altered_type(change, how)]
    others = copy(change)
    if how and (how.using or "DEFAULT" in how.actions):
        up.append(alter(change, how.actions, review))
        others.modify_type = None
        if "DEFAULT" in how.actions:
            others.modify_server_default = False
    if others.has_changes():
        up.append(others)
    if how:
        rest_of_it = copy(change)
        rest_of_it.modify_type, rest_of_it.modify_server_default = None, False
        back = [*review.restored_type(change, how), alter(change, how.back, review)]
        if rest_of_it.has_changes():
            back.append(rest_of_it.reverse())
    rest.add(up, back)


def not_null(change: ops.AlterColumnOp, rest: Part, validate: Part, require: Part, review: Review) -> None:
    """Add NOT NULL by way of a validated CHECK, so that SET NOT NULL needs no scan under its lock.

    SET NOT NULL is in a third revision: after VALIDATE in one transaction, each try for its lock would scan
    the table again.
    """
    others = copy(change)
    others.modify_nullable = None
    if others.has_changes():
        altered(others, rest, review)
    column = quoted(review.connection, None, change.column_name)
    name = conv(f"ck_{change.table_name}_{change.column_name}_not_null"[:63])
    check = ops.CreateCheckConstraintOp(
        name,
        change.table_name,
        plain(f"{column} IS NOT NULL"),
        schema=change.schema,
        postgresql_not_valid=True,
    )
    uncheck = ops.DropConstraintOp(name, change.table_name, "check", schema=change.schema)
    required = ops.AlterColumnOp(
        change.table_name,
        change.column_name,
        schema=change.schema,
        existing_type=change.modify_type or change.existing_type,
        existing_nullable=True,
        modify_nullable=False,
    )
    rest.add([check], [uncheck])
    remark, valid = validated(check, change, review)
    validate.add([remark, valid], [uncheck, check])
    require.add([required, uncheck], [check, valid, required.reverse()])


def validated(
    constraint: ops.CreateForeignKeyOp | ops.CreateCheckConstraintOp,
    change: ops.MigrateOperation,
    review: Review,
) -> Operations:
    """Return the operations that validate a constraint, with a remark about rows that break it."""
    name = quoted(review.connection, None, str(constraint.constraint_name))
    remark = Remark(
        f"fails if rows break {constraint.constraint_name}: repair them in a revision before this one: "
        f"{scenario(REPAIR[type(change)])}."
    )
    return [remark, alter(constraint, f"VALIDATE CONSTRAINT {name}", review)]


def alter(op: ops.MigrateOperation, action: str, review: Review) -> Statement:
    return Statement(f"ALTER TABLE {quoted(review.connection, *table_of(op))} {action}")

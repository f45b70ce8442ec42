"""Operations of a revision besides Alembic's own, and how they are written."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op, renderers
from alembic.operations import ops

WIDTH = 100
ADDED = "added constraint"  # where the `info` of an operation has the constraint that it adds


class Rank(IntEnum):
    """The order of the operations in a revision. Its downgrade undoes them in the opposite order."""

    PREPARE = auto()
    CREATE_TABLE = auto()
    DROP_CONSTRAINT = auto()
    DROP_GENERATED = auto()
    SOURCE_OF_NARROWED = auto()  # what its sequence gets must fit the type that it has on either way
    ALTER_COLUMN = auto()
    SOURCE = auto()
    ADD_COLUMN = auto()
    DROP_COLUMN = auto()
    ADD_CONSTRAINT = auto()
    DROP_TABLE = auto()
    DROP_TYPE = auto()


class Statement(ops.ExecuteSQLOp):
    """A statement, and the statements that undo it."""

    def __init__(self, sql: str, *undo: str, remark: str = "", rank: Rank = Rank.PREPARE) -> None:
        """Keep both.

        Args:
            sql: the statement.
            undo: the statements of the downgrade.
            remark: what the reviewer must know.
            rank: its place in the order.
        """
        super().__init__(sql)
        self.undo, self.remark, self.rank = undo, remark, rank

    @property
    def sql(self) -> str:
        return str(self.sqltext)

    def reverse(self) -> "Statement":
        return Statement("; ".join(self.undo), self.sql)


def several(up: list[str], down: list[str], rank: Rank) -> list[Statement]:
    """Return statements that run one after the other; other statements undo all of them together."""
    *first, last = up
    return [*(Statement(sql, rank=rank) for sql in first), Statement(last, *down, rank=rank)]


@dataclass
class Refused(ops.MigrateOperation):
    """A difference that autogenerate cannot write.

    Attributes:
        why: the difference, and what to do, in one line.
    """

    why: str

    def __str__(self) -> str:
        return self.why

    def reverse(self) -> "Refused":
        return self

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("refused", self.why)


@dataclass
class Remark(ops.MigrateOperation):
    """A comment for the reviewer of the revision.

    Attributes:
        text: what to check.
        instead: a line of code to use instead of the lines that follow.
    """

    text: str
    instead: str = ""

    def reverse(self) -> "Remark":
        return self

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("remark", self.text)


class Nothing(ops.MigrateOperation):
    """The body of a function that does nothing."""


@dataclass
class AutocommitBlock(ops.MigrateOperation):
    """Operations that run outside of a transaction, each on its own."""

    operations: list[ops.MigrateOperation] = field(default_factory=list)


@renderers.dispatch_for(Statement)
def _render_statement(_context: AutogenContext, statement: Statement) -> str:
    # SQLAlchemy would take a colon before a word for a bound value.
    sql = str(statement.sqltext).replace(":", r"\:")
    lines = textwrap.wrap(
        sql, WIDTH, drop_whitespace=False, break_long_words=False, break_on_hyphens=False, expand_tabs=False,
        replace_whitespace=False,
    )  # fmt: skip
    return f"op.execute({' '.join(map(repr, lines))})"


@renderers.dispatch_for(Refused)
def _render_refused(context: AutogenContext, refused: Refused) -> list[str]:
    return render_op(context, Remark(refused.why))


@renderers.dispatch_for(Remark)
def _render_remark(_context: AutogenContext, remark: Remark) -> list[str]:
    lines = textwrap.wrap(f"REVIEW: {remark.text}", WIDTH, break_on_hyphens=False)
    return [f"# {line}" for line in lines] + [f"#     {remark.instead}"] * bool(remark.instead)


@renderers.dispatch_for(Nothing)
def _render_nothing(_context: AutogenContext, _nothing: Nothing) -> str:
    return "pass"


@renderers.dispatch_for(AutocommitBlock)
def _render_block(context: AutogenContext, block: AutocommitBlock) -> Iterable[str]:
    lines = [line for operation in block.operations for line in render_op(context, operation)]
    # The empty line ends the block.
    return ["with op.get_context().autocommit_block():", *lines, ""]

"""The plan for a table's rows, and the SQL that makes them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from migrate.sample.catalogue import Key, Table
from migrate.sample.server import Refusal, attempt
from migrate.sample.values import Guess, Values

# If a table has more rows than these, only the first ones become parents.
PARENTS = 1_000_000


@dataclass
class Choice:
    """How a foreign key chooses among its parents.

    Attributes:
        key: the key.
        columns: the columns that it fills; its other columns have their value already.
        parents: how many parents there are.
        place: a number that differs for each key of the table, so that two keys to one table differ.
        number: SQL for a number that takes the parents in turn; None: the first get most of the rows.
        nullable: a row may have no parent.
        gaps: some rows have none.
    """

    key: Key
    columns: tuple[str, ...]
    parents: int
    place: int
    number: str | None = None
    nullable: bool = False
    gaps: bool = False

    @property
    def shared(self) -> bool:
        """Whether it may choose only parents that agree with values that the row has already."""
        return self.columns != self.key.columns

    def index(self, count: str) -> str:
        """Return SQL for the number of the parent, from 1 to `count`, of a row `n`."""
        if self.number:
            index = f"1 + ({self.number} - 1) % {count}"
        else:
            chance = "power((n * 2654435761 % 4294967296) / 4294967296.0::float8, 3)"
            index = f"1 + (floor({count} * {chance})::bigint + {self.place}) % {count}"
        return f"CASE WHEN n % 10 <> {self.place % 10} THEN {index} END" if self.gaps else index


@dataclass
class Plan:
    """How to fill a table.

    Attributes:
        table: the table.
        rows: how many rows there can be.
        columns: SQL for each column that gets a value, except those of `choices`.
        numbers: SQL for the number in a column's SQL, if it is not `n`.
        choices: how the foreign keys choose their parents.
        late: foreign keys whose parents get their rows later.
        conditions: the conditions that can be checked before a row is inserted.
        filtered: whether some rows do not satisfy them.
        problem: the constraints that no row satisfies.
    """

    table: Table
    rows: int
    columns: dict[str, Guess] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    choices: list[Choice] = field(default_factory=list)
    late: list[Key] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    filtered: bool = False
    problem: str = ""


def all_of(conditions: Iterable[str]) -> str:
    """Return SQL that is true if no condition is false."""
    return " AND ".join(f"({condition}) IS NOT FALSE" for condition in conditions) or "true"


def rows_of(plan: Plan, values: Values, source: str, given: Mapping[str, str] | None = None) -> str:
    """Return SQL after FROM that gives the plan's columns, one row for each `n` of a source.

    Args:
        plan: how to fill the table.
        values: the values of the types.
        source: SQL after FROM, with a column `n`.
        given: SQL over the source for further columns.
    """
    columns = {name: guess.at(plan.numbers.get(name, "n")) for name, guess in plan.columns.items()}
    derived = {name: columns[name] for name, guess in plan.columns.items() if guess.over is not None}
    for name in derived:
        columns[name] = (plan.columns[name].over or "").replace("{n}", plan.numbers.get(name, "n"))
    columns.update(given or {})
    names = {name: plan.table.columns[name].sql for name in columns}

    def cast(name: str, sql: str) -> str:
        return f"CAST({sql} AS {values.cast(plan.table.columns[name])}) AS {names[name]}"

    found = f"(SELECT {', '.join(cast(name, sql) for name, sql in columns.items())} FROM {source}) AS r"
    if derived:
        outer = (cast(name, derived[name]) if name in derived else names[name] for name in names)
        found = f"(SELECT {', '.join(outer)} FROM {found}) AS r"
    return found


def with_parents(
    source: str, choices: Sequence[Choice], known: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    """Return a source with the parents of each row, and SQL for the columns that refer to them.

    Args:
        source: SQL after FROM, with a column `n`.
        choices: how the foreign keys choose.
        known: SQL for columns that have their value already.
    """
    found = dict(known)
    for i, choice in enumerate(choices):
        key, join = choice.key, "LEFT JOIN" if choice.nullable else "JOIN"
        # With names of our own: a parent's column may be called n.
        own = [f"c{place}" for place in range(len(key.columns))]
        names = ", ".join(own)
        renamed = ", ".join(f"{name} AS {c}" for name, c in zip(key.parent_columns, own, strict=True))
        there = " AND ".join(f"{name} IS NOT NULL" for name in key.parent_columns)
        parents = (
            f"(SELECT {renamed} FROM {key.parent_sql} WHERE {there} ORDER BY {names} LIMIT {PARENTS}) AS p"
        )
        settled = [
            (c, found[name]) for name, c in zip(key.columns, own, strict=True) if name not in choice.columns
        ]
        group = ", ".join(c for c, _ in settled)
        over, count = f"ORDER BY {names}", str(choice.parents)
        if settled:
            source += (
                f" {join} (SELECT {group}, count(*) AS size FROM {parents} GROUP BY {group}) AS q{i} ON "
            )
            source += " AND ".join(f"q{i}.{c} = {sql}" for c, sql in settled)
            over, count = f"PARTITION BY {group} {over}", f"q{i}.size"
        source += f" {join} (SELECT {names}, row_number() OVER ({over}) AS place FROM {parents}) AS p{i} ON "
        source += "".join(f"p{i}.{c} = {sql} AND " for c, sql in settled)
        source += f"p{i}.place = {choice.index(count)}"
        found.update(
            (name, f"p{i}.{c}") for name, c in zip(key.columns, own, strict=True) if name in choice.columns
        )
    return source, {name: sql for name, sql in found.items() if name not in known}


def measured(connection: Connection, sources: Sequence[str], measure: str) -> list[float]:
    """Return a number for each source; 0 for one that the server refuses.

    Args:
        connection: the database.
        sources: SQL after FROM, each.
        measure: an aggregate over a source.
    """
    if not sources:
        return []
    selects = (f"SELECT {i} AS i, ({measure})::float8 AS m FROM {each}" for i, each in enumerate(sources))
    found = attempt(connection, " UNION ALL ".join(selects) + " ORDER BY i")
    if not isinstance(found, int | Refusal):
        return [row.m or 0 for row in found]
    if len(sources) == 1:
        return [0]
    half = len(sources) // 2
    return [*measured(connection, sources[:half], measure), *measured(connection, sources[half:], measure)]

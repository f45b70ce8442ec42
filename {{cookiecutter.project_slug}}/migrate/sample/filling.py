"""Fill the tables with sample rows, parents before children."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from psycopg import Error, sql
from psycopg.types.json import Json
from sqlalchemy import Connection

from migrate.sample import catalogue
from migrate.sample.catalogue import Check, Key, Table, parts
from migrate.sample.described import Described, read
from migrate.sample.indexes import WORTH, UnbuiltError, build, take_down
from migrate.sample.plan import PARENTS, Choice, Plan, all_of, rows_of, with_parents
from migrate.sample.planner import NULL, Planner, UnfillableError
from migrate.sample.server import Refusal, attempt, literal, query, quoted

# If a table has more partitions than these, only the first ones get rows.
PARTITIONS = 200
# A table that refers to itself gets its rows up to these shares: each part has its parents before it.
GENERATIONS = (0.1, 0.4, 1.0)
# If only some rows satisfy the conditions, so many times more are made.
SPARE = 4

ADVICE = "give SQL for its columns in models/sample.py"
UNIQUE, CHECK, FOREIGN_KEY = ("23505", "23P01"), "23514", "23503"


class Filled(dict[str, int]):
    """How many rows were inserted, by table; in `failed`, why a table got none, in one line.

    A table in the first schema of the search path has its plain name, another one "schema.name".
    """

    def __init__(self) -> None:
        super().__init__()
        self.failed: dict[str, str] = {}


class _RefusedLaterError(Exception):
    """The server refused a deferred check. `args`: the table, and why."""


def fill(connection: Connection, rows: int, described: Mapping[str, Described] | None = None) -> Filled:
    """Fill every empty table; the others keep their rows.

    Args:
        connection: its transaction stays open, and the caller commits it.
        rows: how many rows each table gets; models/sample.py may give a table more or fewer.
        described: descriptions of the tables, instead of those of models/sample.py.

    Raises:
        SampleError: models/sample.py has an error.
    """
    tables = catalogue.read(connection)
    empty = _empty(connection, tables.tables.values())
    if not empty:
        return Filled()
    described = read() if described is None else described
    hopeless: dict[int, str] = {}
    afterwards = True
    while True:
        filling = _Filling(connection, tables, empty, rows, described, hopeless)
        try:
            with connection.begin_nested():
                return filling.run(indexes_afterwards=afterwards)
        except _RefusedLaterError as error:
            table, reason = error.args
            hopeless[table] = reason
        except UnbuiltError:
            afterwards = False


def _empty(connection: Connection, tables: Iterable[Table]) -> list[Table]:
    readable = [table for table in tables if table.readable]
    selects = [
        # If other tables inherit from a table, only its own rows count.
        f"SELECT {table.oid} AS oid WHERE NOT EXISTS "
        f"(SELECT FROM {'' if table.partitioned else 'ONLY'} {table.sql})"
        for table in readable
    ]
    found = {row.oid for row in query(connection, " UNION ALL ".join(selects))} if selects else set()
    return [table for table in readable if table.oid in found]


class _Filling:
    """One run that fills the empty tables."""

    def __init__(
        self,
        connection: Connection,
        tables: catalogue.Catalogue,
        empty: list[Table],
        rows: int,
        described: Mapping[str, Described],
        hopeless: Mapping[int, str],
    ) -> None:
        self._connection, self._rows, self._described = connection, rows, described
        self._planner = Planner(connection, tables)
        self._waiting = {table.oid: table for table in empty}
        self._hopeless = hopeless
        self._parents: dict[tuple[str, tuple[str, ...]], int] = {}
        self._plans: dict[int, Plan] = {}
        self._filled = Filled()

    def run(self, *, indexes_afterwards: bool) -> Filled:
        """Fill the tables.

        Args:
            indexes_afterwards: build plain indexes of large tables after the rows.

        Raises:
            UnbuiltError: an index cannot be built afterwards.
        """
        large = [table.oid for table in self._waiting.values() if self._count(table) >= WORTH]
        indexes = take_down(self._connection, large) if indexes_afterwards else []
        while self._waiting:
            table = self._waiting.pop(self._next())
            self._fill(table)
        for plan in self._plans.values():
            for key in plan.late:
                self._refer(plan, key)
        build(self._connection, indexes)
        for plan in self._plans.values():
            self._put_awkward_rows(plan)
        names = [plan.table.sql for plan in self._plans.values() if plan.table.label in self._filled]
        if names:
            query(self._connection, f"ANALYZE {', '.join(names)}")
        return self._filled

    # The order of the tables.

    def _next(self) -> int:
        """Return the next table: all its parents have rows, or else it can get its foreign keys later."""
        blocked = {
            oid: {key.parent for key in table.keys if key.parent in self._waiting} - {oid}
            for oid, table in self._waiting.items()
        }
        for oid, parents in blocked.items():
            if not parents:
                return oid
        in_circles = [oid for oid in blocked if oid in _reachable(blocked, oid)]
        return min(in_circles, key=lambda oid: self._cost(self._waiting[oid]))

    def _cost(self, table: Table) -> tuple[int, int, str]:
        keys = [key for key in table.keys if key.parent in self._waiting and key.parent != table.oid]
        strict = [key for key in keys if not any(self._nullable(table, name) for name in key.columns)]
        return sum(not key.deferrable for key in strict), len(strict), table.label

    def _nullable(self, table: Table, name: str) -> bool:
        return self._planner.values.nullable(table.columns[name])

    # One table.

    def _says(self, table: Table) -> Described:
        nothing = Described()
        says = self._described.get(f"{table.schema}.{table.name}", nothing)
        return self._described.get(table.name, says) if table.in_path and says is nothing else says

    def _count(self, table: Table) -> int:
        """Return how many rows the table will get, without the awkward ones."""
        return max(1, round(self._rows * self._says(table).share))

    def _fill(self, table: Table) -> None:
        says = self._says(table)
        if says.share == 0:
            return
        problem = self._hopeless.get(table.oid) or (
            "" if table.writable else "this role may not insert into it"
        )
        if not problem:
            try:
                problem = self._insert_all(table, says, self._count(table))
            except UnfillableError as error:
                problem = str(error)
        if problem:
            self._filled.failed[table.label] = problem
            self._plans.setdefault(table.oid, Plan(table, 0))

    def _insert_all(self, table: Table, says: Described, count: int) -> str:
        """Insert the rows, part by part. Return why there are none; empty if there are some."""
        inserted, problem = 0, ""
        for partition, low, high in self._parts(table, says, count):
            size = (high - low + 1, count, self._counts(table))
            plan = self._planner.plan(table, says, *size, partition)
            outcome = self._insert(plan, low, high)
            if isinstance(outcome, Refusal) and (again := self._otherwise(plan, says, outcome, partition)):
                plan = self._planner.plan(table, again[0], *size, again[1])
                outcome = self._insert(plan, low, high)
            if isinstance(outcome, int) and outcome:
                inserted += outcome
                self._plans[table.oid] = plan
            else:
                problem = problem or self._why(plan, outcome)
        self._plans.setdefault(table.oid, plan)
        if not inserted:  # a trigger of another table may have inserted rows already
            [[inserted]] = query(self._connection, f"SELECT count(*) FROM {table.sql}")
        if not inserted:
            return f"{problem or 'the server takes none of its rows'}; {ADVICE}"
        self._filled[table.label] = inserted
        self._parents = {known: count for known, count in self._parents.items() if known[0] != table.sql}
        self._renumber(table, self._plans[table.oid].columns)
        return ""

    def _parts(self, table: Table, says: Described, count: int) -> Iterator[tuple[Check | None, int, int]]:
        """Yield parts of the rows: the condition for a part's rows, its first number and its last."""
        partitions: list[Check | None] = [None]
        columns = frozenset[str]().union(*(each.columns for each in table.partitions))
        if not columns & {name for name, sql in says.columns.items() if sql is not None}:
            partitions = list(_bounds(table)) or [None]
        itself = any(key.parent == table.oid and not says.columns.keys() & key.columns for key in table.keys)
        count = max(count, len(partitions))
        for number, partition in enumerate(partitions):
            start, end = number * count // len(partitions), (number + 1) * count // len(partitions)
            low = start
            for share in GENERATIONS if itself else GENERATIONS[-1:]:
                high = max(low + 1, start + round((end - start) * share))
                if low < end:
                    yield partition, low + 1, high
                low = high

    def _counts(self, table: Table) -> dict[str, int | None]:
        """Return how many parents each foreign key has; None if they get their rows later."""
        return {
            key.name: None
            if key.parent in self._waiting
            else self._count_parents(key, anew=key.parent == table.oid)
            for key in table.keys
        }

    def _count_parents(self, key: Key, *, anew: bool = False) -> int:
        known = (key.parent_sql, key.parent_columns)
        if anew or known not in self._parents:
            there = " AND ".join(f"{name} IS NOT NULL" for name in key.parent_columns)
            sql = f"SELECT count(*) FROM (SELECT FROM {key.parent_sql} WHERE {there} LIMIT {PARENTS}) AS p"
            found = attempt(self._connection, sql)
            self._parents[known] = 0 if isinstance(found, int | Refusal) else found[0][0]
        return self._parents[known]

    def _insert(self, plan: Plan, low: int, high: int) -> int | Refusal:
        """Insert rows; leave out duplicates, and rows that do not satisfy a condition."""
        for key in plan.late:
            if key.deferrable and not any(plan.columns.get(name) == NULL for name in key.columns):
                query(self._connection, f"SET CONSTRAINTS {_constraint(plan, key)} DEFERRED")
        high = min(high, low + plan.rows - 1)
        conflicts, filtered = False, plan.filtered
        deferrable = any(unique.deferrable for unique in plan.table.uniques)
        while True:
            outcome = attempt(self._connection, self._statement(plan, low, high, conflicts, filtered))
            if isinstance(outcome, Refusal) and outcome.code in UNIQUE and not (conflicts or deferrable):
                conflicts = True
            elif isinstance(outcome, Refusal) and outcome.code == CHECK and not filtered and plan.conditions:
                filtered = True
            else:
                return outcome if isinstance(outcome, int | Refusal) else 0

    def _statement(self, plan: Plan, low: int, high: int, conflicts: bool, filtered: bool) -> str:
        last = low + (high - low + 1) * SPARE - 1 if filtered else high
        source, given = self._source(plan, f"generate_series({low}::bigint, {last}) AS n")
        counted = any(
            column.numbered and name not in plan.columns for name, column in plan.table.columns.items()
        )
        if plan.choices and (counted or plan.late or conflicts or filtered):
            source += " ORDER BY n"  # so that the same rows are taken and numbered every time
        names = [plan.table.columns[name].sql for name in (*plan.columns, *given)]
        columns = f" ({', '.join(names)})" if names else ""
        statement = (
            f"INSERT INTO {plan.table.sql}{columns} OVERRIDING SYSTEM VALUE "
            f"SELECT {', '.join(names)} FROM {rows_of(plan, self._planner.values, source, given)}"
        )
        if filtered:
            statement += f" WHERE {all_of(plan.conditions)} LIMIT {high - low + 1}"
        return statement + (" ON CONFLICT DO NOTHING" if conflicts else "")

    def _source(self, plan: Plan, numbers: str) -> tuple[str, dict[str, str]]:
        """Return a source of numbers with the parents of each row, and SQL for the foreign keys."""
        values, columns = self._planner.values, plan.table.columns
        known = {
            name: f"CAST({guess.at(plan.numbers.get(name, 'n'))} AS {values.cast(columns[name])})"
            for name, guess in plan.columns.items()
            if guess.over is None
        }
        return with_parents(numbers, plan.choices, known)

    def _otherwise(
        self, plan: Plan, says: Described, refusal: Refusal, partition: Check | None
    ) -> tuple[Described, Check | None] | None:
        """Return what to try next after a refusal; None if there is nothing."""
        keys = [
            key for key in plan.table.keys if key.name == refusal.constraint and refusal.code == FOREIGN_KEY
        ]
        if described := {name for key in keys for name in key.columns if name in says.columns}:
            kept = {name: sql for name, sql in says.columns.items() if name not in described}
            return replace(says, columns=kept), partition
        if refusal.code == CHECK and not refusal.constraint and plan.table.partitions:
            anywhere = " OR ".join(f"({each.sql})" for each in plan.table.partitions)
            bounds = f"({partition.sql}) AND ({anywhere})" if partition else anywhere
            return says, Check("", bounds, plan.table.mentioned(bounds))
        return None

    def _why(self, plan: Plan, outcome: int | Refusal) -> str:
        if isinstance(outcome, Refusal):
            checks = [check.sql for check in plan.table.checks if check.name == outcome.constraint]
            return f"{outcome.reason} {checks[0]}" if checks else outcome.reason
        return f"no value that was tried fits {plan.problem}" if plan.problem else ""

    def _renumber(self, table: Table, written: Container[str]) -> None:
        """Set each sequence after the highest value that was inserted."""
        for name, column in table.columns.items():
            if column.numbered and name in written:
                sequence = f"pg_get_serial_sequence({literal(table.sql)}, {literal(name)})"
                last = f"(SELECT max({column.sql}) FROM {table.sql})"
                attempt(self._connection, f"SELECT setval({sequence}, {last})")

    # After the tables are filled.

    def _refer(self, plan: Plan, key: Key) -> None:
        """Set foreign keys to parents that were inserted later."""
        table, parents = plan.table, self._count_parents(key, anew=True)
        nullable = tuple(name for name in key.columns if plan.columns.get(name) == NULL)
        columns = nullable or tuple(name for name in key.columns if name in plan.columns)
        outcome: Any = Refusal("", f'foreign key "{key.name}" needs rows of {key.parent_sql}, which has none')
        if parents and columns:
            unique = any(
                table.mentioned(sql).intersection(columns) for u in table.uniques for sql in u.elements
            )
            choice = Choice(key, columns, parents, 0, number="n" if unique else None)
            known = {name: f"n.{table.columns[name].sql}" for name in key.columns if name not in columns}
            numbered = (
                "(SELECT row_number() OVER (ORDER BY ctid) AS row_number, tableoid AS in_table, ctid AS at"
                f"{''.join(f', {table.columns[name].sql}' for name in known)} FROM {table.sql}) AS n"
            )
            source, found = with_parents(
                f"(SELECT n.*, n.row_number AS n FROM {numbered}) AS n", [choice], known
            )
            sets = ", ".join(f"{table.columns[name].sql} = {found[name]}" for name in columns)
            enough = f" AND n.n <= {parents}" if unique else ""
            outcome = attempt(
                self._connection,
                f"UPDATE {table.sql} AS t SET {sets} FROM {source} "
                f"WHERE t.tableoid = n.in_table AND t.ctid = n.at{enough}",
            )
        if not nullable:
            if not isinstance(outcome, Refusal):
                outcome = attempt(self._connection, f"SET CONSTRAINTS {_constraint(plan, key)} IMMEDIATE")
            if isinstance(outcome, Refusal):
                raise _RefusedLaterError(table.oid, outcome.reason)

    def _put_awkward_rows(self, plan: Plan) -> None:
        """Insert the awkward rows that the schema takes. Make up values only for other required columns."""
        table, says = plan.table, self._says(plan.table)
        start = self._count(table) + 1
        for number, row in enumerate(says.awkward, start):
            given = {
                name: row[name] for name in row if name in table.columns and not table.columns[name].generated
            }
            needed = [
                name
                for name, column in table.columns.items()
                if name not in given
                and not (column.expression or column.identity or self._planner.values.nullable(column))
            ]
            source, parents = self._source(plan, f"generate_series({number}::bigint, {number}) AS n")
            if not set(needed) <= plan.columns.keys() | parents.keys():
                continue
            try:
                written = [self._literal(value, table, name) for name, value in given.items()]
            except Error:  # a value itself is not possible
                continue
            names = [table.columns[name].sql for name in (*given, *needed)]
            values = [*written, *(table.columns[name].sql for name in needed)]
            made_up = f" FROM {rows_of(plan, self._planner.values, source, parents)}" if needed else ""
            outcome = attempt(
                self._connection,
                f"INSERT INTO {table.sql} ({', '.join(names)}) OVERRIDING SYSTEM VALUE "
                f"SELECT {', '.join(values)}{made_up}",
            )
            if isinstance(outcome, int):
                self._filled[table.label] = self._filled.get(table.label, 0) + outcome
        self._renumber(table, {name for row in says.awkward for name in row})

    def _literal(self, value: object, table: Table, name: str) -> str:
        type_, _ = self._planner.values.base(table.columns[name].type)
        if type_.name in ("json", "jsonb") and not isinstance(value, str | None):
            value = Json(value)
        return sql.Literal(value).as_string(self._connection.connection.driver_connection)


def _reachable(graph: Mapping[int, set[int]], start: int) -> set[int]:
    """Return the nodes that can be reached from a node."""
    found: set[int] = set()
    todo = list(graph[start])
    while todo:
        if (node := todo.pop()) not in found:
            found.add(node)
            todo += graph[node]
    return found


def _bounds(table: Table) -> Iterator[Check]:
    """Yield the bounds of the partitions. Hash partitions are left out: they spread the rows themselves."""
    found: dict[str, None] = {}
    for partition in table.partitions[:PARTITIONS]:
        bounds = [each for each in parts(partition.sql, "AND") if "satisfies_hash_partition(" not in each]
        if bounds:
            found[" AND ".join(bounds)] = None
    return (Check("", sql, table.mentioned(sql)) for sql in found)


def _constraint(plan: Plan, key: Key) -> str:
    return f"{quoted(plan.table.schema)}.{quoted(key.name)}"

"""The value of each column of a table: the first guess that its constraints accept.

The planner asks the server, which evaluates the constraints' conditions on rows of such guesses.
"""

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from migrate.sample.catalogue import Catalogue, Check, Column, Key, Table, Type, Unique, parts, replaced
from migrate.sample.described import Described
from migrate.sample.plan import Choice, Plan, all_of, measured, rows_of
from migrate.sample.server import literal
from migrate.sample.values import Guess, Hints, Values, one_of

# The numbers of rows that guesses are tried with, and the last row's number.
TRIED = [*range(1, 26), 60, 99, 100, 101, 255, 256, 365, 366, 999, 1000, 1001, 4095, 32767, 65536]
# A guess counts as distinct if no two of so many rows in a line are equal; for an operator other than
# equality, if no two of so many conflict.
COUNTED, COMPARED = 2000, 60
COUNTABLE = {"int2", "int4", "int8", "numeric"}
# How many combinations of guesses are tried for a condition over several columns, and how many at once.
COMBINATIONS, AT_ONCE = 1200, 60

# Defaults that differ each time, and defaults that call a function: "a(", not "numeric(10,2)".
CLOCK = re.compile(
    r"\b(now|\w+_timestamp|gen_random_uuid|uuid_generate_\w+|uuidv[47]|random)\(|\b(CURRENT_(DATE|TIME)|LOCALTIME)"
)
CALL = re.compile(r"\w\((?!\d+(,\d+)?\))")

NULL = Guess("NULL")
NUMBER = Guess("{n}", distinct=True)


class UnfillableError(Exception):
    """The table cannot be filled, and no other guess can help."""


class Planner:
    """Makes the plans for the tables of one database."""

    def __init__(self, connection: Connection, catalogue: Catalogue) -> None:
        self.connection, self.catalogue = connection, catalogue
        self.values = Values(catalogue.types, self._taken)

    def plan(
        self,
        table: Table,
        described: Described,
        count: int,
        total: int,
        parents: Mapping[str, int | None],
        partition: Check | None = None,
    ) -> Plan:
        """Return how to fill a table.

        Args:
            table: the table.
            described: its description in models/sample.py.
            count: how many rows this plan will make.
            total: how many rows the table will get.
            parents: how many parents each foreign key can choose from; None: they get rows later.
            partition: a condition for the rows, besides the table's own constraints.

        Raises:
            UnfillableError: a foreign key that must have a parent has none.
        """
        return _Draft(self, table, described, count, total, parents, partition).finish()

    def _taken(self, guesses: list[Guess], base: Type, conditions: tuple[str, ...]) -> list[Guess]:
        """Return the guesses that a domain accepts."""
        numbers = f"unnest(ARRAY{TRIED}::bigint[]) AS n"
        sources = [
            f"(SELECT CAST({guess.at('n')} AS {base.sql}) AS value FROM {numbers}) AS r" for guess in guesses
        ]
        shares = measured(self.connection, sources, f"avg(({all_of(conditions)})::integer)")
        return [guess for guess, share in zip(guesses, shares, strict=True) if share == 1]


class _Draft:
    """An unfinished plan."""

    def __init__(
        self,
        planner: Planner,
        table: Table,
        described: Described,
        count: int,
        total: int,
        parents: Mapping[str, int | None],
        partition: Check | None,
    ) -> None:
        self._planner, self._values = planner, planner.values
        self._table, self._parents = table, parents
        self._plan, self._total = Plan(table, count), total
        # A generated column is replaced by its expression.
        self._generated = {c.name: f"({c.expression})" for c in table.columns.values() if c.generated}
        self._checks = [part for check in self._conditions(partition) for part in self._plain(check)]
        self._described = {
            name: sql
            for name, sql in described.columns.items()
            if name in table.columns.keys() - self._generated.keys()
        }
        # Columns that must be within a partition's bounds, even if the server could number them.
        self._bounded = partition.columns if partition else frozenset[str]()
        self._lists: dict[str, list[Guess]] = {}
        self._left_out: set[str] = set()
        self._distinct: set[str] = set()
        self._in_uniques: set[str] = set()

    def finish(self) -> Plan:
        """Finish the plan, and return it."""
        for column in self._table.columns.values():
            self._sort(column)
        self._choose_parents()
        elements = [(unique, self._elements(unique)) for unique in self._table.uniques]
        for name in list(self._lists):
            self._choose_alone(name)
        for unique, compared in sorted(elements, key=lambda each: len(each[1])):
            self._make_distinct(unique, compared)
        for checks in self._linked():
            self._choose_together(checks)
        for name in self._lists:
            self._leave_some_out(name)
        plan = self._plan
        plan.columns = {name: Guess(sql) for name, sql in self._described.items() if sql is not None}
        plan.columns.update((name, guesses[0]) for name, guesses in self._lists.items())
        plan.conditions = [check.sql for check in self._checks if not check.columns & self._left_out]
        return plan

    def _conditions(self, partition: Check | None) -> Iterator[Check]:
        yield from self._table.checks
        for column in self._table.columns.values():
            for condition in self._values.conditions(column.type):
                sql = replaced(condition, {"VALUE": column.sql})
                yield Check(column.type_sql, sql, frozenset({column.name}))
        if partition:
            yield partition

    def _plain(self, check: Check) -> Iterator[Check]:
        """Yield the parts of a condition, without generated columns; each part must be true."""
        for part in parts(replaced(check.sql, self._generated), "AND"):
            yield replace(check, sql=part, columns=self._table.mentioned(part) - self._generated.keys())

    def _sort(self, column: Column) -> None:
        """Leave a column out, or list guesses for it."""
        name, default = column.name, column.expression
        if column.generated or self._described.get(name) is not None:
            return
        counted = column.numbered and name not in self._bounded
        calls = bool(default and CALL.search(default) and not CLOCK.search(default) and not column.numbered)
        if name in self._described or counted or calls:
            self._left_out.add(name)
            return
        hints = Hints.of(check.sql for check in self._checks if name in check.columns)
        guesses = self._values.guesses(column.type, column.modifier, hints, f"{self._table.name}.{name}")
        if default and not CLOCK.search(default) and not column.numbered:
            guesses.insert(0, Guess(f"({default})"))
            type_ = self._values.base(column.type)[0]
            if type_.labels or type_.name == "bool":  # some rows may have another value than the default
                guesses.insert(
                    0,
                    Guess(
                        f"CASE WHEN {{n}} % 4 = 0 THEN {self._cast(column, guesses[1])} ELSE {default} END"
                    ),
                )
        self._lists[name] = guesses

    def _cast(self, column: Column, guess: Guess) -> str:
        return f"CAST({guess.sql} AS {self._values.cast(column)})"

    # Foreign keys.

    def _choose_parents(self) -> None:
        settled = {name for name, sql in self._described.items() if sql is not None}
        left = self._described.keys() - settled
        # First the keys with more columns: they decide the columns that they share with other keys.
        for place, key in enumerate(sorted(self._table.keys, key=lambda key: (-len(key.columns), key.name))):
            columns = tuple(name for name in key.columns if name not in settled)
            satisfied = any(self._lists.get(name) == [NULL] for name in key.columns)
            if not columns or satisfied or left.intersection(columns):
                continue
            parents = self._parents[key.name]
            nullable = [name for name in columns if self._values.nullable(self._table.columns[name])]
            if parents:
                empty = nullable == list(columns)
                self._plan.choices.append(Choice(key, columns, parents, place, nullable=empty, gaps=empty))
                for name in columns:
                    self._lists.pop(name, None)
                    self._left_out.discard(name)
            elif nullable:
                self._set(nullable, NULL)
                columns = tuple(nullable)
                if parents is None:
                    self._plan.late.append(key)
            elif key.parent == self._table.oid:
                self._refer_to_itself(key)
            elif parents is None and key.deferrable:
                self._plan.late.append(key)
            else:
                parent = self._planner.catalogue.tables.get(key.parent)
                why = "each needs the other's rows first" if parents is None else "which has none"
                label = parent.label if parent else key.parent_sql
                raise UnfillableError(f'foreign key "{key.name}" needs rows of {label}, {why}')
            settled.update(columns)

    def _set(self, names: Sequence[str], guess: Guess) -> None:
        self._lists.update((name, [guess]) for name in names)
        self._left_out.difference_update(names)

    def _refer_to_itself(self, key: Key) -> None:
        """Make each row its own parent."""
        by_sql = {column.sql: column for column in self._table.columns.values()}
        for name, parent in zip(key.columns, key.parent_columns, strict=True):
            own = by_sql[parent]
            if own.numbered:
                sequence = f"pg_get_serial_sequence({literal(self._table.sql)}, {literal(own.name)})"
                self._set([own.name], Guess(own.expression or f"nextval({sequence})", distinct=True))
            if name != own.name:
                self._set([name], Guess(parent, over="NULL"))

    # Conditions on one column.

    def _choose_alone(self, name: str) -> None:
        """Keep the guesses that satisfy the conditions on this column alone."""
        guesses, column = self._lists[name], self._table.columns[name]
        checks = [check for check in self._checks if check.columns == {name}]
        if guesses[0] == NULL or guesses[0].over or not (checks or not self._values.certain(column.type)):
            return
        several = name in self._in_uniques or any(
            name in each.columns for each in self._checks if each not in checks
        )
        guesses = [*guesses, *self._equations(name, guesses[0], checks)]
        passing: list[Guess] = []
        best, best_share = guesses[0], 0.0
        for some in _batches(guesses, 12):
            shares = self._shares([{name: guess} for guess in some], checks)
            passing += [guess for guess, share in zip(some, shares, strict=True) if share == 1]
            if max(shares) > best_share:
                best, best_share = some[shares.index(max(shares))], max(shares)
            if not several and any("{n}" in guess.sql for guess in passing):
                break
        literals = [guess for guess in passing if guess.constant]
        if len(literals) > 1:
            in_turn = one_of((guess.sql for guess in literals), self._values.cast(column))
            passing = [*(guess for guess in passing if not guess.constant), in_turn, *literals]
        passing = self._varied(name, passing)
        if not passing and not best_share and self._values.nullable(column):
            passing = [NULL]
        elif not passing:
            self._note(best_share, checks, column)
        self._lists[name] = passing or [best]

    def _varied(self, name: str, guesses: list[Guess]) -> list[Guess]:
        """Return the guesses; those that are nearly always the same come last."""
        numbers = f"unnest(ARRAY{TRIED}::bigint[]) AS n"
        sources = [self._rows({name: guess}, numbers) for guess in guesses]
        column = self._table.columns[name].sql
        counts = measured(self._planner.connection, sources, f"count(DISTINCT {column}::text)")
        ranked = sorted(zip(guesses, counts, strict=True), key=lambda each: each[1] < 2)
        return [guess for guess, _ in ranked]

    def _note(self, share: float, checks: Sequence[Check], column: Column | None = None) -> None:
        """Record that only some rows satisfy some conditions, or that no row does."""
        self._plan.filtered |= bool(checks)
        if not share and not self._plan.problem:
            whole = {check.name: check.sql for check in (*checks, *self._table.checks) if check.name}
            named = (
                f'"{name}" {whole[name]}'
                for name in dict.fromkeys(check.name for check in checks if check.name)
            )
            self._plan.problem = " and ".join(named) or (f"{column.name} {column.type_sql}" if column else "")

    def _shares(self, variants: Sequence[Mapping[str, Guess]], checks: Sequence[Check]) -> list[float]:
        """Return the share of rows that satisfy the conditions, for each way to fill some columns."""
        numbers = f"unnest(ARRAY{[*TRIED, self._plan.rows]}::bigint[]) AS n"
        sources = [self._rows(variant, numbers) for variant in variants]
        conditions = all_of(check.sql for check in checks)
        return measured(self._planner.connection, sources, f"avg(({conditions})::integer)")

    def _rows(self, variant: Mapping[str, Guess], numbers: str) -> str:
        return rows_of(Plan(self._table, 0, dict(variant)), self._values, numbers)

    def _equations(self, name: str, guess: Guess, checks: Sequence[Check]) -> Iterator[Guess]:
        """Yield the expressions that conditions require a column to equal."""
        for check in checks:
            sides = parts(check.sql, "=")
            for side, other in itertools.permutations(sides) if len(sides) == 2 else ():
                plain = re.sub(r"::[\w .]+|[()]", "", side).strip()
                if plain == self._table.columns[name].sql:
                    yield Guess(other, over=guess.sql)

    # Uniqueness.

    def _elements(self, unique: Unique) -> list[tuple[str, str, frozenset[str]]]:
        """Return the elements that a constraint compares: each with its operator and its columns."""
        plain = [replaced(element, self._generated) for element in unique.elements]
        columns = [self._table.mentioned(sql) for sql in plain]
        self._in_uniques.update(*columns)
        return list(zip(plain, unique.operators or ["="] * len(plain), columns, strict=True))

    def _make_distinct(self, unique: Unique, elements: list[tuple[str, str, frozenset[str]]]) -> None:
        """Make sure that no two rows are equal in all elements."""
        plan, columns = self._plan, frozenset[str]().union(*(names for *_, names in elements))
        empty = unique.nulls_distinct and any(self._lists.get(name) == [NULL] for name in columns)
        distinct = any(self._is_distinct(sql, names) for sql, _, names in elements)
        if columns <= self._described.keys() or empty or distinct:
            return
        own = [(sql, operator, names) for sql, operator, names in elements if names & self._lists.keys()]
        choices = [choice for choice in plan.choices if columns.intersection(choice.columns)]
        itself = any(choice.key.parent == self._table.oid for choice in choices)
        # While the number of parents grows, only the row's own number is always distinct.
        turns = 1 if itself and own else self._go_round(choices, bool(own))
        for sql, operator, names in own:
            if self._carry(sql, operator, names, turns):
                return
        for sql, _, names in own:
            turns *= self._spread(sql, names, f"((n - 1) / {turns} + 1)" if turns > 1 else "n", turns)
        if not any(choice.shared for choice in choices):
            plan.rows = max(1, min(plan.rows, turns))

    def _go_round(self, choices: Sequence[Choice], several: bool) -> int:
        """Let the keys choose a different combination of parents in each row; return how many there are.

        Args:
            choices: the keys.
            several: whether some parents get several rows, and others none.
        """
        turns = 1
        for choice in choices:
            choice.gaps = False
            if choice.number == "n" and turns == 1:
                turns = choice.parents
            elif choice.number is None:
                if several and not choice.shared:
                    choice.parents = max(1, min(choice.parents, math.ceil(self._total / turns / 3)))
                choice.number = "n" if turns == 1 else f"((n - 1) % {turns} + (n - 1) / {turns} + 1)"
                turns *= choice.parents
        return turns

    def _is_distinct(self, sql: str, names: frozenset[str]) -> bool:
        """Whether an element is already distinct in each row."""
        column = self._table.columns[next(iter(names))] if len(names) == 1 else None
        if column is None or column.sql != sql:
            return False
        called = column.numbered or (column.expression and CALL.search(column.expression))
        return column.name in self._distinct or (column.name in self._left_out and bool(called))

    def _carry(self, sql: str, operator: str, names: frozenset[str], turns: int) -> bool:
        """Make an element distinct in each row, or in each round of the parents; return whether it can be."""
        free = sorted(name for name in names & self._lists.keys() if name not in self._plan.numbers)
        if not free or self._distinct.intersection(free):
            return False
        equal = operator.endswith(".=)") or operator == "="
        plain = len(names) == 1 and self._table.columns[free[0]].sql == sql
        lists = [self._lists[name][: 60 if len(free) == 1 else 12] for name in free]
        variants = [dict(zip(free, guesses, strict=True)) for guesses in itertools.product(*lists)]
        if checks := [
            check for check in self._checks if len(check.columns) > 1 and check.columns <= set(free)
        ]:
            shares = self._shares(variants, checks)
            variants = [variant for variant, share in zip(variants, shares, strict=True) if share == 1]
        known = [v for v in variants if v[free[0]].distinct] if plain else []
        found = known or [
            v for v, fits in zip(variants, self._differ(variants, sql, operator, equal), strict=True) if fits
        ]
        if not found:
            return False
        # A number begins again at 1 for each parent: line 1, line 2.
        counted = turns > 1 and self._values.base(self._table.columns[free[0]].type)[0].name in COUNTABLE
        for name in free:
            self._lists[name] = [variant[name] for variant in (found if len(free) == 1 else found[:1])]
            if counted:
                self._plan.numbers[name] = f"((n - 1) / {turns} + 1)"
            elif plain:
                self._distinct.add(name)
        return True

    def _differ(
        self, variants: Sequence[Mapping[str, Guess]], sql: str, operator: str, equal: bool
    ) -> list[bool]:
        count = min(COUNTED if equal else COMPARED, max(2, self._plan.rows))
        sources = [self._values_of(sql, variant, count) for variant in variants]
        if equal:
            count += self._plan.rows > count
            return [
                found == count
                for found in measured(self._planner.connection, sources, "count(DISTINCT e::text)")
            ]
        pairs = [
            f"(WITH e AS (SELECT e, row_number() OVER () AS i FROM {source}) "
            f"SELECT count(*) AS c FROM e AS a JOIN e AS b ON a.i < b.i AND a.e {operator} b.e) AS p"
            for source in sources
        ]
        return [found == 1 for found in measured(self._planner.connection, pairs, "bool_and(c = 0)::integer")]

    def _values_of(self, sql: str, variant: Mapping[str, Guess], count: int) -> str:
        """Return a source with an element's values in some rows, for one way to fill some columns."""
        filled = {name: variant.get(name) or self._options(name)[0] for name in self._table.mentioned(sql)}
        last = max(count, self._plan.rows)
        numbers = f"(SELECT generate_series(1::bigint, {count}) UNION SELECT {last}) AS numbers (n)"
        return f"(SELECT {sql} AS e FROM {self._rows(filled, numbers)}) AS e"

    def _spread(self, sql: str, names: frozenset[str], number: str, turns: int) -> int:
        """Let an element take as many values as it can; return how many."""
        free = sorted(name for name in names & self._lists.keys() if name not in self._plan.numbers)
        if not free or self._distinct.intersection(free):
            return 1
        name, guesses = free[0], self._lists[free[0]][:60]
        count = min(COUNTED, max(2, self._plan.rows))
        sources = [self._values_of(sql, {name: guess}, count) for guess in guesses]
        found = measured(self._planner.connection, sources, "count(DISTINCT e::text)")
        best = found.index(max(found))
        self._lists[name] = [guesses[best]]
        if turns > 1:
            self._plan.numbers[name] = number
        return max(1, int(found[best]))

    # Conditions on several columns.

    def _linked(self) -> list[list[Check]]:
        """Return the conditions on several columns, in groups that share columns."""
        groups: list[tuple[set[str], list[Check]]] = []
        for check in self._checks:
            if len(check.columns) < 2:
                continue
            names, checks = set(check.columns), [check]
            for group in [group for group in groups if group[0] & names]:
                groups.remove(group)
                names, checks = names | group[0], group[1] + checks
            groups.append((names, checks))
        return [checks for _, checks in groups]

    def _options(self, name: str) -> list[Guess]:
        """Return the guesses for a column to try with conditions."""
        column = self._table.columns[name]
        if (sql := self._described.get(name)) is not None:
            return [Guess(sql)]
        if name in self._left_out:
            return [NUMBER if column.numbered else NULL]
        if name in self._lists:
            guesses = self._lists[name]
            empty = [NULL] if self._values.nullable(column) and name not in self._in_uniques else []
            return [
                *guesses[:3],
                *empty,
                *guesses[3:6],
                *[guess for guess in guesses[6:] if guess.hinted][:8],
            ]
        [choice] = [choice for choice in self._plan.choices if name in choice.columns]
        guess = self._values.guesses(column.type, column.modifier, Hints(), name)[0]
        empty = (
            [NULL] if all(self._values.nullable(self._table.columns[each]) for each in choice.columns) else []
        )
        return [Guess(guess.at(f"({{n}} + {choice.place})")), *empty]

    def _choose_together(self, checks: list[Check]) -> None:
        """Choose the first combination of guesses that satisfies conditions on several columns."""
        names = sorted(frozenset[str]().union(*(check.columns for check in checks)))
        options = {name: self._options(name) for name in names}
        for name in names:
            if name in self._lists:
                options[name][1:1] = self._equations(name, self._lists[name][0], checks)
        alone = [check for check in self._checks if len(check.columns) == 1 and check.columns <= set(names)]
        best, best_share = dict.fromkeys(names, NULL), -1.0
        for some in _batches(_combinations(list(options.values())), AT_ONCE, COMBINATIONS):
            variants = [dict(zip(names, guesses, strict=True)) for guesses in some]
            shares = self._shares(variants, [*checks, *alone])
            if max(shares) > best_share:
                best_share = max(shares)
                best = variants[shares.index(best_share)]
            if best_share == 1:
                break
        if best_share < 1:
            self._note(best_share, checks)
        for name, guess in best.items():
            if name in self._lists:
                self._lists[name] = [guess]
        for choice in list(self._plan.choices):
            if any(best.get(name) == NULL for name in choice.columns):
                self._plan.choices.remove(choice)
                self._set(choice.columns, NULL)
            elif best.keys() & set(choice.columns):
                choice.gaps = False

    def _leave_some_out(self, name: str) -> None:
        """Let a column be NULL in one row of ten, if nothing depends on it."""
        column, guess = self._table.columns[name], self._lists[name][0]
        linked = any(name in check.columns for check in self._checks if len(check.columns) > 1)
        alone = [check for check in self._checks if check.columns == {name}]
        needed = (
            linked or name in self._in_uniques or column.expression or guess in (NULL, NUMBER) or guess.over
        )
        if needed or not self._values.nullable(column):
            return
        if not alone or self._shares([{name: NULL}], alone) == [1]:
            now_and_then = (
                f"CASE WHEN {{n}} % 10 <> {column.number % 10} THEN {self._cast(column, guess)} END"
            )
            self._lists[name] = [Guess(now_and_then)]


def _batches(guesses: Iterable[Any], size: int, most: int | None = None) -> Iterator[list[Any]]:
    rest = itertools.islice(guesses, most)
    while some := list(itertools.islice(rest, size)):
        yield some


def _combinations(options: Sequence[Sequence[Guess]]) -> Iterator[tuple[Guess, ...]]:
    """Yield the combinations of guesses, the likeliest first."""
    rest = _by_sum(options)
    yield from itertools.islice(rest, AT_ONCE)
    # Perhaps only one of several columns may have a value.
    for place in range(len(options)):
        yield tuple(each[0] if i == place or NULL not in each else NULL for i, each in enumerate(options))
    yield from rest


def _by_sum(options: Sequence[Sequence[Guess]]) -> Iterator[tuple[Guess, ...]]:
    most = sum(len(each) - 1 for each in options)
    for total in range(most + 1):
        yield from _with_sum(options, total)


def _with_sum(options: Sequence[Sequence[Guess]], total: int) -> Iterator[tuple[Guess, ...]]:
    if not options:
        if total == 0:
            yield ()
        return
    for place, guess in enumerate(options[0][: total + 1]):
        for rest in _with_sum(options[1:], total - place):
            yield (guess, *rest)

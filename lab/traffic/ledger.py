"""What the application has committed, and whether it is still there."""

import itertools
import threading
from collections import defaultdict
from typing import Any

import psycopg

from lab.traffic.schema import VALUES, Code, Form, Schema

Key = tuple[str, Any]  # a table and the id of a row in it
Change = tuple[int, Key, str, Any]  # when, of which row, which value, and to what

ROW = ""  # stands for the row itself, among its values: True, or False when it is deleted


class Ledger:
    """The last value that was committed for each row and column.

    A change is numbered while its row is locked, so that of two the later one is known, however
    late either of the sessions comes to say that it has committed.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._values: dict[Key, dict[str, tuple[int, Any]]] = defaultdict(dict)
        self._parents: dict[Key, Key] = {}
        self.pairs: set[tuple[Any, Any]] = set()  # webhooks, one of which is always active

    def change(self, table: str, row: Any, name: str, value: Any) -> Change:
        """Return a change that a transaction has made and not committed yet."""
        return next(self._numbers), (table, row), name, value

    def commit(self, changes: list[Change]) -> None:
        """Note that a transaction has committed."""
        with self._lock:
            for number, key, name, value in changes:
                if number >= self._values[key].get(name, (-1, None))[0]:
                    self._values[key][name] = number, value

    def belongs(self, table: str, row: Any, parent: Key) -> None:
        """Note that a row goes with another one when that is deleted."""
        with self._lock:
            self._parents[table, row] = parent

    def __len__(self) -> int:
        return sum(map(len, self._values.values()))

    def wrong(self, connection: psycopg.Connection[Any], code: Code) -> list[str]:
        """Return what the database does not hold as it was committed, one line each.

        Args:
            connection: to the database.
            code: the code that wrote it.
        """
        there = Schema.of(connection).columns
        lines = []
        for table, name in code.names.items():
            reads = []
            for value, known in code.forms[table].items():
                # Where the code's own name for it is gone, it has another one now.
                for forms in (known, VALUES[table][value]):
                    found = [(value, form) for form in forms if form.needs(name) <= there.keys()]
                    reads += found
                    if found:
                        break
            lines += self._wrong_in(connection, table, name, reads)
        off = "SELECT FROM webhooks WHERE id IN (%s, %s) HAVING count(*) = 2 AND NOT bool_or(is_active)"
        for pair in self.pairs:
            if connection.execute(off, pair).fetchone():
                lines.append(f"webhooks {pair[0]} and {pair[1]} are both switched off")
        return lines

    def _wrong_in(
        self, connection: psycopg.Connection[Any], table: str, name: str, reads: list[tuple[str, Form]]
    ) -> list[str]:
        expected = {row: values for (of, row), values in self._values.items() if of == table}
        selected = ", ".join(["id", *(form.read for _, form in reads)])
        query = f"SELECT {selected} FROM {name} WHERE id = ANY (%s)"
        found = {row: values for row, *values in connection.execute(query.encode(), [list(expected)])}
        lines = []
        for row, values in expected.items():
            gone = self._is_deleted((table, row))
            if gone == (row in found):
                lines.append(f"{table} {row} {'is back' if gone else 'is gone'}")
            for (name, form), value in zip(reads, found.get(row, []), strict=False):
                if name in values and values[name][1] != value:
                    lines.append(f"{table} {row}: {form.read} is {value!r}, not {values[name][1]!r}")
        return lines

    def _is_deleted(self, key: Key | None) -> bool:
        while key:
            if self._values[key].get(ROW, (0, True))[1] is False:
                return True
            key = self._parents.get(key)
        return False

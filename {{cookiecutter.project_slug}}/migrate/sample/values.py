"""Values by type: SQL over a row's number `{n}`, the likeliest first.

They are guesses. If there is a constraint, the planner asks the server which guesses it accepts
(planner.py). Values that the constraint mentions are among the guesses.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from migrate.sample.catalogue import TOKEN, Column, Type
from migrate.sample.server import literal
from migrate.sample.shapes import DIGITS, LETTERS, PatternError, counted, like, matching

# How many literals of a constraint are used.
MANY = 60


@dataclass(frozen=True)
class Guess:
    """SQL for a column's value, which is cast to the column's type.

    Attributes:
        sql: SQL over `{n}`, the number, from 1.
        distinct: the value is known to be different for each number.
        ordered: the value is greater for a greater number.
        constant: the value is the same for each number: a literal of the constraint.
        hinted: the value is made from literals of a constraint.
        over: if `sql` is over the columns of the row, the column's value there.
    """

    sql: str
    distinct: bool = False
    ordered: bool = False
    constant: bool = False
    hinted: bool = False
    over: str | None = None

    def at(self, number: str) -> str:
        """Return the SQL for another number."""
        return self.sql.replace("{n}", number)


@dataclass(frozen=True)
class Hints:
    """The literals of constraints: strings and numbers, as they are written."""

    strings: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    @classmethod
    def of(cls, conditions: Iterable[str]) -> "Hints":
        """Gather the literals of some conditions."""
        strings: dict[str, None] = {}
        numbers: dict[str, None] = {}
        for condition in conditions:
            numbers.update({"0": None, "1": None})
            before = ""
            for token in TOKEN.finditer(condition):
                if token["string"]:
                    value = token["string"][1:-1].replace("''", "'")
                    strings[value] = None
                    if re.fullmatch(r"\{.*\}", value):  # an array, written as one string
                        strings.update((part.strip('" '), None) for part in value[1:-1].split(","))
                elif token["number"]:
                    numbers[token["number"]] = None
                    if before == "-":
                        numbers["-" + token["number"]] = None
                before = token[0]
        numbers.update((value, None) for value in strings if re.fullmatch(r"-?\d+(\.\d+)?", value))
        return cls(tuple(strings)[:MANY], tuple(numbers)[:MANY])


def one_of(values: Iterable[str], type_: str) -> Guess:
    """Return a guess that takes some values in turn, given as SQL."""
    listed = list(values)
    array = f"(ARRAY[{', '.join(listed)}]::{type_}[])"
    return Guess(f"{array}[(1 + ({{n}} - 1) % {len(listed)})::integer]")


# The row's number within bounds, so that it looks like a usual number. Neither distinct nor ordered.
SMALL = "(({n} - 1) % 1000 + 1)"
MINUTES = "{n} % 525600 * interval '1 minute'"
# For other types: first values that are neither distinct nor ordered. Then values that are distinct
# ("!"), or distinct and ordered ("<").
BY_NAME: dict[str, tuple[str, ...]] = {
    "int2": (SMALL, "1 + ({n} - 1) % 32767"),
    "int4": (SMALL, "<{n}", "<{n} + 1", "!- {n}"),
    "int8": (SMALL, "<{n}", "<{n} + 1", "!- {n}"),
    "oid": ("<{n}",),
    "float4": (SMALL + " + 0.5", "{n}"),
    "float8": (SMALL + " + 0.5", "<{n}", "!- {n}"),
    "money": (SMALL + "::numeric + {n} % 100 / 100.0", "<{n}::numeric"),
    "bool": ("{n} % 2 = 0", "true", "false"),
    "uuid": ("!md5('{word} ' || {n})",),
    "bytea": ("!decode(md5('{word} ' || {n}), 'hex')", "!sha256(({n}::text)::bytea)", "''"),
    "date": (
        "date '2024-01-01' + ({n} % 366)::integer", "date '2024-01-01' + ({n} % 366 + 1)::integer",
        "<date '1980-01-01' + {n}::integer", "<date '1980-01-02' + {n}::integer",
        "date '1980-01-01' + ({n} % 7000)::integer", "date '2100-01-01' + ({n} % 366)::integer",
    ),
    "time": tuple(f"time '{hour}:00' + {{n}} % 43200 * interval '1 second'" for hour in ("00", "12")),
    "timetz": ("timetz '00:00+00' + {n} % 43200 * interval '1 second'",),
    "interval": (SMALL + " * interval '1 minute'", "<{n} * interval '1 minute'", "<{n} * interval '1 month'"),
    "json": (
        "!jsonb_build_object('n', {n})", "jsonb_build_array({n})", "'[]'", "'{}'", "'\"text\"'", "!{n}::text",
    ),
    "jsonpath": ("!'$.a' || {n}",),
    "xml": ("!'<n>' || {n} || '</n>'",),
    "inet": ("<inet '10.0.0.0' + {n} % 16777216", "<inet '2001:db8::' + {n}"),
    "cidr": ("<inet '10.0.0.0' + {n} % 16777216", "set_masklen(inet '10.0.0.0' + {n} % 65536 * 256, 24)"),
    "macaddr": ("!'08002b' || lpad(to_hex({n} % 16777216), 6, '0')",),
    "macaddr8": ("!'08002b0102' || lpad(to_hex({n} % 16777216), 6, '0')",),
    "tsvector": ("!to_tsvector('simple', '{word} ' || {n})",),
    "tsquery": ("!plainto_tsquery('simple', '{word} ' || {n})",),
    "pg_lsn": ("<pg_lsn '0/0' + {n}",),
    "xid": ("!{n}::text",),
    "xid8": ("!{n}::text",),
    "cid": ("!{n}::text",),
    "tid": ("!'(' || {n} || ',1)'",),
    "pg_snapshot": ("!{n} || ':' || {n} || ':'",),
    "txid_snapshot": ("!{n} || ':' || {n} || ':'",),
    # No two of the shapes touch, so that an exclusion constraint accepts all of them.
    "point": ("!point({n} * 2, 0)", "point({n} % 180, {n} % 90)"),
    "box": ("!box(point({n} * 2, 0), point({n} * 2 + 1, 1))",),
    "circle": ("!circle(point({n} * 2, 0), 0.5)",),
    "polygon": ("!polygon(box(point({n} * 2, 0), point({n} * 2 + 1, 1)))",),
    "path": ("!path(polygon(box(point({n} * 2, 0), point({n} * 2 + 1, 1))))",),
    "lseg": ("!lseg(point({n} * 2, 0), point({n} * 2 + 1, 1))",),
    "line": ("!line(point({n} * 2, 0), point({n} * 2 + 1, 1))",),
    # Types of extensions.
    "hstore": ("!'n => ' || {n}", "''"),
    "ltree": ("!'top.n' || {n}",),
    "lquery": ("!'*.n' || {n}",),
    "cube": ("!'(' || {n} || ')'",),
    "seg": ("!{n}::text",),
    "vector": ("!'[' || {n} || repeat(',0.5', {modifier} - 1) || ']'", "'[1,2,3]'"),
    "halfvec": ("'[' || {n} % 1000 || repeat(',0.5', {modifier} - 1) || ']'",),
    "sparsevec": ("'{1:' || {n} || '}/' || {modifier}",),
    "geometry": tuple(f"'{srid}POINT(' || {{n}} % 180 || ' 1)'" for srid in ("SRID=4326;", "")),
    "geography": ("'POINT(' || {n} % 180 || ' ' || {n} % 90 || ')'",),
}  # fmt: skip
for moment in ("timestamp", "timestamptz"):
    BY_NAME[moment] = (
        f"{moment} '2024-01-01 08:00+00' + {MINUTES}", f"{moment} '2024-01-01 09:00+00' + {MINUTES}",
        f"{moment} '2025-01-01 08:00+00' + {MINUTES}",
        f"<{moment} '2024-01-01 08:00+00' + {{n}} * interval '1 minute'",
        f"<{moment} '2024-01-01 08:00:30+00' + {{n}} * interval '1 minute'",
        f"<{moment} '1980-01-01 00:00+00' + {{n}} * interval '24 hours'",
        f"{moment} '2000-01-01 08:00+00' + {MINUTES}", f"{moment} '2100-01-01 08:00+00' + {MINUTES}",
    )  # fmt: skip
BY_NAME["jsonb"] = BY_NAME["json"]
CERTAIN = {*BY_NAME, "numeric", "bit", "varbit"} - {"xml"}  # xml needs a library
TEXT = {"text", "varchar", "bpchar", "citext", "name", "char"}
# For an unknown type, perhaps one of these is a value.
ANYTHING = (
    "'1'",
    "''",
    "'a'",
    "'{}'",
    "'[]'",
    "'{1}'",
    "'[1]'",
    "'(1,1)'",
    "'0,0'",
    "'2024-01-01'",
    "'a.b'",
    "'0'",
)
# Text, by the name of the column.
NAMED = {
    "mail": "'{word}' || {n} || '@example.com'",
    "url": "'https://example.com/{word}/' || {n}",
    "phone": "'+4930' || lpad({n}::text, 8, '0')",
}


class Values:
    """Guesses for the types of one database."""

    def __init__(
        self, types: dict[int, Type], chosen: Callable[[list[Guess], Type, tuple[str, ...]], list[Guess]]
    ) -> None:
        """Keep the types.

        Args:
            types: the types by oid.
            chosen: given guesses, a domain's base type and its conditions, returns the accepted guesses.
        """
        self._types = types
        self._chosen = chosen
        self._domains: dict[int, list[Guess]] = {}

    def base(self, oid: int, modifier: int = -1) -> tuple[Type, int]:
        """Return the base type of a domain, and its modifier; any other type unchanged."""
        type_ = self._types[oid]
        while type_.kind == "d":
            modifier, type_ = type_.modifier, self._types[type_.base]
        return type_, modifier

    def cast(self, column: Column) -> str:
        """Return the type to cast a column's values to; for a domain, its base type."""
        sql, type_ = column.type_sql, self._types[column.type]
        while type_.kind == "d":
            sql, type_ = type_.base_sql or "", self._types[type_.base]
        return sql

    def conditions(self, oid: int) -> tuple[str, ...]:
        """Return the conditions of a domain on `VALUE`, with those of the domains below it."""
        type_ = self._types[oid]
        found: list[str] = []
        while type_.kind == "d":
            found += type_.checks
            type_ = self._types[type_.base]
        return tuple(found)

    def nullable(self, column: Column) -> bool:
        """Whether both the column and its domain accept NULL."""
        type_ = self._types[column.type]
        while type_.kind == "d" and not type_.not_null:
            type_ = self._types[type_.base]
        return not (column.not_null or type_.not_null)

    def certain(self, oid: int) -> bool:
        """Whether the first guess for a type is surely a value of it, without asking the server."""
        type_ = self._types[oid]
        if type_.kind == "e" or type_.name in TEXT:
            return True
        if type_.is_array:
            return self.certain(type_.element)
        return type_.schema == "pg_catalog" and type_.kind in "bre" and type_.name in CERTAIN

    def guesses(self, oid: int, modifier: int, hints: Hints, word: str) -> list[Guess]:
        """Return guesses for a type, the likeliest first; literals of the constraints at the end.

        Args:
            oid: the type; for a domain, the guesses are those of its base type, even if its conditions
                refuse them.
            modifier: pg_attribute.atttypmod.
            hints: the literals of the constraints.
            word: the names of the table and the column, with a dot between them.
        """
        type_, modifier = self.base(oid, modifier)
        mentioned = (replace(guess, hinted=True) for guess in self._mentioned(type_, hints))
        found = [*self._usual(type_, modifier, hints, word), *mentioned]
        first: dict[str, Guess] = {}
        for guess in found:
            first.setdefault(guess.sql, guess)
        return list(first.values())

    def _within(self, oid: int, modifier: int, hints: Hints, word: str) -> list[Guess]:
        """Return guesses for a part of a value, which is not tried later: for a domain, the accepted ones."""
        conditions = self.conditions(oid)
        if not conditions:
            return self.guesses(oid, modifier, hints, word)
        if oid not in self._domains:
            guesses = self.guesses(oid, modifier, Hints.of(conditions), word)
            self._domains[oid] = self._chosen(guesses, self.base(oid)[0], conditions)
        return self._domains[oid]

    def _usual(self, type_: Type, modifier: int, hints: Hints, word: str) -> Iterator[Guess]:
        if type_.labels:
            yield one_of(map(literal, type_.labels), type_.sql)
        elif type_.is_array:
            yield from self._array(type_, modifier, hints, word)
        elif type_.kind == "c":
            yield from self._composite(type_, hints, word)
        elif type_.kind == "r":
            yield from self._range(type_, hints, word)
        elif type_.kind == "m":
            yield from (
                replace(guess, sql=f"{type_.sql}({guess.sql})")
                for guess in self._range(self._types[type_.subtype], hints, word)
            )
        elif type_.name in TEXT:
            yield from self._text(type_, modifier, hints, word)
        elif type_.name == "numeric":
            yield from self._numeric(modifier)
        elif type_.name in ("bit", "varbit"):
            length = modifier if modifier > 0 else 16
            cast = f"::bit({length})" + ("::varbit" if type_.name == "varbit" else "")
            yield Guess(f"{{n}}::bigint{cast}", distinct=length > 30)
        else:
            plain = word.replace("'", "''")
            whole = type_.name != "interval" or modifier == -1  # not of "year to month"
            for sql in BY_NAME.get(type_.name, ANYTHING):
                yield Guess(
                    sql.lstrip("!<").replace("{word}", plain).replace("{modifier}", str(modifier)),
                    distinct=sql[0] in "!<" and whole,
                    ordered=sql[0] == "<" and whole,
                )
            if type_.name == "bytea":
                yield from (
                    Guess(f"decode(lpad(to_hex({{n}}), {2 * int(number)}, '0'), 'hex')")
                    for number in hints.numbers
                    if number.isdecimal() and 0 < int(number) <= 4096
                )

    def _text(self, type_: Type, modifier: int, hints: Hints, word: str) -> Iterator[Guess]:
        length = modifier - 4 if modifier > 4 else {"char": 1, "name": 63}.get(type_.name, 10**6)
        word = re.sub(r"[^a-z]+", " ", word.rpartition(".")[2].lower()).strip() or "text"
        room = length >= len(word) + 9
        shapes: list[str] = []
        if room:
            shapes += [sql for part, sql in NAMED.items() if part in word and length > 40]
            shapes.append("'{word} ' || {n}")
        shapes.append(counted([LETTERS] * min(length, 8)))
        if room:
            shapes += ["'{word}' || {n}", "upper('{word}') || {n}", *NAMED.values(), "'1.0.' || {n}"]
        shapes += [
            "{n}::text",
            counted([LETTERS.upper()] * min(length, 8)),
            counted([DIGITS] * min(length, 8)),
        ]
        shapes += ["md5({n}::text)", "md5({n}::text)::uuid::text", "''"]
        usual = len(shapes)
        for number in hints.numbers:
            if number.isdecimal() and 0 < int(number) <= min(length, 1000):
                most = int(number)
                shapes += [counted([characters] * most) for characters in (LETTERS, DIGITS, LETTERS.upper())]
                shapes += [f"lpad({{n}}::text, {most}, 'x')", f"lpad({{n}}::text, {most + 1}, 'x')"]
        for value in hints.strings:
            written = literal(value)
            shapes += [
                f"{written} || {{n}}",
                f"{{n}} || {written}",
                f"'a' || {written} || {{n}}",
                like(value),
            ]
            try:
                pattern = matching(value)
                shapes += [pattern, f"{pattern} || {{n}}"]
            except (PatternError, RecursionError):
                continue
        plain = word.replace(" ", "_")
        for place, sql in enumerate(shapes):
            if "{n}" in sql or sql == "''":
                filled = sql.replace("'{word} '", f"'{word} '").replace("{word}", plain)
                yield Guess(
                    filled if room or sql.startswith("substr(") else f"left({filled}, {length})",
                    distinct=room and "'{word}" in sql,
                    hinted=place >= usual,
                )

    def _numeric(self, modifier: int) -> Iterator[Guess]:
        precision, scale = (
            ((modifier - 4) >> 16 & 0xFFFF, ((modifier - 4 & 0x7FF) ^ 1024) - 1024)
            if modifier > 0
            else (30, 2)
        )
        whole = precision - scale
        if whole > 3:
            yield Guess(f"{SMALL} + {{n}} % 100 / 100.0" if scale > 0 else SMALL)
            yield Guess(f"{SMALL} + 1")
        # Numbers that fit, counted in the smallest unit: 0.01, 0.02, …
        wide = precision > 9
        number = "{n}" if wide else f"({{n}} % {10**precision})"
        yield Guess(f"{number} * {Decimal(1).scaleb(-scale):f}", distinct=wide, ordered=wide)
        if whole > 9:
            yield Guess("{n}", distinct=True, ordered=True)
            yield Guess("{n} + 1", distinct=True, ordered=True)
            yield Guess("- {n}", distinct=True)

    def _array(self, type_: Type, modifier: int, hints: Hints, word: str) -> Iterator[Guess]:
        element = self._types[type_.element]
        lengths = [int(number) for number in hints.numbers if number.isdecimal() and 1 <= int(number) <= 20]
        for guess in self._within(type_.element, modifier, hints, word)[:30]:
            for length in dict.fromkeys([2, 1, *lengths, *(length + 1 for length in lengths)]):
                values = (guess.at(f"({{n}} + {place})" if place else "{n}") for place in range(length))
                items = ", ".join(f"CAST({value} AS {element.sql})" for value in values)
                yield Guess(f"ARRAY[{items}]", distinct=guess.distinct)
        yield Guess("'{}'")

    def _composite(self, type_: Type, hints: Hints, word: str) -> Iterator[Guess]:
        fields = [self._within(oid, modifier, hints, word)[:20] for oid, modifier in type_.fields]
        if not all(fields):
            return
        for place in range(max(map(len, fields), default=1)):
            chosen = [field[min(place, len(field) - 1)] for field in fields]
            yield Guess(
                f"ROW({', '.join(guess.sql for guess in chosen)})", distinct=any(g.distinct for g in chosen)
            )

    def _range(self, type_: Type, hints: Hints, word: str) -> Iterator[Guess]:
        """Yield ranges that do not overlap, so that an exclusion constraint accepts all of them."""
        subtype = self.base(type_.subtype)[0]
        for guess in self._within(type_.subtype, -1, hints, word):
            low, high = (
                f"CAST({guess.at(number)} AS {subtype.sql})" for number in ("({n} * 2)", "({n} * 2 + 1)")
            )
            if guess.ordered:
                yield Guess(f"{type_.sql}({low}, {high})", distinct=True)
                yield Guess(f"{type_.sql}({low}, {high}, '[]')", distinct=True)
        for guess in self._within(type_.subtype, -1, hints, word)[:1]:
            yield Guess(f"{type_.sql}(CAST({guess.sql} AS {subtype.sql}), NULL)")
            yield Guess(f"{type_.sql}(NULL, NULL)")
        yield Guess("'empty'")

    def _mentioned(self, type_: Type, hints: Hints) -> Iterator[Guess]:
        """Yield the literals of the constraints, and values near them and between them."""
        if type_.name in ("int2", "int4", "int8", "float4", "float8", "numeric", "money"):
            wide = type_.name not in ("int2", "float4", "numeric", "money")
            yield from _near(sorted(hints.numbers, key=float), wide)
        elif type_.name in ("date", "timestamp", "timestamptz"):
            yield from _moments(
                type_.name, sorted(v for v in hints.strings if re.match(r"\d{4}-\d\d-\d\d", v))
            )
        elif type_.name in ("inet", "cidr"):
            yield from (
                Guess(f"set_masklen({literal(value)}::inet + {{n}} % 250 + 1, 32)")
                for value in hints.strings
                if re.match(r"[\d.]+(/\d+)?$", value)
            )
        elif type_.name in ("json", "jsonb"):
            keys = [literal(value) for value in hints.strings[:20]]
            for value in ("{n}", "'text'", "'{}'::jsonb", "'[]'::jsonb", "true") if keys else ():
                yield Guess(f"jsonb_build_object({', '.join(f'{key}, {value}' for key in keys)})")
        if type_.name not in ("int2", "int4", "int8", "float4", "float8", "numeric", "bool"):
            yield from (Guess(literal(value), constant=True) for value in hints.strings)


def _near(numbers: list[str], wide: bool) -> Iterator[Guess]:
    """Yield guesses around and between some numbers; for a wide type, no number is too great."""
    for low, high in sorted(pairwise(numbers), key=lambda pair: float(pair[0]) - float(pair[1])):
        span = f"({high} - {low})"
        # Without the upper bound, without the lower one, without both; and fractions between.
        if float(high) - float(low) > 1:
            yield Guess(f"{low} + {{n}} % {span}")
            yield Guess(f"{low} + 1 + {{n}} % {span}")
        if float(high) - float(low) >= 2:
            yield Guess(f"{low} + 1 + {{n}} % ({span} - 1)")
        yield Guess(f"{low} + {span} * ({{n}} % 997 + 1) / 999.0")
    for number in numbers:
        yield Guess(number, constant=True)
    for number in numbers:
        yield Guess(f"{number} + {{n}}", distinct=wide, ordered=wide)
        yield Guess(f"{number} - {{n}}", distinct=wide)
        yield Guess(f"{number} + {SMALL}")
        yield Guess(f"{number} - {SMALL}")
        yield Guess(f"{number} * {{n}}")


def _moments(name: str, moments: list[str]) -> Iterator[Guess]:
    """Yield guesses around and between some moments."""
    written = [f"{name} {literal(moment)}" for moment in moments]
    for low, high in pairwise(written):
        if name == "date":
            yield Guess(f"{low} + ({{n}} % ({high} - {low}))::integer")
        else:
            yield Guess(f"{low} + ({high} - {low}) * ({{n}} % 9973 / 9973.0)")
    unit = "{n}::integer" if name == "date" else "{n} * interval '1 second'"
    for moment in written:
        yield Guess(f"{moment} + {unit}", distinct=True, ordered=True)
        yield Guess(f"{moment} - {unit}", distinct=True)

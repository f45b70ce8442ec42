"""What must hold before a revision runs: the line `Needs:` of its docstring, and its check.

`Needs: orders.amount is integer; no index on orders.amount; code that ...`. The sentences that
`RULES` knows are checked on the database. A person must check the others.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import alembic
from sqlalchemy import Connection, text

from migrate.copying.adapt import Name
from migrate.copying.renaming import Renaming, quoted

AFTER = re.compile(r"after (\w+)")


def sentences(line: str) -> list[str]:
    """Return the sentences of a `Needs:` line."""
    return [sentence for sentence in line.split("; ") if sentence not in ("", "nothing")]


def steps_before(line: str) -> list[str]:
    """Return the slugs of the steps that a `Needs:` line names."""
    return [match[1] for sentence in sentences(line) if (match := AFTER.fullmatch(sentence))]


@dataclass(frozen=True)
class Place:
    """The place where a copy will run.

    Attributes:
        connection: the database; None if there is none to check.
        environment: the text of env.py.
        renaming: the new names of the example.
    """

    connection: Connection | None
    environment: str
    renaming: Renaming

    def holds(self, query: str, **values: Any) -> bool:
        """Whether a query returns a row. Without a database, the answer is yes."""
        return self.connection is None or self.connection.execute(text(query), values).first() is not None

    def relation(self, name: str) -> str:
        """Return the name of a table, an index or a view, in the form of to_regclass()."""
        schema = f"{quoted(self.renaming.schema)}." if self.renaming.schema else ""
        return schema + quoted(self.renaming.new(name))

    def shown(self, sentence: str) -> str:
        """Return a sentence of `Needs:` with the new names."""
        return re.sub(r"[^\W\d]\w*", lambda word: self.renaming.new(word[0]), sentence)


COLUMN = "FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attname = :column AND NOT attisdropped"
INDEXED = """
    SELECT FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid JOIN pg_attribute ON attrelid = indrelid
    WHERE indrelid = to_regclass(:table) AND attname = :column AND relname <> :but
    AND (attnum = ANY (indkey) OR EXISTS (
        SELECT FROM pg_depend WHERE objid = indexrelid AND refobjid = indrelid AND refobjsubid = attnum
    ))
"""
CHECKED = """
    SELECT FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
    WHERE conrelid = to_regclass(:table) AND attname = :column AND contype = 'c' AND convalidated
"""
# A column with the time of the last change, whatever its name.
TOUCHES = r"""
    SELECT FROM pg_trigger JOIN pg_proc AS p ON p.oid = tgfoid JOIN pg_attribute ON attrelid = tgrelid
    WHERE tgrelid = to_regclass(:table) AND NOT tgisinternal AND tgtype & 16 > 0
    AND atttypid IN ('timestamp'::regtype, 'timestamptz'::regtype)
    AND prosrc ~* ('\mNEW\."?' || attname || '"?\s*:?=')
"""
REFERENCE = """
    SELECT FROM pg_constraint WHERE contype = 'f' AND conrelid = to_regclass(:table)
    AND confrelid = to_regclass(:other) AND conname = :name
"""
REFERENCES = """
    SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = to_regclass(:table)
    AND conrelid <> ALL (SELECT to_regclass(name)::oid FROM unnest(CAST(:known AS text[])) AS name)
"""


def _column(place: Place, found: re.Match[str]) -> bool:
    new = place.renaming.new
    at = {"table": place.relation(found["table"]), "column": new(found["column"])}
    match found["what"]:
        case "NOT NULL":
            return place.holds(f"SELECT {COLUMN} AND attnotnull", **at)
        case "nullable":
            return place.holds(f"SELECT {COLUMN} AND NOT attnotnull", **at)
        case what if place.renaming.knows(what):
            return place.holds(
                f"SELECT {COLUMN} AND atttypid = to_regtype(:type)", **at, type=place.relation(what)
            )
        case what:
            return place.holds(
                f"SELECT {COLUMN} AND format_type(atttypid, atttypmod) = :type", **at, type=what
            )


def _no_index(place: Place, found: re.Match[str]) -> bool:
    but = place.renaming.new(found["but"] or "")
    at = {"table": place.relation(found["table"]), "column": place.renaming.new(found["column"])}
    return place.connection is None or not place.holds(INDEXED, **at, but=but)


def _no_default(place: Place, found: re.Match[str]) -> bool:
    at = {"table": place.relation(found["table"]), "column": place.renaming.new(found["column"])}
    return place.holds(f"SELECT {COLUMN} AND NOT atthasdef", **at)


def _no_check(place: Place, found: re.Match[str]) -> bool:
    at = {"table": place.relation(found["table"]), "column": place.renaming.new(found["column"])}
    return place.connection is None or not place.holds(CHECKED, **at)


def _no_touch(place: Place, found: re.Match[str]) -> bool:
    return place.connection is None or not place.holds(TOUCHES, table=place.relation(found["table"]))


def _there(place: Place, found: re.Match[str]) -> bool:
    name, table = place.renaming.new(found["name"]), place.relation(found["table"])
    constraint = "SELECT FROM pg_constraint WHERE conrelid = to_regclass(:table) AND conname = :name"
    index = (
        "SELECT FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid "
        "WHERE indrelid = to_regclass(:table) AND relname = :name"
    )
    return place.holds(f"{constraint} UNION ALL {index}", table=table, name=name)


def _refers(place: Place, found: re.Match[str]) -> bool:
    table, column, new = found["table"], found["column"], place.renaming.new
    name = new(f"fk_{table}_{column}")
    return place.holds(
        REFERENCE, table=place.relation(table), other=place.relation(found["other"]), name=name
    )


def _no_other(place: Place, found: re.Match[str]) -> bool:
    known = [place.relation(table) for table in place.renaming.tables]
    return place.connection is None or not place.holds(
        REFERENCES, table=place.relation(found["table"]), known=known
    )


def _exists(place: Place, found: re.Match[str]) -> bool:
    return place.holds("SELECT WHERE to_regclass(:name) IS NOT NULL", name=place.relation(found["name"]))


def _partitioned(place: Place, found: re.Match[str]) -> bool:
    query = "SELECT FROM pg_partitioned_table WHERE partrelid = to_regclass(:name)"
    return place.holds(query, name=place.relation(found["table"]))


def _not_partitioned(place: Place, found: re.Match[str]) -> bool:
    return place.connection is None or not _partitioned(place, found)


def _key(place: Place, found: re.Match[str]) -> bool:
    types = found["types"].split(" or ")
    return {place.renaming.keys.get(each, each) for each in types} <= set(types)


def _plain_names(place: Place, _found: re.Match[str]) -> bool:
    return not place.renaming.schema and not place.renaming.quotes


def _server(place: Place, found: re.Match[str]) -> bool:
    query = "SELECT WHERE current_setting('server_version_num')::integer >= CAST(:version AS integer) * 10000"
    return place.holds(query, version=found["version"])


def _alembic(_place: Place, found: re.Match[str]) -> bool:
    have, want = (tuple(map(int, v.split(".")[:2])) for v in (alembic.__version__, found["version"]))
    return have >= want


def _transactions(place: Place, _found: re.Match[str]) -> bool:
    # What migrate.run.migrations runs is so.
    said = r"transaction_per_migration\W+True|migrate\.run\.migrations import"
    return bool(re.search(said, place.environment))


Rule = Callable[[Place, re.Match[str]], bool]

# The sentences that are checked, by their pattern.
RULES: Mapping[str, Rule] = {
    r"(?P<table>\w+)\.(?P<column>\w+) is (?P<what>[\w ()\[\]]+)": _column,
    r"no index on (?P<table>\w+)\.(?P<column>\w+)(?: but of (?P<but>\w+))?": _no_index,
    r"no default on (?P<table>\w+)\.(?P<column>\w+)": _no_default,
    r"no valid CHECK on (?P<table>\w+)\.(?P<column>\w+)": _no_check,
    r"no trigger on (?P<table>\w+) sets (?P<column>\w+)": _no_touch,
    r"(?P<name>(?:pk|fk|uq|ck|idx)_\w+) on (?P<table>\w+)": _there,
    r"(?P<table>\w+)\.(?P<column>\w+) refers to (?P<other>\w+)": _refers,
    r"no other table that refers to (?P<table>\w+)": _no_other,
    r"(?P<name>\w+) exists": _exists,
    r"(?P<table>\w+) is partitioned": _partitioned,
    r"(?P<table>\w+) is not partitioned": _not_partitioned,
    r"key (?P<types>\w+(?: or \w+)*)(?:,.*)?": _key,
    r"names that need neither quotes nor a schema(?:,.*)?": _plain_names,
    r"PostgreSQL (?P<version>\d+)": _server,
    r"Alembic (?P<version>\d+\.\d+)": _alembic,
    r"transaction_per_migration": _transactions,
}


def broken(lines: Iterable[str], place: Place) -> Iterator[str]:
    """Yield each sentence of `Needs:` lines that does not hold, with the new names."""
    for sentence in dict.fromkeys(s for line in lines for s in sentences(line)):
        for pattern, rule in RULES.items():
            if (found := re.fullmatch(pattern, sentence)) and not rule(place, found):
                yield place.shown(sentence)


def left_to_people(lines: Iterable[str]) -> list[str]:
    """Return the sentences of `Needs:` lines that no rule checks."""
    known = [AFTER.pattern, *RULES]
    said = dict.fromkeys(sentence for line in lines for sentence in sentences(line))
    return [sentence for sentence in said if not any(re.fullmatch(rule, sentence) for rule in known)]


def missing(names: Iterable[Name], place: Place) -> Iterator[str]:
    """Yield each object of an `Adapt:` line that does not exist, and each new one that exists already."""
    for name in names:
        table = place.relation(name.table or name.text)
        what = f"{place.renaming.new(name.table)}.{place.renaming.new(name.text)}" if name.table else table
        match name.kind:
            case "table":
                found = place.holds("SELECT WHERE to_regclass(:name) IS NOT NULL", name=table)
            case "column":
                found = place.holds(f"SELECT {COLUMN}", table=table, column=place.renaming.new(name.text))
            case "key" if not name.new:
                kind = place.renaming.keys.get(name.text, name.text)
                query = f"SELECT {COLUMN} AND format_type(atttypid, atttypmod) = :type"
                if not place.holds(query, table=table, column=place.renaming.id, type=kind):
                    yield f"{table}.{place.renaming.id} is not {kind}"
                continue
            case _:
                continue
        if place.connection is not None and found == name.new:
            yield f"{what} exists already" if found else f"there is no {what}"

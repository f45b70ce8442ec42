"""Print what the atlas is made of, as JSON: the chain, and what it does. `make atlas` calls it.

It runs in a generated backend that has the chain, and imports that one's packages. The chain runs
once on the embedded server with rows of the sample in its tables. Each statement is watched as the
ledger watches it; before and after each revision its tables are read.
"""

import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import psycopg
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import URL

from database import ROOT
from migrate.chain import FIELDS, Revision, project_config, revisions
from migrate.find import FILLERS, SCENARIOS, STEP, WEIGHTS, grouped
from migrate.index import parts_of
from migrate.ledger.locks import MODES, blocked_by
from migrate.ledger.measure import Run, Session
from migrate.ledger.record import NAME, find, load
from migrate.target import scratch_server
from models import sample
from postgres.scratch import scratch_database

SAMPLE_ROWS = 100  # of each table
SHOWN_ROWS = 10  # of a table, on a page
FEWEST_ROWS = 3  # where there are as many
STILL_ROWS = 3  # of those, that stay as they are
SHOWN_BACK = 4  # of those that the downgrade does not bring back as they were
SHOWN_COLUMNS = 6
LONG = 32  # characters of a value that are shown

# The rows that real tables hold and recipes forget, by their ids.
AWKWARD = {str(row["id"]) for table in sample.TABLES.values() for row in table["awkward"] if "id" in row}

# What a table is called that keeps Alembic's own state.
VERSIONS = "alembic_version"

TABLES = """
    SELECT c.oid, CASE WHEN n.nspname = ANY (current_schemas(false)) THEN c.relname
            ELSE n.nspname || '.' || c.relname END AS name, n.nspname, c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> %s
        AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
    ORDER BY 2
"""
COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod), attnotnull
    FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
KEY = """
    SELECT attname FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = %s AND i.indisprimary ORDER BY place
"""
# What a table has beside its columns, and how each is written.
OBJECTS = """
    SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid = %(oid)s AND contype IN ('c', 'f', 'u', 'p', 'x')
    UNION ALL SELECT 'index', indexrelid::regclass::text,
        regexp_replace(pg_get_indexdef(indexrelid), '^CREATE (UNIQUE )?INDEX \\S+ ON (ONLY )?\\S+ ', '\\1')
            || CASE WHEN indisvalid THEN '' ELSE ' (not valid)' END
        FROM pg_index i WHERE indrelid = %(oid)s
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
    UNION ALL SELECT 'trigger', tgname,
        regexp_replace(pg_get_triggerdef(oid), '^CREATE TRIGGER \\S+ | FOR EACH ROW| ON \\S+', '', 'g')
        FROM pg_trigger WHERE tgrelid = %(oid)s AND NOT tgisinternal
    ORDER BY 1, 2
"""


@dataclass
class Table:
    """A table at one moment.

    Attributes:
        name: as a query writes it.
        columns: the type of each.
        key: the columns of its primary key.
        rows: each by its key, as texts.
        objects: constraints, indexes and triggers, by kind and name.
    """

    name: str
    columns: dict[str, str]
    key: list[str]
    rows: dict[tuple[str | None, ...], dict[str, str | None]] = field(default_factory=dict)
    objects: dict[tuple[str, str], str] = field(default_factory=dict)


Tables = dict[int, Table]


def see(connection: psycopg.Connection[Any]) -> Tables:
    """Read every table, on a connection that stays as it was."""
    found = {}
    connection.execute("SET LOCAL timezone = 'UTC'")
    for oid, name, schema, plain in connection.execute(TABLES, [VERSIONS]).fetchall():
        described = connection.execute(COLUMNS, [oid]).fetchall()
        columns = {column: f"{kind}{' NOT NULL' if required else ''}" for column, kind, required in described}
        key = [column for (column,) in connection.execute(KEY, [oid])] or list(columns)
        table = Table(name, columns, key)
        texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column)) for column in columns)
        query = sql.SQL("SELECT {} FROM {}").format(texts, sql.Identifier(schema, plain))
        for values in connection.execute(query):
            row = dict(zip(columns, values, strict=True))
            table.rows[tuple(row[column] for column in key)] = row
        for kind, label, definition in connection.execute(OBJECTS, {"oid": oid}):
            table.objects[kind, label] = definition
        found[oid] = table
    return found


class Watched(Session):
    """The ledger's session, which also keeps the statements, and what a downgrade leaves."""

    def __init__(self, url: URL, scripts: ScriptDirectory) -> None:
        super().__init__(url, scripts, None, SAMPLE_ROWS, timed=False)
        self.texts: list[str] = []
        self.left: Tables = {}

    def now(self) -> Tables:
        """Return the tables as they are."""
        found = see(self._driver)
        self._driver.rollback()
        return found

    def _observe(self, run: Run, statement: str, execute: Callable[[], object]) -> None:
        super()._observe(run, statement, execute)
        self.texts.append(statement)

    def _alembic(self, step: RevisionStep) -> None:
        super()._alembic(step)
        if step.is_downgrade:
            self.left = see(self._driver)  # before it is rolled back


def main() -> None:
    """Print the facts."""
    config = project_config()
    scripts = ScriptDirectory.from_config(config)
    chain = revisions(scripts)
    began = datetime.now(UTC)
    with scratch_database(scratch_server()) as url, closing(Watched(url, scripts)) as session:
        server = version(url)
        seen = [watch(session, revision, began) for revision in chain]
    written = {direction: emitted(scripts, chain, direction) for direction in ("upgrade", "downgrade")}
    record = load(chain[0].path.with_name(NAME)) if chain else {}
    titles = parts_of(chain)
    told = [
        {
            **said(revision),
            "part": titles[revision.id],
            "sql": {direction: texts.get(revision.id, []) for direction, texts in written.items()},
            "ledger": find(record, revision),
            **what,
        }
        for revision, what in zip(chain, seen, strict=True)
    ]
    found = {"server": server, "search": searched(chain), "revisions": told}
    json.dump(found, sys.stdout, ensure_ascii=False, indent=1)


def searched(chain: Sequence[Revision]) -> dict[str, Any]:
    """Return what `python -m migrate find` goes by: the atlas searches by the same."""
    groups = tomllib.loads(chain[0].path.with_name(SCENARIOS).read_text(encoding="utf-8"))
    scenarios = {one.slug: {"title": one.title, "text": one.text} for one in grouped(chain, groups)}
    return {"fillers": sorted(FILLERS), "weights": WEIGHTS, "scenarios": scenarios}


def version(url: URL) -> str:
    """Return the server's version, as "18.6"."""
    with psycopg.connect(
        url.set(drivername="postgresql").render_as_string(hide_password=False)
    ) as connection:
        [[full]] = connection.execute("SHOW server_version").fetchall()
    return str(full).split()[0]


def said(revision: Revision) -> dict[str, Any]:
    """Return what a revision's file says."""
    script = revision.script
    names = "|".join([*FIELDS, "Needs", "Adapt", "Allow", "Revision ID", "Part"])
    prose = re.split(rf"^(?:{names}):", script.longdoc, maxsplit=1, flags=re.M)[0]
    step = STEP.search(revision.fields.get("Scenario", ""))
    paragraphs = [" ".join(paragraph.split()) for paragraph in prose.split("\n\n") if paragraph.strip()]
    return {
        "id": revision.id,
        "slug": revision.slug,
        "path": revision.path.relative_to(ROOT).as_posix(),
        "parents": list(revision.parents),
        "needs": list(revision.needs),
        "summary": revision.summary,
        "step": step["step"] if step else "",
        "prose": [paragraph for paragraph in paragraphs if paragraph != revision.summary],
        "fields": revision.fields,
        "reversible": revision.reversible,
        "lossless": revision.lossless,
        "autocommit": {way: revision.autocommit(way) for way in ("upgrade", "downgrade")},
        "source": revision.path.read_text(encoding="utf-8"),
    }


def emitted(scripts: ScriptDirectory, chain: Iterable[Revision], direction: str) -> dict[str, list[str]]:
    """Return the SQL that `--sql` writes for each revision, by its id, without what the guard adds."""
    order = list(chain)[:: 1 if direction == "upgrade" else -1]
    order = [revision for revision in order if direction == "upgrade" or revision.reversible]
    make = (
        MigrationStep.upgrade_from_script if direction == "upgrade" else MigrationStep.downgrade_from_script
    )
    found = {}
    for revision in order:
        step = make(scripts.revision_map, revision.script)

        def take(
            _heads: object, context: MigrationContext, step: RevisionStep = step
        ) -> Iterable[RevisionStep]:
            context.opts["settings"] = None
            return [step]

        written = StringIO()
        before = step.from_revisions_no_deps if direction == "downgrade" else revision.parents
        with EnvironmentContext(
            project_config(),
            scripts,
            fn=take,
            as_sql=True,
            starting_rev=tuple(before) or None,
            output_buffer=written,
        ):
            scripts.run_env()
        found[revision.id] = own(written.getvalue())
    return found


# What Alembic and the guard write around the statements of a revision.
AROUND = re.compile(
    rf"(?:BEGIN|COMMIT);|(?:CREATE TABLE|INSERT INTO|UPDATE|DELETE FROM|DROP TABLE) {VERSIONS}\b"
    r"|DO \$\$ BEGIN PERFORM set_config|SET (?:lock|statement)_timeout = '\d+ms';|-- Running "
    r"|SET CONSTRAINTS ALL IMMEDIATE;$"  # the ledger's
)


def own(written: str) -> list[str]:
    """Return the statements of a revision out of what `--sql` has written."""
    statements = re.split(r"(?<=;)\n\n(?=\S)|^-- Running.*\n\n", written, flags=re.M)
    return [text.strip() for text in statements if text.strip() and not AROUND.match(text.strip())]


def watch(session: Watched, revision: Revision, began: datetime) -> dict[str, Any]:
    """Run a revision, and return what it does."""
    before = session.now()
    session.texts.clear()
    run = session.move(revision, "upgrade")
    texts = list(session.texts)
    after = session.now()
    session.fill()
    left = None
    if revision.reversible:
        keep = revision.autocommit("downgrade")
        session.move(revision, "downgrade", observed=False, keep=keep)
        left = session.left
        if keep:
            session.move(revision, "upgrade", observed=False)
    masked = Mask(began, before)
    return {
        "statements": [
            {
                "sql": text,
                "locks": strongest_first(statement.locks),
                "rewrites": statement.rewritten,
                "scans": statement.read,
                "builds": sorted(statement.built),
            }
            for text, statement in zip(texts, run.statements, strict=True)
            if not AROUND.match(f"{text.strip()};")
        ],
        "rows": compare(before, after, left, masked, set(re.findall(r"\w+", " ".join(texts)))),
        "objects": objects(after),
    }


def strongest_first(locks: Mapping[str, str]) -> list[dict[str, str | None]]:
    """Return locks in an order that is the same each time, with what waits for each."""
    order = sorted(locks.items(), key=lambda lock: (-MODES.index(lock[1]), lock[0]))
    return [{"table": table, "mode": mode, "blocks": blocked_by(mode)} for table, mode in order]


def objects(tables: Tables) -> dict[str, dict[str, str]]:
    """Return what each table has, by its name: columns, constraints, indexes and triggers."""
    found = {}
    for table in tables.values():
        columns = {f"column {name}": kind for name, kind in table.columns.items()}
        others = {f"{kind} {name}": definition for (kind, name), definition in table.objects.items()}
        found[table.name] = columns | others
    return found


class Mask:
    """Shows values, short, and so that they are the same the next time."""

    def __init__(self, began: datetime, before: Tables) -> None:
        self._began = began
        self._known = {
            value for table in before.values() for row in table.rows.values() for value in row.values()
        }

    def __call__(self, value: str | None) -> str | None:
        if value is None:
            return None
        if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value):
            return f"{value[:8]}…" if value in self._known or value[14] != "4" else "a new uuid"
        if re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", value):
            moment = datetime.fromisoformat(re.sub(r"\+00$", "+00:00", value))
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            if self._began <= moment <= datetime.now(UTC):
                return "now()"
        return value if len(value) <= LONG else f"{value[: LONG - 12]}… ({len(value)} characters)"


def compare(
    before: Tables, after: Tables, left: Tables | None, shown: Mask, words: set[str]
) -> list[dict[str, Any]]:
    """Return the tables whose rows or columns a revision changes, with some of their rows.

    Args:
        before: the tables before it.
        after: the tables after it.
        left: the tables after its downgrade, if it has one.
        shown: makes a value presentable.
        words: those of its SQL; the columns that it speaks of are shown too.
    """
    found = []
    for oid in dict.fromkeys([*before, *after]):
        was, is_ = before.get(oid), after.get(oid)
        old = was.rows if was else {}
        new = is_.rows if is_ else {}
        was_columns, is_columns = (was.columns if was else {}), (is_.columns if is_ else {})
        changed = {
            column
            for key in old.keys() & new.keys()
            for column in was_columns.keys() & is_columns.keys()
            if old[key][column] != new[key][column]
        }
        retyped = {c for c in was_columns.keys() & is_columns.keys() if was_columns[c] != is_columns[c]}
        added, removed = is_columns.keys() - was_columns.keys(), was_columns.keys() - is_columns.keys()
        came, went = new.keys() - old.keys(), old.keys() - new.keys()
        if not (changed or came or went or (was and is_ and (retyped or added or removed))):
            continue
        table = is_ or was
        assert table
        moved = changed | retyped | added | removed
        every = {**was_columns, **is_columns}
        columns, label = chosen(table, every, moved, words, whole=bool(came or went))
        rows = [
            row(old.get(key), new.get(key), columns, label, shown) | {"key": key} for key in {**old, **new}
        ]
        found.append(
            {
                "table": table.name,
                "was": was.name if was and is_ and was.name != is_.name else None,
                "columns": [
                    {
                        "name": column,
                        "was": was_columns.get(column),
                        "is": is_columns.get(column),
                    }
                    for column in columns
                ],
                "counts": {
                    "rows": len(new),
                    "changed": sum(old[key] != new[key] for key in old.keys() & new.keys()) if changed else 0,
                    "added": len(came),
                    "removed": len(went),
                },
                "rows": [{"state": row["state"], "cells": row["cells"]} for row in telling(rows)],
                "back": lost(was, left.get(oid) if left is not None else None, shown)
                if was and left is not None
                else None,
            }
        )
    return found


def chosen(
    table: Table, every: Mapping[str, str], moved: set[str], words: set[str], *, whole: bool
) -> tuple[list[str], str | None]:
    """Return the columns to show, and the one of them that only tells one row from another.

    Args:
        table: with its rows.
        every: its columns, with those that it has had or is to have.
        moved: the columns that change.
        words: those of the SQL.
        whole: rows come or go, so that more of each is worth seeing.
    """
    of_text = [column for column, kind in every.items() if re.match(r"text\b(?!\[)|character|citext", kind)]
    distinct = {c: len({row.get(c) for row in table.rows.values()}) for c in of_text}
    key = [c for c in table.key if not every[c].startswith("uuid")]
    label = key[0] if key else max(of_text, key=lambda c: distinct[c], default=table.key[0])
    told = [c for c in every if c in moved or (c in words and c not in table.key)]
    if whole:
        told += [c for c in every if c not in told and c not in table.key]
    elif len(told) > SHOWN_COLUMNS:
        told = [c for c in told if c in moved]
    if label in told:
        return told[:SHOWN_COLUMNS], None
    return [label, *told][:SHOWN_COLUMNS], label


def row(
    old: Mapping[str, str | None] | None,
    new: Mapping[str, str | None] | None,
    columns: Iterable[str],
    label: str | None,
    shown: Mask,
) -> dict[str, Any]:
    """Return a row as it is shown: for each column what it was and what it is."""
    cells = []
    odd = 0
    for column in columns:
        pair: list[dict[str, str | None]] = []
        for side in (old, new):
            if side is None or column not in side:
                pair.append({})
            else:
                pair.append({"value": shown(side[column])})
                odd += is_odd(side[column])
        cells.append(pair)
    changes = any(was != is_ for was, is_ in cells)
    state = "gone" if new is None else "new" if old is None else "changed" if changes else "same"
    said = [cell for column, cell in zip(columns, cells, strict=True) if column != label]
    return {"state": state, "cells": cells, "odd": odd, "said": json.dumps(said, ensure_ascii=False)}


def is_odd(value: str | None) -> bool:
    """Whether recipes forget a value like this one."""
    return not value or value != value.strip() or not value.isascii() or len(value) > LONG


def telling(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows that say most: awkward ones first, and those that say the same only to fill up."""
    ranked = sorted(
        rows,
        key=lambda row: (
            AWKWARD.isdisjoint(row["key"]),
            -row["odd"],
            row["said"],
            json.dumps(row["cells"], ensure_ascii=False),
        ),
    )
    first: dict[str, dict[str, Any]] = {}
    for row in ranked:
        first.setdefault(row["said"], row)
    moved = [row for row in first.values() if row["state"] != "same"]
    still = [row for row in first.values() if row["state"] == "same" and AWKWARD.intersection(row["key"])]
    found = moved[: max(SHOWN_ROWS - len(still), SHOWN_ROWS - STILL_ROWS)]
    found += still[: SHOWN_ROWS - len(found)]
    found += [row for row in ranked if row not in found][: max(0, FEWEST_ROWS - len(found))]
    return found


def lost(was: Table, left: Table | None, shown: Mask) -> dict[str, Any]:
    """Return in which rows a table is another than it was, once the downgrade has run."""
    now = left.rows if left else {}
    differing = []
    for key, old in was.rows.items():
        new = now.get(key)
        columns = [c for c in old if new is None or new.get(c) != old[c]]
        if columns:
            differing.append((key, columns, old, new))
    differing.sort(key=lambda found: (AWKWARD.isdisjoint(found[0]), str(found[1]), str(found[2])))
    extra = len(now.keys() - was.rows.keys())
    return {
        "rows": len(was.rows),
        "differ": len(differing),
        "extra": extra,
        "examples": [
            {
                "column": columns[0],
                "was": shown(old[columns[0]]),
                "is": shown(new.get(columns[0])) if new is not None else None,
                "gone": new is None,
            }
            for _, columns, old, new in differing[:SHOWN_BACK]
        ],
    }


if __name__ == "__main__":
    main()

"""What autogenerate promises for any models and any change to them, asked of a real server.

A draw costs a second: it runs in this process, on copies of one database.

    python -m tests.machinery.promise --draws 2000 --seed 1
"""

import argparse
import collections
import contextlib
import difflib
import io
import logging
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from tests.machinery import backend  # isort: skip  (it brings what the others import)
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import registry
from sqlalchemy.schema import CreateSchema

from database import Base
from migrate.autogenerate import load
from migrate.sample import fill
from tests.machinery import kept
from tests.machinery.drawn import Models, changed, drawn_models, quoted
from tests.machinery.kept import Place, Rows
from tests.machinery.support import Database, Server, write_chain

# What autogenerate refuses, by what it says.
REFUSED = {
    "primary key": "the primary key",
    "generated": "PostgreSQL cannot change that",
    "labels": "Autogenerate only adds labels",
}
# What a revision says that may fail on rows, by the SQLSTATE of the failure, or its class.
FAILS = {
    "22": "fails if a value",
    "23502": "fails if .* has rows",
    "23503": "fails if rows break",
    "23505": "the build fails if rows have the same values",
    "23514": "fails if (rows break|a value)",
    "42601": "fails if a value",  # of a text that is no hstore
}
NEVER = "(?!)"
ROWS = 4
# How many changes of the same models are tried at most.
CASES = 3
# What the partition of a partitioned table is called.
REST = "rest of"
EMPTY = """
    DO $$ DECLARE name text; BEGIN
        SELECT string_agg(oid::regclass::text, ', ') INTO name FROM pg_class
        WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
            AND relname <> 'alembic_version';
        IF name IS NOT NULL THEN EXECUTE 'TRUNCATE ' || name || ' CASCADE'; END IF;
    END $$
"""


def sqlstate(error: BaseException | None) -> str:
    """Return the code of the server's error behind another error; empty if there is none."""
    while error and not isinstance(error, DBAPIError):
        error = error.__cause__ or error.__context__
    return str(getattr(error.orig, "sqlstate", "")) if isinstance(error, DBAPIError) else ""


def unwrapped(source: str) -> str:
    """Return a revision with each remark on one line."""
    return re.sub(r"\n +# (?!REVIEW|   )", " ", source)


class RefusedError(Exception):
    """Autogenerate has said that it writes nothing, and what to do."""


@contextlib.contextmanager
def standing(metadata: MetaData) -> Iterator[None]:
    """Have these be the models of the backend."""
    with mock.patch.multiple(Base, metadata=metadata, registry=registry(metadata=metadata)):
        yield


def expect(difference: str, what: str) -> None:
    """Fail where there is a difference."""
    assert not difference, f"{what}:\n{difference}"


@dataclass(frozen=True)
class Start:
    """What changes of models begin with.

    Attributes:
        models: the models before.
        empty: the database.
        filled: a database with rows.
        revision: the revision of both.
        schema: their schema.
        rows: the rows.
        files: the files of the history.
    """

    models: Models
    empty: str
    filled: str
    revision: str
    schema: str
    rows: Rows
    files: frozenset[Path]


class Promise:
    """Databases at an empty revision, and what is tried on them."""

    def __init__(self, server: Server) -> None:
        load()  # before others take the models' place
        self.server = server
        template = server.create(kept=True)
        self.folder = Path(tempfile.mkdtemp())
        command.upgrade(self.config(template), "head")
        self.template = str(template.url.database)
        self.outcomes: collections.Counter[str] = collections.Counter()

    def close(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.folder)

    def config(self, database: Database) -> Config:
        """Return the configuration of a history whose first revision does nothing."""
        ini = self.folder / "alembic.ini"
        if not ini.exists():
            write_chain(self.folder, "SELECT 1")
            ini.write_text(ini.read_text().replace("hooks = lint, format", "hooks ="))
        config = Config(ini, stdout=io.StringIO(), output_buffer=io.StringIO())
        config.attributes["connection"] = database.engine
        return config

    def hold(self, before: Models, *changed: Models) -> None:
        """Try changes of models, and fail where autogenerate does not do what it promises."""
        self._remove(self._files())
        try:
            start = self._start(before)
            for after in changed:
                self._remove(set(self._files()) - start.files)
                try:
                    self._hold(start, after)
                except RefusedError as refusal:
                    self.outcomes[f"refused: {refusal}"] += 1
                else:
                    self.outcomes["held"] += 1
        finally:
            self.server.drop_scratch()

    def _remove(self, files: Iterable[Path]) -> None:
        for file in files:
            file.unlink()
        shutil.rmtree(self.folder / "versions" / "__pycache__", ignore_errors=True)

    @property
    def written(self) -> list[str]:
        """The revisions of the last change."""
        return [file.read_text() for file in self._files()]

    def _files(self) -> list[Path]:
        return sorted((self.folder / "versions").glob("*_*.py"))

    def _start(self, before: Models) -> Start:
        """Make the tables of models, and put rows into them."""
        database = self.server.create(self.template)
        self._write(database, before, "first")
        command.upgrade(self.config(database), "head")
        self._agrees(database, before)
        for table in before.tables:
            if table.partitioned:
                place = f"{quoted(table.schema or 'public')}."
                rest, name = (f"{place}{quoted(each)}" for each in (f"{REST} {table.name}", table.name))
                database.execute(f"CREATE TABLE {rest} PARTITION OF {name} DEFAULT")
        filled = self.server.create(database.url.database)
        return Start(
            before,
            str(database.url.database),
            str(filled.url.database),
            database.heads()[0],
            schema(database),
            self._fill(filled, before),
            frozenset(self._files()),
        )

    def _hold(self, start: Start, after: Models) -> None:
        before, first, rows = start.models, start.revision, start.rows
        if {each.schema for each in before.tables} - {each.schema for each in after.tables} - {None}:
            raise RefusedError("tables of a schema that lost its last model are left alone")
        database = self.server.create(start.filled)
        try:
            self._write(database, after, "second")
        except CommandError as error:
            for kind, says in REFUSED.items():
                if says in str(error):
                    raise RefusedError(kind) from error
            raise
        staying = kept.staying(before.metadata, after.metadata)
        untouched = kept.untouched(before.metadata, after.metadata)
        try:
            command.upgrade(self.config(database), "head")
        except CommandError as error:
            said = self._said(database, error, "upgrade")
            # What an earlier revision of the change has touched is not compared.
            same = rows if database.heads() == [first] else rows.of(untouched)
            self._has_kept(database, same, "a revision that fails")
            self._goes_back(database, start, rows.of(untouched), untouched)
            self._upgrade_empty(database, said)
            rows = rows.of([])
        there = self._agrees(database, after, left=before)
        rows = self._has_kept(database, rows.of(staying), "the upgrade", "\n".join(self.written))
        config = self.config(database)
        config.output_buffer = output = io.StringIO()
        command.upgrade(config, f"{first}:head", sql=True)
        offline = self.server.create(start.empty)
        offline.psql(output.getvalue())
        expect(differences(there, schema(offline)), "the script of --sql makes something else")
        rows = self._goes_back(database, start, rows, untouched)
        try:
            command.upgrade(self.config(database), "head")
        except CommandError as error:
            self._upgrade_empty(database, self._said(database, error, "upgrade"))
            rows = rows.of([])
        expect(differences(there, schema(database)), "the second upgrade makes something else")
        self._has_kept(database, rows, "the second upgrade")

    def _write(self, database: Database, drawn: Models, name: str) -> None:
        """Write the revisions for models."""
        with standing(drawn.metadata):
            command.revision(self.config(database), message=name, autogenerate=True)

    def _fill(self, database: Database, drawn: Models) -> Rows:
        """Put rows into the tables, and return them."""
        with database.engine.connect() as connection, standing(drawn.metadata):
            fill(connection, ROWS)
            with contextlib.suppress(IntegrityError):  # of a deferred constraint: then there are no rows
                connection.commit()
        rows = kept.read(database)
        self.outcomes["rows"] += sum(len(rows.values[place]) for place in rows.values if place[2] == "id")
        return rows

    def _agrees(self, database: Database, drawn: Models, left: Models | None = None) -> str:
        """Fail where the database has not what the models say; return its schema."""
        with standing(drawn.metadata):
            command.check(self.config(database))
        found = schema(database)
        expect(differences(self._made(drawn, left), found), "create_all makes something else")
        return found

    def _has_kept(self, database: Database, rows: Rows, what: str, written: str | None = None) -> Rows:
        """Fail where values are lost; return those that a downgrade must leave.

        Args:
            database: the database.
            rows: the rows that were there.
            what: what was done.
            written: the revisions, which must say which values they alter.
        """
        left = kept.left(database, rows)
        expect("\n".join([*left.lost, *kept.used_again(database, rows)]), f"{what} lost values")
        for _, table, column in left.altered if written is not None else ():
            says = rf"REVIEW: .*{re.escape(table)}\.{re.escape(column)}.* (round|cut)"
            assert re.search(says, unwrapped(written or "")), f"{what} alters values of {table}.{column}"
        return left.back

    def _goes_back(self, database: Database, start: Start, rows: Rows, untouched: set[Place]) -> Rows:
        """Downgrade, and fail where something else is restored; return the rows that are there."""
        try:
            command.downgrade(self.config(database), start.revision)
        except CommandError as error:
            self._said(database, error, "downgrade")
            self._has_kept(database, rows.of(untouched), "a downgrade that fails")
            database.execute(EMPTY)
            command.downgrade(self.config(database), start.revision)
            rows = rows.of([])
        back = differences(without_labels(start.schema), without_labels(schema(database)))
        expect(back, "the downgrade restores something else")
        self._has_kept(database, rows, "the downgrade")
        return rows

    def _upgrade_empty(self, database: Database, said: str) -> None:
        """Upgrade without rows, where it has failed with rows."""
        database.execute(EMPTY)
        try:
            command.upgrade(self.config(database), "head")
        except CommandError as error:
            if "fails as it stands" in said:
                raise RefusedError("a type without a cast") from error
            raise

    def _said(self, database: Database, error: CommandError, function: str) -> str:
        """Fail where a revision has failed and does not say that it may; return what it says."""
        code = sqlstate(error)
        [head] = database.heads()
        known = rf"^{'down_' * (function == 'upgrade')}revision = '{head}'$"
        [source] = [each for each in self.written if re.search(known, each, re.M)]
        body = unwrapped(source.partition(f"def {function}()")[2].partition("\ndef ")[0])
        fails = FAILS.get(code) or FAILS.get(code[:2]) or NEVER
        if not re.search(rf"REVIEW: ({fails}|fails as it stands)", body):
            raise AssertionError(f"{function} fails, and its revision does not say so: {code}") from error
        self.outcomes[f"{function} fails as it says: {code}"] += 1
        return body

    def _made(self, drawn: Models, left: Models | None) -> str:
        """Return the schema that `create_all` makes, with what no change takes away."""
        database = self.server.create(self.template)
        with database.engine.begin() as connection:
            for extension in ("citext", "hstore"):
                if any(
                    extension in str(column.type).lower()
                    for each in (drawn, left)
                    if each
                    for table in each.metadata.tables.values()
                    for column in table.columns
                ):
                    connection.execute(text(f"CREATE EXTENSION {extension}"))
            for each in filter(None, (drawn, left)):
                for name in schemas(each.metadata):
                    connection.execute(CreateSchema(name, if_not_exists=True))
            if "good mood" in {column.kind for table in drawn.tables for column in table.columns}:
                drawn.enum("mood").create(connection, checkfirst=True)  # SQLAlchemy makes the domain first
            for table in drawn.metadata.tables.values():
                for index in table.indexes:  # create_all is one transaction
                    index.dialect_options["postgresql"]["concurrently"] = False
            drawn.metadata.create_all(connection)
            if left:
                kinds = {column.kind for table in left.tables for column in table.columns}
                for name in kinds & {"email", "share", "good mood", "tags"}:
                    left.enum("mood").create(connection, checkfirst=True) if name == "good mood" else None
                    left.domain(name).create(connection, checkfirst=True)
                if "Colour" in kinds and "My Schema" not in {table.schema for table in drawn.tables}:
                    left.enum("Colour").create(connection, checkfirst=True)  # that schema is left alone
                for item in left.metadata._sequences.values():
                    item.create(connection, checkfirst=True)
        return schema(database)


def schema(database: Database) -> str:
    """Return the schema of a database, without the partitions, whose indexes the server names."""
    statements = re.split(r"(?<=;)\n", database.schema())
    return "\n".join(each for each in statements if f'"{REST} ' not in each)


def schemas(metadata: MetaData) -> set[str]:
    found = {table.schema for table in metadata.tables.values()}
    for table in metadata.tables.values():
        for column in table.columns:
            type_ = getattr(column.type, "item_type", column.type)
            found |= {getattr(type_, "schema", None)}
    return {each for each in found if each}


def without_labels(schema: str) -> str:
    """Return a schema without the labels of its enums, which no downgrade takes away."""
    return re.sub(r"(CREATE TYPE [^\n]+ AS ENUM \().*?\n\)", r"\1)", schema, flags=re.S)


def same_lists(schema: str) -> str:
    """Return a schema with each IN of a varchar in one form: after ALTER … TYPE PostgreSQL prints another."""
    one_by_one = re.sub(r"\(('(?:[^']|'')*'::character varying)\)::text", r"\1", schema)
    return re.sub(r"\((ARRAY\['[^\]]*'::character varying\])\)::text\[\]", r"\1", one_by_one)


def differences(one: str, other: str) -> str:
    """Return what two schemas differ in, the order of statements and columns aside."""
    first, second = (
        sorted(line.rstrip(",") for line in same_lists(each).splitlines()) for each in (one, other)
    )
    return "\n".join(difflib.unified_diff(first, second, lineterm="", n=0))


@st.composite
def change(draw: st.DrawFn) -> tuple[Models, ...]:
    """Draw models, and what becomes of them in some cases."""
    before = draw(drawn_models())
    return before, *draw(st.lists(changed(before), min_size=1, max_size=CASES))


def main() -> int:
    """Try many changes, and print those that do not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000, help="how many models, each with some changes")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so many")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--shrink", action="store_true", help="make the first that does not hold small")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(f"seed {options.seed}", flush=True)
    promise = Promise(Server())
    drawn: set[str] = set()
    faults: collections.Counter[str] = collections.Counter()
    begun = time.monotonic()

    @seeded(options.seed)
    @settings(
        max_examples=options.draws, deadline=None, database=None, print_blob=False,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink][: 1 + options.shrink],
        report_multiple_bugs=False,
    )  # fmt: skip
    @given(change())
    def run(each: tuple[Models, ...]) -> None:
        if time.monotonic() - begun > options.minutes * 60:
            raise KeyboardInterrupt
        if not options.shrink and repr(each) in drawn:
            return
        drawn.add(repr(each))
        try:
            promise.hold(*each)
        except Exception as error:
            if options.shrink:
                raise
            said = traceback.format_exc()
            faults[str(error)[:80]] += 1
            if faults[str(error)[:80]] == 1:
                print(*each, *promise.written, said, sep="\n\n", flush=True)

    try:
        with contextlib.suppress(KeyboardInterrupt):
            run()
    finally:
        tried = sum(
            count for outcome, count in promise.outcomes.items() if outcome.startswith(("held", "refused"))
        )
        took = (time.monotonic() - begun) / (tried or 1)
        print(f"seed {options.seed}: {len(drawn)} models, {tried} changes, {took:.2f} s each")
        print(f"faults: {dict(faults)}")
        print(
            *sorted(f"{count:7} {outcome}" for outcome, count in promise.outcomes.items()),
            sep="\n",
            flush=True,
        )
        promise.close()
        backend.leave(promise.server.drop_all)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())

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
from collections.abc import Iterator
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
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import registry
from sqlalchemy.schema import CreateSchema

from database import Base
from migrate.autogenerate import load
from migrate.sample import fill
from tests.machinery.drawn import Models, changed, drawn_models
from tests.machinery.support import Database, Server, write_chain

# What autogenerate refuses, by what it says.
REFUSED = {
    "primary key": "the primary key",
    "generated": "PostgreSQL cannot change that",
    "labels": "Autogenerate only adds labels",
}
EMPTY = """
    DO $$ DECLARE name text; BEGIN
        SELECT string_agg(oid::regclass::text, ', ') INTO name FROM pg_class
        WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
            AND relname <> 'alembic_version';
        IF name IS NOT NULL THEN EXECUTE 'TRUNCATE ' || name || ' CASCADE'; END IF;
    END $$
"""


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


class Promise:
    """Databases at an empty revision, and what is tried on them."""

    def __init__(self, server: Server) -> None:
        load()  # before others take the models' place
        self.server = server
        template = server.create()
        server._scratch.pop()  # it stays until the end
        self.folder = Path(tempfile.mkdtemp())
        command.upgrade(self.config(template), "head")
        self.template = str(template.url.database)
        self.written: list[str] = []
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

    def hold(self, before: Models, after: Models) -> None:
        """Try a change, and fail where autogenerate does not do what it promises."""
        for file in (self.folder / "versions").glob("*_*.py"):
            file.unlink()
        shutil.rmtree(self.folder / "versions" / "__pycache__", ignore_errors=True)
        self.written.clear()
        try:
            self._hold(before, after)
        except RefusedError as refusal:
            self.outcomes[f"refused: {refusal}"] += 1
        else:
            self.outcomes["held"] += 1
        finally:
            self.server.drop_scratch()

    def _hold(self, before: Models, after: Models) -> None:
        database = self.server.create(self.template)
        start, _ = self._change(database, before, "first")
        if {each.schema for each in before.tables} - {each.schema for each in after.tables} - {None}:
            raise RefusedError("tables of a schema that lost its last model are left alone")
        [first] = database.heads()
        offline = self.server.create(database.url.database)
        with database.engine.connect() as connection, standing(before.metadata):
            fill(connection, 3)
            with contextlib.suppress(IntegrityError):  # of a deferred constraint: then there are no rows
                connection.commit()
        there, written = self._change(database, after, "second", left=before)
        [head] = database.heads()
        config = self.config(database)
        config.output_buffer = output = io.StringIO()
        command.upgrade(config, f"{first}:head", sql=True)
        offline.psql(output.getvalue())
        expect(differences(there, offline.schema()), "the script of --sql makes something else")
        try:
            command.downgrade(self.config(database), first)
        except CommandError:
            if "REVIEW: fails" not in written:
                raise
            database.execute(EMPTY)
            command.downgrade(self.config(database), first)
        back = differences(without_labels(start), without_labels(database.schema()))
        expect(back, "the downgrade restores something else")
        database.execute(EMPTY)
        command.upgrade(self.config(database), head)
        expect(differences(there, database.schema()), "the second upgrade makes something else")

    def _change(
        self, database: Database, drawn: Models, name: str, left: Models | None = None
    ) -> tuple[str, str]:
        """Write the revisions for models, and run them; return the schema then, and what they say."""
        config = self.config(database)
        files = set((self.folder / "versions").glob("*.py"))
        with standing(drawn.metadata):
            try:
                command.revision(config, message=name, autogenerate=True)
            except CommandError as error:
                for kind, says in REFUSED.items():
                    if left and says in str(error):
                        raise RefusedError(kind) from error
                raise
            new = sorted(set((self.folder / "versions").glob("*.py")) - files)
            source = "\n".join(file.read_text() for file in new)
            plain = re.sub(r"\n +# (?!REVIEW)", " ", source)
            self.written.append(source)
            try:
                command.upgrade(config, "head")
            except CommandError:
                if "REVIEW: fails" not in plain:
                    raise
                database.execute(EMPTY)
                try:
                    command.upgrade(config, "head")
                except CommandError as error:
                    if "REVIEW: fails as it stands" in plain:
                        raise RefusedError("a type without a cast") from error
                    raise
            command.check(config)
            found = database.schema()
            expect(differences(self._made(drawn, left), found), "create_all makes something else")
        return found, plain

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
                for schema in schemas(each.metadata):
                    connection.execute(CreateSchema(schema, if_not_exists=True))
            if "good mood" in {column.kind for table in drawn.tables for column in table.columns}:
                drawn.enum("mood").create(connection, checkfirst=True)  # SQLAlchemy makes the domain first
            for table in drawn.metadata.tables.values():
                for index in table.indexes:  # create_all is one transaction
                    index.dialect_options["postgresql"]["concurrently"] = False
            drawn.metadata.create_all(connection)
            if left:
                kinds = {column.kind for table in left.tables for column in table.columns}
                for name in kinds & {"email", "share", "good mood"}:
                    left.enum("mood").create(connection, checkfirst=True) if name == "good mood" else None
                    left.domain(name).create(connection, checkfirst=True)
                for item in left.metadata._sequences.values():
                    item.create(connection, checkfirst=True)
        return database.schema()


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


def differences(one: str, other: str) -> str:
    """Return what two schemas differ in, the order of statements and columns aside."""
    first, second = (sorted(line.rstrip(",") for line in each.splitlines()) for each in (one, other))
    return "\n".join(difflib.unified_diff(first, second, lineterm="", n=0))


@st.composite
def change(draw: st.DrawFn) -> tuple[Models, Models]:
    """Draw models, and what becomes of them."""
    before = draw(drawn_models())
    return before, draw(changed(before))


def main() -> int:
    """Try many changes, and print the first that does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--shrink", action="store_true", help="make the first that does not hold small")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(f"seed {options.seed}", flush=True)
    promise = Promise(Server())
    drawn = 0
    times: list[float] = []

    @seeded(options.seed)
    @settings(
        max_examples=options.draws, deadline=None, database=None, print_blob=False,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink][: 1 + options.shrink],
        report_multiple_bugs=False,
    )  # fmt: skip
    @given(change())
    def run(each: tuple[Models, Models]) -> None:
        nonlocal drawn
        drawn += 1
        begun = time.monotonic()
        try:
            promise.hold(*each)
        except Exception:
            if options.shrink:
                raise
            print(*each, *promise.written, traceback.format_exc(), sep="\n\n", file=sys.stdout, flush=True)
            raise KeyboardInterrupt from None
        times.append(time.monotonic() - begun)

    try:
        with contextlib.suppress(KeyboardInterrupt):
            run()
    finally:
        print(
            f"{drawn} draws, {dict(promise.outcomes)}, {sum(times) / (len(times) or 1):.1f} s each",
            flush=True,
        )
        promise.close()
        backend.leave(promise.server.drop_all)
    return 0


if __name__ == "__main__":
    sys.exit(main())

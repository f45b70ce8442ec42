"""The databases of the tour: one for each chapter, filled, and a copy of it for each scene."""

from contextlib import closing
from dataclasses import dataclass, replace

import psycopg
from sqlalchemy import URL, NullPool

from database import make_engine
from lab.copies import Copies
from lab.tour.chapters import Chapter
from lab.tour.scene import Codes, Scene
from lab.tour.ways import Alembic, Migration, Naive
from lab.traffic.chain import Walk
from lab.traffic.drive import Load
from lab.traffic.schema import Code, Schema
from lab.twins import Twin, twins
from migrate.chain import revisions
from migrate.sample import fill
from migrate.sample.described import read
from postgres.client import parameters

OTHERS = 1000  # rows of each other table

END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = ANY (%s) AND application_name NOT LIKE 'lab %%'
"""


class StageError(Exception):
    """Something of the tour failed that should not. The message is one line."""


@dataclass(frozen=True)
class Prepared:
    """A chapter's database before the change, which is copied for each scene, and what goes with it."""

    chapter: Chapter
    url: URL
    rows: int
    codes: dict[str, Codes]


class Stage:
    """All databases of the tour."""

    def __init__(self, server: URL, rows: int) -> None:
        """Connect.

        Args:
            server: where, by a database that exists there.
            rows: of each chapter's table.
        """
        self._server, self._rows = server, rows
        self._copies = Copies(server)
        self._by_slug = {revision.slug: revision for revision in revisions()}
        self._twins = {twin.slug: twin for twin in twins() if str(twin) == twin.slug}
        self._made: list[str | None] = []

    def twin(self, chapter: Chapter) -> Twin | None:
        """Return the naive way, None where it is the right one without the guard's limit."""
        return self._twins.get(chapter.slug)

    def commands(self, chapter: Chapter, way: str) -> list[list[str]]:
        """Return the arguments of each command of Alembic that a way takes."""
        limit = "0" if way == "naive" else chapter.limit
        option = ["-x", f"lock_timeout={limit}"] if limit else []
        return [[*option, "upgrade", self._by_slug[slug].id] for slug in chapter.steps]

    def migrations(self, chapter: Chapter, way: str, url: URL) -> list[Migration]:
        """Return what goes a way."""
        twin = self.twin(chapter)
        if way == "naive" and twin:
            return [Naive(url, twin)]
        return [Alembic(url, *arguments) for arguments in self.commands(chapter, way)]

    def prepare(self, chapter: Chapter) -> Prepared:
        """Make a chapter's database, in place of that of the one before."""
        self._copies.drop()
        begins, since = (self._by_slug[slug].parents[0] for slug in (chapter.slug, chapter.since))
        url = self._copy()
        _succeed(Alembic(url, "upgrade", since))
        empty = self._copy(url)
        _succeed(Alembic(empty, "upgrade", begins))
        before, schemas = _schema(empty), {}
        for way in ("naive", "right"):
            copy = self._copy(empty)
            _succeed(*self.migrations(chapter, way, copy))
            schemas[way] = _schema(copy)
        both = schemas["right"].common(schemas["naive"])
        codes = {}
        for way, after in schemas.items():
            old, new = Code(before, before if chapter.deploys else both), Code(after, after)
            for forms in new.forms.values():
                forms.update({value: known[:1] for value, known in forms.items()})  # the newest
            codes[way] = Codes(old, new)
        rows = self._fill(url, chapter.table)
        _succeed(Alembic(url, "upgrade", begins))
        return Prepared(chapter, url, rows, codes)

    def scene(self, prepared: Prepared, way: str, *, kills: bool) -> Scene:
        """Return a scene on a fresh copy, in place of that of the scene before."""
        self._copies.drop(keep=[prepared.url])
        url, chapter = self._copy(prepared.url), prepared.chapter
        migrations = self.migrations(chapter, way, url)
        return Scene(chapter, way, url, migrations, prepared.codes[way], kills and chapter.killed)

    def again(self, scene: Scene) -> Scene:
        """Return a scene that goes on where one was ended: the same command on the same database."""
        migrations = self.migrations(scene.chapter, scene.way, scene.url)
        return Scene(scene.chapter, scene.way, scene.url, migrations, scene.codes, kills=False, goes_on=True)

    def _fill(self, url: URL, table: str) -> int:
        """Fill all tables, one of them most, and return how many rows it has."""
        few = min(1.0, OTHERS / self._rows)
        described = {name: replace(of, share=1.0 if name == table else few) for name, of in read().items()}
        engine = make_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            filled = fill(connection, self._rows, described)
        with closing(psycopg.connect(**parameters(url), autocommit=True)) as connection:
            connection.execute("VACUUM (ANALYZE)")
        return filled[table]

    def _copy(self, of: URL | None = None) -> URL:
        url = self._copies.make(of)
        self._made.append(url.database)
        return url

    def end_sessions(self) -> None:
        """End what works on these databases: fillings, migrations, reports. The application goes on."""
        with closing(psycopg.connect(**parameters(self._server), autocommit=True)) as connection:
            connection.execute(END, [self._made])

    def close(self) -> None:
        """Drop all databases."""
        self._copies.close()


def _succeed(*migrations: Migration) -> None:
    for migration in migrations:
        if failed := migration.run():
            raise StageError(failed)


def _schema(url: URL) -> Schema:
    return Walk(url, 0, Load(), 0).schema()

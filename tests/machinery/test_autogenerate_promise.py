"""Autogenerate keeps its promise for models drawn at random, and changes to them.

`make promise` tries thousands, and prints the seed. What it has found stands here, made small.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from tests.machinery.drawn import DrawnColumn, DrawnTable, Models
from tests.machinery.promise import Promise, change
from tests.machinery.support import Server

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def promise(session_server: Server) -> Iterator[Promise]:
    logging.disable(logging.INFO)
    made = Promise(session_server)
    yield made
    made.close()
    logging.disable(logging.NOTSET)


@pytest.mark.slow
@settings(max_examples=50, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(change())
def test_any_change_runs_up_down_and_offline_and_leaves_nothing_to_do(
    promise: Promise, each: tuple[Models, ...]
) -> None:
    promise.hold(*each)


def table(*columns: DrawnColumn, **options: object) -> DrawnTable:
    return replace(DrawnTable("plain", None, columns=columns), **options)  # type: ignore[arg-type]


A = DrawnColumn("a", "text")
TARGET = table(A, key="always")

Drawn = DrawnTable | tuple[DrawnTable, ...]
FOUND: dict[str, tuple[Drawn, Drawn]] = {
    "a default that is two quotes": (table(replace(A, default=7)), table(replace(A, default=0))),
    "IN of a varchar, dropped and brought back": (table(DrawnColumn("a", "plain enum")), table(A)),
    "a serial key becomes an identity": (table(A, key="serial"), table(A, key="always")),
    "an identity of bigint becomes one of integer": (table(A, key="always"), table(A, key="identity")),
    "an identity of bigint becomes serial, of integer": (table(A, key="always"), table(A, key="serial")),
    "a bigserial key becomes an identity of integer": (table(A, key="bigserial"), table(A, key="identity")),
    "a column of a type that SQLAlchemy does not know is dropped": (
        table(DrawnColumn("a", "point", default=0)),
        table(),
    ),
    "an index with an expression of SQLAlchemy's in its WHERE is added": (
        table(DrawnColumn("a", "integer")),
        table(DrawnColumn("a", "integer"), indexes=((0, 2),)),
    ),
    "an index of a partitioned table is to be built concurrently": (
        table(A, partitioned=True),
        table(A, partitioned=True, indexes=((0, 3),)),
    ),
    "an enum goes with the last column of it, which is a partitioned table's": (
        table(A, DrawnColumn("b", "mood"), partitioned=True),
        table(A, partitioned=True),
    ),
    "a table with a key to itself goes": (table(A, references=((0, 4),)), ()),
    "a column with a default goes, and with it what made it unique": (
        table(replace(A, default=7, nullable=False), uniques=((0, 0),)),
        table(),
    ),
    "a column with a default goes, and with it its unique index": (
        table(replace(A, default=7, nullable=False), indexes=((0, 4),)),
        table(),
    ),
    "NOT IN of a varchar, whose type becomes another and comes back": (
        table(DrawnColumn("a", "varchar"), checks=((0, 4),)),
        table(DrawnColumn("a", "varchar(20)"), checks=((0, 4),)),
    ),
    "a unique column is rounded": (
        table(DrawnColumn("a", "numeric"), uniques=((0, 0),)),
        table(DrawnColumn("a", "smallint"), uniques=((0, 0),)),
    ),
    "a foreign key of a partitioned table gets another target, in which rows have none": (
        (TARGET, table(A, name="parts", key="bigserial", partitioned=True, references=((0, 3),))),
        (TARGET, table(A, name="parts", key="bigserial", partitioned=True, references=((1, 3),))),
    ),
    "a text that is no hstore": (table(A), table(DrawnColumn("a", "hstore"))),
    "a range becomes a multirange, which no cast makes a range again": (
        table(DrawnColumn("a", "int4range", nullable=False)),
        table(DrawnColumn("a", "int4multirange", nullable=False)),
    ),
    "an index has an expression with a column that has a key": (
        table(DrawnColumn("d", "integer")),
        table(DrawnColumn("d", "integer"), indexes=((0, 8),)),
    ),
    "a foreign key names the column that it sets to null": (
        (TARGET, table(A, name="others")),
        (TARGET, table(A, name="others", references=((0, 7),))),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("found", FOUND)
def test_what_was_found_holds(found: str, promise: Promise) -> None:
    before, after = (each if isinstance(each, tuple) else (each,) for each in FOUND[found])
    promise.hold(Models(before), Models(after))

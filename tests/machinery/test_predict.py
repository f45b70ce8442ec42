"""How long upgrades would take on a database of which only a snapshot is there."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.config import Config

from migrate.ledger import predictions
from migrate.ledger.predict import Growth, Measured, Predicted, n_log_n, predict
from migrate.ledger.snapshot import Snapshot, Table
from tests.machinery.support import HEAD, REVISIONS, Database, program
from tests.machinery.test_json import wrong

Chain = Callable[..., Path]

FEW, MANY = 10_000, 100_000
BACKFILL = """AUTOCOMMIT DO $$
DECLARE low bigint := 0; high bigint := (SELECT max(id) FROM t);
BEGIN
    WHILE low <= high LOOP
        UPDATE t SET b = a WHERE id >= low AND id < low + 5000;
        low := low + 5000;
        COMMIT;
    END LOOP;
END $$"""
STEPS = {
    "ALTER TABLE t ADD COLUMN b bigint": ["nothing"],
    "ALTER TABLE t ADD CONSTRAINT there CHECK (id IS NOT NULL)": ["scan"],
    "ALTER TABLE t ALTER COLUMN a TYPE bigint": ["rewrite"],
    BACKFILL: ["write"],
    "CREATE INDEX by_v ON t (v); ALTER TABLE t RENAME TO u": ["index", "nothing"],
    "CREATE TABLE n AS SELECT id, a FROM u; CREATE INDEX by_a ON n (a); COMMENT ON TABLE u IS 'x'": [
        "scan", "index", "nothing",
    ],
}  # fmt: skip


def snapshot(rows: int) -> Snapshot:
    return Snapshot("18.6", ["r0"], [Table("public", "t", rows, rows * 64)])


def growing(found: Predicted) -> list[float]:
    """Return what each revision would take, without the first, which does not grow."""
    return [each.seconds for each in found.predictions[1:]]


@pytest.mark.slow
def test_a_table_five_times_as_large_is_predicted_and_a_change_of_the_catalogue_does_not_grow(
    chain: Chain,
) -> None:
    config = Config(chain("CREATE TABLE t (id bigint PRIMARY KEY, a integer, v text)", *STEPS))
    quickest: dict[int, list[float]] = {}
    for _ in range(5):  # what else the machine does only adds time
        for rows in (50_000, 250_000):  # with the latter nothing is left to be predicted
            found = predict(snapshot(250_000), config, rows=rows)
            took = growing(found)
            quickest[rows] = [min(each) for each in zip(took, quickest.get(rows, took), strict=True)]
        ratios = [one / other for one, other in zip(*quickest.values(), strict=True)]
        if all(1 / 3 < ratio < 3 for ratio in ratios):
            break
    else:
        pytest.fail(f"predicted, and as it was: {quickest}")
    assert found.wider == {}
    works = [[step.work for step in each.statements[:-1]] for each in found.predictions]
    assert works == list(STEPS.values())
    larger = growing(predict(snapshot(5_000_000), config, rows=20_000))
    assert all(many > 4 * few for many, few in zip(larger, quickest[250_000], strict=True))
    column, *_, backfill, index, copy = found.predictions
    assert column.statements[0].rows == 0
    assert [lock.blocks for lock in backfill.locks + copy.locks if lock.blocks] == []
    share, exclusive = index.locks  # from the statement that takes it to the end
    assert (share.mode, share.blocks, exclusive.mode, exclusive.blocks) == (
        "ShareLock", "writes", "AccessExclusiveLock", "reads",
    )  # fmt: skip
    assert share.seconds == pytest.approx(index.seconds)
    assert exclusive.seconds < share.seconds / 10
    lines = predictions(found).splitlines()
    assert lines[1].endswith("AccessExclusiveLock on t, blocks reads")
    assert lines[2].endswith("AccessExclusiveLock on t, blocks reads: scan")
    assert lines[4].endswith("nothing that traffic waits for: write")
    assert lines[5].endswith("ShareLock on t, blocks writes: index")


def measured(seconds: float, *, sorts: bool = False, **rows: int) -> Measured:
    return Measured("SQL", alone=False, sorts=sorts, seconds=seconds, times=1, rows=Counter(rows))


def test_time_is_continued_along_the_rows_that_a_statement_goes_over() -> None:
    growth = Growth({"large": (FEW, MANY, 10_000_000), "small": (7, 7, 7)}, negligible=900)

    def predicted(small: Measured, large: Measured) -> tuple[float, float]:
        rows = growth.rows(small, large)
        return rows, growth.seconds(small, large, rows)

    # Nothing is read: what one measurement took longer is not continued.
    assert predicted(measured(0.001), measured(0.009)) == pytest.approx((0, 0.001))
    scan = measured(0.003, large=FEW), measured(0.021, large=MANY)
    assert predicted(*scan) == pytest.approx((10_000_000, 0.001 + 10_000_000 * 0.02e-5))
    sort = measured(n_log_n(FEW), sorts=True, large=FEW), measured(n_log_n(MANY), sorts=True, large=MANY)
    assert predicted(*sort) == pytest.approx((10_000_000, n_log_n(10_000_000)))
    # A small table that is looked up for each row of the large one, and a new one that is filled from it.
    join = measured(1, large=FEW, small=FEW), measured(10, large=MANY, small=MANY)
    assert predicted(*join) == pytest.approx((20_000_000, 1000))
    fill = measured(1, large=FEW, new=FEW // 2), measured(10, large=MANY, new=MANY // 2)
    assert predicted(*fill) == pytest.approx((15_000_000, 1000))
    filled = measured(1, new=FEW // 2), measured(10, new=MANY // 2)
    assert predicted(*filled) == pytest.approx((5_000_000, 1000))
    # More rows seemed to take less time: each takes as long as with the many.
    assert predicted(measured(0.5, large=FEW), measured(0.2, large=MANY)) == pytest.approx((10_000_000, 20))


# The commands.


def test_a_snapshot_has_sizes_and_no_data_and_is_predicted_from(head: Database, tmp_path: Path) -> None:
    head.execute("ANALYZE")
    path = tmp_path / "snapshot.json"
    done = program("migrate", "snapshot", str(path), url=head.url)
    assert (done.returncode, done.stderr) == (0, "")
    taken = json.loads(path.read_text())
    assert wrong("snapshot", taken) == []
    assert taken["revisions"] == [HEAD]
    tables = {table["name"]: table for table in taken["tables"]}
    for name in head.tables():
        assert tables[name]["rows"] == head.value(f'SELECT count(*) FROM "{name}"')
    indexes = (
        "SELECT indexname, pg_relation_size(indexname::regclass) FROM pg_indexes WHERE tablename = 'repairs'"
    )
    assert tables["repairs"]["indexes"] == dict(head.query(indexes))
    assert program("migrate", "snapshot", url=head.url).stdout == path.read_text()

    ask = ["ledger", "--time", "--snapshot", str(path), "--rows", "100"]
    done = program("migrate", *ask, url=head.url)
    [line] = done.stderr.splitlines()
    assert (done.returncode, line) == (
        1,
        "error: the snapshot is at head: --from names the revision to begin with",
    )
    last = REVISIONS[-1]
    done = program("migrate", *ask, "--from", last.id, "--json", url=head.url)
    printed = json.loads(done.stdout)
    assert wrong("prediction", printed) == []
    [found] = printed["revisions"]
    assert found["revision"] == last.id
    assert {lock["mode"] for lock in found["locks"]}


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (None, "is no snapshot (No such file or directory): python -m migrate snapshot writes one"),
        ("{", "is no snapshot ("),
        ('{"version": 2}', "is no snapshot (its version is not 1)"),
        (Snapshot("18.6", ["gone"], []).dump(), "error: the snapshot is at gone, and no file here has"),
        (Snapshot("18.6", [], []).dump(), "error: the snapshot is of a database without a revision"),
        (Snapshot("18.6", [HEAD], [Table("public", "t", -1)]).dump(), "a number of rows or bytes is none"),
    ],
)
def test_a_snapshot_that_does_not_fit_gets_one_clear_line(
    written: str | None, says: str, empty: Database, tmp_path: Path
) -> None:
    path = tmp_path / "snapshot.json"
    if written is not None:
        path.write_text(written)
    done = program("migrate", "ledger", "--time", "--snapshot", str(path), url=empty.url)
    [line] = done.stderr.splitlines()
    assert done.returncode == 1
    assert says in line


def test_a_place_where_no_snapshot_can_be_written_is_named(empty: Database, tmp_path: Path) -> None:
    done = program("migrate", "snapshot", str(tmp_path / "no/file"), url=empty.url)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path}/no/file: No such file or directory\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--snapshot", "x"], "--snapshot is for --time"),
        (["--time", "--check"], "leave out --check"),
        (["--time", "--json"], "--time prints JSON with --snapshot"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: list[str], says: str, empty: Database
) -> None:
    done = program("migrate", "ledger", *arguments, url=empty.url)
    assert done.returncode == 2
    assert says in done.stderr.splitlines()[-1]

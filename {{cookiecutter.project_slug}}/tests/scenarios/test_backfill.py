"""The backfills of the chain are two loops, so that what is mended in one is mended in all."""

import re

from sqlalchemy import text

from tests.support import REVISIONS, Make

# What stands in braces differs from one to the next, and is the same wherever one names it.
# This one finds rows by what stands in them, until none is left.
FILLS = """
    DO $$ DECLARE
        blocks bigint;
        block bigint;
        step bigint;
        first_ctid tid;
        next_ctid tid;
        tids tid[];
        batch tid[];
        found_rows bigint;
        started timestamptz;
        took double precision;
    BEGIN
        -- Again, if running code has moved a row to a block that was done.
        FOR pass IN 1..3 LOOP
            blocks := pg_relation_size('{table}') / current_setting('block_size')::integer;
            block := 0;
            step := 10;
            found_rows := 0;
            WHILE block < blocks LOOP
                started := clock_timestamp();
                first_ctid := format('(%s,0)', block);
                next_ctid := format('(%s,0)', block + step);
                tids := ARRAY(
                    SELECT ctid FROM {table}
                    WHERE ctid >= first_ctid AND ctid < next_ctid AND {condition}
                );
                found_rows := found_rows + cardinality(tids);
                FOR part IN 1..10 LOOP
                    -- Some rows of each block. The scan frees the space of the batch before.
                    PERFORM count(*) FROM {table}
                    WHERE ctid >= first_ctid AND ctid < next_ctid AND cardinality(tids) > 0;
                    batch := ARRAY(
                        SELECT tids[n] FROM generate_series(part, cardinality(tids), 10) AS n
                    );
                    batch := ARRAY(
                        SELECT ctid FROM {table}
                        WHERE ctid = ANY (batch) AND {condition}
                        ORDER BY id FOR {lock}
                    ); {before}
                    {change} WHERE ctid = ANY (batch);
                    COMMIT;
                END LOOP;
                block := block + step;
                RAISE NOTICE '{slug}: % of % blocks of {table}', least(block, blocks), blocks;
                -- A batch may take 50 ms. Pause: longer while a replica is behind.
                took := extract(epoch FROM clock_timestamp() - started);
                step := greatest(1, least(2 * step, 4000, 0.5 / took * step));
                PERFORM pg_sleep(took * CASE WHEN EXISTS (
                    SELECT FROM pg_stat_replication WHERE replay_lag > interval '5 s'
                ) THEN 10 ELSE 0.1 END);
            END LOOP;
            EXIT WHEN found_rows = 0;
        END LOOP;
    END $$
"""

# This one looks at other rows too: it locks its own first, and decides by what is there then.
DECIDES = """
    DO $$ DECLARE
        batch_size integer := 1000;
        total CONSTANT bigint := (
            SELECT reltuples FROM pg_class WHERE oid = '{table}'::regclass AND reltuples > 0
        );
        first_id {type} := (SELECT id FROM {table} ORDER BY id LIMIT 1);
        next_id {type};
        batch {type}[];
        done bigint := 0;
        started timestamptz;
        took double precision; {variables}
    BEGIN {before}
        WHILE first_id IS NOT NULL LOOP
            started := clock_timestamp();
            next_id := (
                SELECT id FROM {table} WHERE id >= first_id ORDER BY id OFFSET batch_size LIMIT 1
            );
            batch := ARRAY(
                SELECT {key} FROM {rows}
                WHERE {column} >= first_id AND (next_id IS NULL OR {column} < next_id) AND {condition}
                ORDER BY {key} FOR {lock}
            );
            {change} WHERE {what} = ANY (batch){more}
            COMMIT;
            done := done + batch_size;
            RAISE NOTICE '{slug}: % {table}', concat_ws(' of ', least(done, total), total);
            first_id := next_id;
            -- Next batch: as many rows as 50 ms allow. Pause: longer while a replica is behind.
            took := extract(epoch FROM clock_timestamp() - started);
            batch_size := least(2 * batch_size, greatest(100, 0.05 / took * batch_size));
            PERFORM pg_sleep(took * CASE WHEN EXISTS (
                SELECT FROM pg_stat_replication WHERE replay_lag > interval '5 s'
            ) THEN 10 ELSE 0.1 END);
        END LOOP; {after}
    END $$
"""


def is_the_loop(loop: str, block: str, slug: str) -> bool:
    """Return whether a block is one of the loops, with the slug in its place."""
    words = "".join(block.split())
    values = {"slug": slug}
    fixed, *rest = re.split(r"\{(\w+)\}", "".join(loop.split()))
    place = len(fixed)
    if not words.startswith(fixed):
        return False
    for name, fixed in zip(rest[::2], rest[1::2], strict=True):
        end = place + len(values[name]) if name in values else words.find(fixed, place)
        if words[place:end] != values.setdefault(name, words[place:end]) or not words.startswith(fixed, end):
            return False
        place = end + len(fixed)
    return place == len(words)


def test_all_backfills_are_one_of_two_loops() -> None:
    fills, decides, others = [], [], []
    for revision in REVISIONS:
        source = revision.path.read_text(encoding="utf-8")
        for block in re.findall(r"DO \$\$.*?END\s*\$\$", source, re.DOTALL):
            if is_the_loop(FILLS, block, revision.slug):
                fills.append(revision.slug)
            elif is_the_loop(DECIDES, block, revision.slug):
                decides.append(revision.slug)
            elif "batch" in block:
                others.append(revision.slug)
    # Two look anew after every batch for what is left to be done, one keeps its place in a table.
    assert others == [
        "merge_duplicate_users", "merge_duplicate_categories", "backfill_document_page_characters",
    ]  # fmt: skip
    assert (len(fills), len(decides)) == (24, 9)


def test_a_row_that_code_moves_to_a_block_that_was_done_is_found(before: Make) -> None:
    database = before("assign_user_roles")
    first = database.value("SELECT pg_relation_size('users') / 8192")
    # The first 20 blocks get free. One row is to be filled in the middle, and each at the end.
    room = f"ctid > '({first},0)' AND ctid < '({first + 20},0)'"
    role = "CASE WHEN n < 5000 AND n <> 2000 THEN 1 END"
    database.insert_many("users", 8000, email="repeat('x', 200) || n", role_id=role)
    database.execute(f"DELETE FROM users WHERE {room}")
    row = database.value("SELECT id FROM users WHERE email LIKE '%x2000'")
    database.execute("""
        CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END'
    """)
    database.execute(
        "CREATE TRIGGER hold BEFORE UPDATE OF role_id ON users "
        f"FOR EACH ROW WHEN (OLD.id = '{row}') EXECUTE FUNCTION hold()"
    )
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as code:
        code.execute(text("VACUUM users"))
        code.execute(text("SELECT pg_advisory_lock(1)"))
        with database.while_it_waits("assign_user_roles"):
            moved = f"UPDATE users SET email = 'y' || email WHERE role_id IS NULL AND id <> '{row}'"
            assert any(code.execute(text(f"{moved} RETURNING {room}")).scalars())
            code.execute(text("SELECT pg_advisory_unlock(1)"))
    assert not database.query("SELECT FROM users WHERE role_id IS NULL")

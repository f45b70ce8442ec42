"""The backfills of the chain are two loops, so that what is mended in one is mended in all."""

import re

from tests.support import REVISIONS

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

"""Every backfill of the chain is the same loop, so that what is mended in one is mended in all."""

import re

from tests.support import REVISIONS

# What stands in braces differs from one to the next, and is the same wherever one names it.
LOOP = """
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


def is_the_loop(block: str, slug: str) -> bool:
    """Return whether a block is LOOP, with the slug in its place."""
    words = "".join(block.split())
    values = {"slug": slug}
    fixed, *rest = re.split(r"\{(\w+)\}", "".join(LOOP.split()))
    place = len(fixed)
    if not words.startswith(fixed):
        return False
    for name, fixed in zip(rest[::2], rest[1::2], strict=True):
        end = place + len(values[name]) if name in values else words.find(fixed, place)
        if words[place:end] != values.setdefault(name, words[place:end]) or not words.startswith(fixed, end):
            return False
        place = end + len(fixed)
    return place == len(words)


def test_all_backfills_are_the_same_loop() -> None:
    loops: list[str] = []
    others: list[str] = []
    for revision in REVISIONS:
        source = revision.path.read_text(encoding="utf-8")
        for block in re.findall(r"DO \$\$.*?END\s*\$\$", source, re.DOTALL):
            if "batch_size" in block:
                (loops if is_the_loop(block, revision.slug) else others).append(revision.slug)
    # Two look anew after every batch for what is left to be done, one keeps its place in a table.
    assert others == [
        "merge_duplicate_users", "merge_duplicate_categories", "backfill_document_page_characters",
    ]  # fmt: skip
    assert len(loops) == 33

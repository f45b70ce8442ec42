"""The batches of a backfill against one UPDATE: how fast, and how far the table grows.

    python -m lab.backend lab.backfill FILE [--rows N …] [--keys KEY …]

`make backfill` runs it. The block of assign_user_roles runs as it stands, on tables with keys of two
types, with and without an index on the column that is filled, autovacuum at work.
"""

import argparse
import ast
import itertools
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL

from database import ROOT, configured_url
from postgres import embedded
from postgres.client import parameters
from postgres.scratch import scratch_database

UPDATE = "UPDATE users SET role_id = 2 WHERE role_id IS NULL"
# What a batch does beside the change: so it costs less, and no longer holds what it promises.
BESIDE = {
    "pauses": r"PERFORM pg_sleep\(.*?\);",
    "row locks": r"batch := ARRAY\(\s+SELECT ctid FROM users.*?\);",
    "reuse": r"PERFORM count\(\*\) FROM users.*?;",
}
# Above it only the batches as they stand are measured: each further way takes minutes.
LEFT_OUT_UP_TO = 1_000_000
KEYS = {
    "uuid": "uuid DEFAULT gen_random_uuid()",
    "bigint": "bigint GENERATED ALWAYS AS IDENTITY",
}


def block(backend: Path, slug: str) -> str:
    """Return the batches of a revision, as PostgreSQL gets them."""
    [path] = backend.glob(f"alembic/versions/*_{slug}.py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    [found] = [text for text in texts if isinstance(text, str) and "LOOP" in text]
    return found


def without(name: str, batches: str) -> str:
    """Return the batches without one thing that they do beside the change."""
    less, count = re.subn(BESIDE[name], "", batches, flags=re.DOTALL)
    assert count == 1, name
    return less


def measure(
    connection: psycopg.Connection[Any], key: str, index: bool, rows: int, change: str
) -> list[float]:
    """Return the seconds that a change takes, and by which factor the table grows."""
    connection.execute("DROP TABLE IF EXISTS users")
    connection.execute(f"CREATE TABLE users (id {KEYS[key]} PRIMARY KEY, role_id integer, name text)")
    connection.execute(
        "INSERT INTO users (name) SELECT repeat('name ', 20) || n FROM generate_series(1, %s) AS n", [rows]
    )
    if index:
        connection.execute("CREATE INDEX ON users (role_id)")
    connection.execute("VACUUM ANALYZE users")
    connection.execute("CHECKPOINT")
    size = "SELECT pg_table_size('users')"
    [[before]] = connection.execute(size).fetchall()
    begun = time.monotonic()
    connection.execute(change.encode())
    seconds = time.monotonic() - begun
    [[after]] = connection.execute(size).fetchall()
    [[left]] = connection.execute("SELECT count(*) FROM users WHERE role_id IS NULL").fetchall()
    assert left == 0
    return [seconds, after / before]


def lines(server: URL, rows: Sequence[int], keys: Sequence[str]) -> Iterator[str]:
    """Yield the result as Markdown, line by line as it is measured."""
    batches = block(ROOT, "assign_user_roles")
    with scratch_database(server) as url, psycopg.connect(**parameters(url), autocommit=True) as connection:
        version = connection.info.parameter_status("server_version") or ""
        yield (
            "The batches of assign_user_roles beside one UPDATE of all rows, nobody else at work. "
            f"PostgreSQL {version.split()[0]}, {os.cpu_count()} cores.\n"
        )
        yield (
            "Speed: the time of the UPDATE, divided by that of the batches. Without its row locks a batch "
            "may deadlock with other sessions; without reuse it frees no space, and the table grows as by "
            "one UPDATE. With an index on the column, each new row version needs an entry in every index: "
            f"build such an index after the backfill. Of more than {LEFT_OUT_UP_TO:,} rows only the batches "
            "as they stand are measured.\n"
        )
        yield (
            "| rows | key | one UPDATE | batches | speed | without pauses | and row locks | and reuse "
            "| the table grows to, by one UPDATE | by batches |"
        )
        yield "| --: | --- | --: | --: | --: | --: | --: | --: | --: | --: |"
        for count, key, index in itertools.product(rows, keys, (False, True)):
            loop = batches if key == "uuid" else re.sub(r"\buuid\b", key, batches)
            one, grown = measure(connection, key, index, count, UPDATE)
            seconds, growth = measure(connection, key, index, count, loop)
            speeds = [f"{one / seconds:.2f}"]
            for each in BESIDE:
                if count > LEFT_OUT_UP_TO:
                    speeds.append("")
                    continue
                loop = without(each, loop)
                speeds.append(f"{one / measure(connection, key, index, count, loop)[0]:.2f}")
            name = f"{key}{', the column indexed' if index else ''}"
            yield (
                f"| {count:,} | {name} | {one:,.1f} s | {seconds:,.1f} s "
                f"| {' | '.join(speeds)} | {grown:.0%} | {growth:.0%} |"
            )


def main() -> None:
    """Write the figures, and print them as they come."""
    parser = argparse.ArgumentParser(prog="lab.backfill", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("result", type=Path, metavar="FILE", help="for the result, as Markdown")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000], metavar="N")
    parser.add_argument("--keys", nargs="+", default=list(KEYS), choices=KEYS)
    options = parser.parse_args()
    server = configured_url(for_migrations=True) or embedded.url()
    with options.result.open("w", encoding="utf-8") as result:
        for line in lines(server, options.rows, options.keys):
            print(line, flush=True)
            print(line, file=result, flush=True)


if __name__ == "__main__":
    main()

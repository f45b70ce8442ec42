"""The batches of a backfill against one UPDATE: how fast, and how far the table grows.

    python -m lab.backend lab.backfill [--rows N]

The block of assign_user_roles runs as it stands, on tables with keys of two types, with and without
an index on the column that is filled, autovacuum at work.
"""

import argparse
import ast
import re
import time
from pathlib import Path
from typing import Any

import psycopg

from database import ROOT, configured_url
from postgres import embedded
from postgres.client import parameters
from postgres.scratch import scratch_database

UPDATE = "UPDATE users SET role_id = 2 WHERE role_id IS NULL"
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


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="lab.backfill", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    batches = block(ROOT, "assign_user_roles")
    print(f"{rows:,} rows             one UPDATE            batches")
    with (
        scratch_database(configured_url(for_migrations=True) or embedded.url()) as url,
        psycopg.connect(**parameters(url), autocommit=True) as connection,
    ):
        for key in KEYS:
            loop = batches if key == "uuid" else re.sub(r"\buuid\b", key, batches)
            for index in (False, True):
                one, grown = measure(connection, key, index, rows, UPDATE)
                seconds, growth = measure(connection, key, index, rows, loop)
                name = f"{key}{', indexed' if index else ''}"
                print(
                    f"{name:<20} {one:6.1f} s, table {grown:5.0%}   {seconds:6.1f} s, table {growth:5.0%}   "
                    f"{one / seconds:5.0%} as fast",
                    flush=True,
                )


if __name__ == "__main__":
    main()

"""How long readers stall while a migration waits for its lock, with the guard and without.

    .venv/bin/python -m lab.stalls

A session writes to a table and leaves its transaction open for some seconds. A migration
that needs AccessExclusiveLock on that table is started beside four readers. Without a limit
the readers queue behind the waiting ALTER until the transaction ends.
"""

import tempfile
import threading
import time
from pathlib import Path

from sqlalchemy import text

from tests.machinery import backend  # first: it brings what the others import
from tests.machinery.support import Server, run, start, wait_for, write_chain

OPEN_SECONDS = 8.0
READERS = 4


def stall(server: Server, lock_timeout: str) -> tuple[float, int, float]:
    """Return a reader's longest stall in seconds, how many reads there were, and the run's seconds."""
    with tempfile.TemporaryDirectory() as folder:
        ini = write_chain(Path(folder), "CREATE TABLE t (n integer)", "ALTER TABLE t ADD COLUMN m integer")
        database = server.create()
        code, errors = run(database, "upgrade", "r0", ini=ini)
        assert code == 0, errors
        stalls: list[float] = []
        stop = threading.Event()

        def read() -> None:
            with database.engine.connect() as connection:
                while not stop.is_set():
                    begun = time.monotonic()
                    connection.execute(text("SELECT n FROM t"))
                    connection.rollback()
                    stalls.append(time.monotonic() - begun)
                    time.sleep(0.005)

        readers = [threading.Thread(target=read) for _ in range(READERS)]
        with database.engine.connect() as writer:
            writer.execute(text("INSERT INTO t VALUES (1)"))
            for reader in readers:
                reader.start()
            begun = time.monotonic()
            process = start(database, "-x", f"lock_timeout={lock_timeout}", "upgrade", "head", ini=ini)
            time.sleep(OPEN_SECONDS)
            writer.commit()
        _, errors = process.communicate()
        took = time.monotonic() - begun
        assert process.returncode == 0, errors
        wait_for(lambda: len(stalls) > 0)
        stop.set()
        for reader in readers:
            reader.join()
    return max(stalls), len(stalls), took


def main(server: Server) -> None:
    print(f"a transaction stays open for {OPEN_SECONDS:g} s; {READERS} readers")
    print(f"{'lock_timeout':<22} {'longest stall':>13} {'reads':>8} {'run took':>9}")
    results = {}
    for limit, name in [("0", "0 (plain Alembic)"), ("2s", "2s (the default)"), ("300ms", "300ms")]:
        results[limit], reads, took = stall(server, limit)
        print(f"{name:<22} {results[limit]:>11.2f} s {reads:>8,} {took:>7.1f} s")
    for limit in ("2s", "300ms"):
        print(f"without a limit, {results['0'] / results[limit]:.1f} times as long as with {limit}")


if __name__ == "__main__":
    scratch = Server()
    try:
        main(scratch)
    finally:
        backend.leave(scratch.drop_all)

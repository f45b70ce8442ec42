"""Whatever happens at whatever moment: what is said of it is true, nothing is left, the next run goes on.

One round of each fault is for `make test-all`; `make chaos MINUTES=60` goes on for so long. A round
prints its seed, and `CHAOS_SEED=…` begins with it: the action and the moment are the same then.
"""

import os
import random
import re
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise

import pytest

from tests.machinery.chaos import Fault, Ground, Mend, Round
from tests.machinery.pooler import needs_pgbouncer
from tests.machinery.support import Chain, Database, server_of_ones_own, start

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs to limit another process"),
]

MINUTES = float(os.environ.get("CHAOS_MINUTES", "0"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.randrange(1, 10**6)


def sent(*numbers: signal.Signals) -> Fault:
    """The operator, the machine or a container's runtime sends signals."""

    def fault(now: Round) -> None:
        for number in numbers:
            now.process.send_signal(number)
            time.sleep(now.chance.uniform(0, 0.3))

    return Fault(fault)


def ended(which: str) -> Fault:
    """Somebody ends sessions of the database, and of the one that is restored."""

    def fault(now: Round) -> None:
        now.ground.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname LIKE '{now.name}%' AND backend_type = 'client backend' AND {which}"
        )

    return Fault(fault)


def stopped(mode: str) -> Fault:
    """The server stops, and comes back at once."""

    def fault(now: Round) -> None:
        now.ground.server.execute("pg_ctl", "stop", f"--mode={mode}", f"--pgdata={now.ground.server.data}")
        now.ground.server.start()

    return Fault(fault)


def standby(now: Round) -> Mend:
    """The server comes back as a standby, which takes no changes, and is promoted later."""
    server = now.ground.server
    server.execute("pg_ctl", "stop", "--mode=fast", f"--pgdata={server.data}")
    (server.data / "standby.signal").touch()
    server.start()
    return lambda: server.execute("pg_ctl", "promote", f"--pgdata={server.data}")


def servers_disk_is_full(now: Round) -> Mend:
    """No file of the server grows beyond a segment of its log, as the largest table would have to."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (17_000_000, limit[1]))  # which the server inherits
    try:
        stopped("fast").happen(now)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    def mend() -> None:
        stopped("fast").happen(now)

    return mend


def operators_disk_is_full(now: Round) -> None:
    """No file of the action grows, nor one of a program that it starts."""
    with suppress(ProcessLookupError):  # it has ended
        resource.prlimit(now.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))


def pooler_restarts(now: Round) -> None:
    """The pooler ends every session that goes through it, and is back at once."""
    now.pooler.end()
    now.pooler.start()


def pooler_dies(now: Round) -> Mend:
    """The pooler is killed, and nothing can connect until it is started again."""
    now.pooler.end(signal.SIGKILL)
    return now.pooler.start


def pooler_is_held(hold: signal.Signals, free: signal.Signals) -> Callable[[Round], None]:
    """The pooler answers nobody for a while, or nobody who is new."""

    def fault(now: Round) -> None:
        now.pooler.process.send_signal(hold)
        time.sleep(now.chance.uniform(0, 3))
        now.pooler.process.send_signal(free)

    return fault


def past_the_pooler(now: Round) -> Mend:
    """The pooler cannot keep a lock; the URL of the server itself is given later."""
    direct = now.database.url.render_as_string(hide_password=False)
    return lambda: now.site.environment.update(MIGRATION_DATABASE_URL=direct)


FAULTS: dict[str, Fault] = {
    "SIGINT": sent(signal.SIGINT),
    "SIGTERM": sent(signal.SIGTERM),
    "SIGHUP": sent(signal.SIGHUP),
    "SIGINT twice": sent(signal.SIGINT, signal.SIGINT),
    "SIGKILL": sent(signal.SIGKILL),
    "the session at work is ended": ended("state <> 'idle' AND application_name NOT LIKE 'alembic %'"),
    "the lock's session is ended": ended("application_name LIKE 'alembic %'"),
    "every session is ended": ended("true"),
    "the server crashes": stopped("immediate"),
    "the server restarts": stopped("fast"),
    "the server is a standby": Fault(standby),
    "the server's disk is full": Fault(servers_disk_is_full, before=True),
    "the operator's disk is full": Fault(operators_disk_is_full),
}
POOLED: dict[str, Fault] = {
    "the pooler restarts": Fault(pooler_restarts, pooled="session"),
    "the pooler dies": Fault(pooler_dies, pooled="session"),
    "the pooler pauses": Fault(pooler_is_held(signal.SIGUSR1, signal.SIGUSR2), pooled="session"),
    "the pooler stands still": Fault(pooler_is_held(signal.SIGSTOP, signal.SIGCONT), pooled="session"),
    "the pool is by transaction": Fault(
        past_the_pooler,
        before=True,
        pooled="transaction",
        refused="is a connection pooler in transaction mode",
    ),
}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with server_of_ones_own() as server:
        yield Ground(server, tmp_path_factory.mktemp("chaos"))


@pytest.mark.parametrize("fault", [*FAULTS, *(pytest.param(name, marks=needs_pgbouncer) for name in POOLED)])
def test_a_fault_at_any_moment_is_told_and_mended(fault: str, ground: Ground) -> None:
    faults = FAULTS | POOLED
    end = time.monotonic() + MINUTES * 60 / len(faults)
    for seed in range(SEED, SEED + 10_000):
        print(f"seed {seed}", flush=True)
        print(Round(ground, fault, seed).run(faults[fault]), flush=True)
        if time.monotonic() >= end:
            break


def test_of_ten_mixed_runs_no_two_work_at_once(empty: Database, chain: Chain) -> None:
    """By the lines of their own logs, each with its time."""
    ini = chain(*(f"CREATE TABLE IF NOT EXISTS t{number} (); SELECT pg_sleep(0.05)" for number in range(4)))
    ini.write_text(re.sub(r"^format = .*$", "format = %(created)f %(message)s", ini.read_text(), flags=re.M))
    commands = [
        ["upgrade", "head"],
        ["downgrade", "base"],
        ["stamp", "r1"],
        ["upgrade", "+1"],
        ["downgrade", "r0"],
    ]
    work: list[tuple[float, float, str, str]] = []
    for _ in range(5):
        if len(work) > 4:  # else all that go down came first, and found nothing to do
            break
        for process in [start(empty, *command, ini=ini) for command in commands * 2]:
            _, errors = process.communicate(timeout=300)
            assert "Traceback" not in errors
            begun = re.findall(r"^([\d.]+) Running \w+ (\w*) ?-> (\w*)", errors, re.MULTILINE)
            over = re.findall(r"^([\d.]+) .* took [\d.]+ s$", errors, re.MULTILINE)
            assert len(begun) == len(over), errors
            work += [(float(at), float(end), *way) for (at, *way), end in zip(begun, over, strict=True)]
    work.sort()
    print(*work, sep="\n")
    assert len(work) > 4
    for (_, end, _, reached), (at, _, begins, _) in pairwise(work):
        assert end <= at
        assert begins == reached

"""Several runs in one program: each works on its own database, whatever the others do."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from tests.machinery.support import Chain, Server

CHAIN = ("CREATE TABLE t (n integer)", "SELECT pg_sleep(0.2); INSERT INTO t VALUES (1)", "CREATE TABLE u ()")


def test_a_run_waits_for_those_of_other_threads(server: Server, chain: Chain) -> None:
    ini, databases = chain(*CHAIN), [server.create() for _ in range(4)]
    configs = [Config(ini, attributes={"connection": database.engine}) for database in databases]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(command.upgrade, configs, ["r2"] * 4))  # raises what one has raised
    for database in databases:
        assert (database.heads(), database.column("TABLE t"), database.tables()) == (["r2"], [1], ["t", "u"])


def test_of_two_tasks_in_one_event_loop_the_second_is_refused(server: Server, chain: Chain) -> None:
    ini, databases = chain(*CHAIN), [server.create() for _ in range(2)]

    def upgrade(connection: Connection) -> None:
        command.upgrade(Config(ini, attributes={"connection": connection}), "head")

    async def migrate(number: int) -> None:
        engine = create_async_engine(databases[number].url, poolclass=NullPool)
        async with engine.connect() as connection:
            await connection.run_sync(upgrade)

    async def both() -> list[BaseException | None]:
        return [*await asyncio.gather(migrate(0), migrate(1), return_exceptions=True)]

    outcomes = asyncio.run(both())
    [refusal] = [error for error in outcomes if error]
    assert isinstance(refusal, CommandError)
    assert str(refusal).startswith("another task of this event loop runs Alembic")
    for database, error in zip(databases, outcomes, strict=True):
        assert database.tables() == ([] if error else ["t", "u"])
    with pytest.raises(CommandError, match="Can't locate revision"):  # and the next one is not refused
        command.upgrade(Config(ini, attributes={"connection": databases[0].engine}), "nothing")

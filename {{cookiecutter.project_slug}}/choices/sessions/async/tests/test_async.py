"""Sessions that are awaited: what they share with the others, and what models have to say for them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

import database
import models  # noqa: F401  (Base.registry knows them then)
from database import Base, async_engine, async_session_factory
from tests.support import Database

MODELS = sorted((mapper.class_ for mapper in Base.registry.mappers), key=str)


@pytest.fixture(autouse=True)
def at_head(head: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database at head, which is the application's."""
    monkeypatch.setattr(database, "database_url", lambda: head.url)
    yield head
    async_session_factory.cache_clear()
    async_engine.cache_clear()


def run(work: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
    """Do work in a session, as an application does that ends then."""

    async def whole() -> Any:
        try:
            async with async_session_factory().begin() as session:
                return await work(session)
        finally:
            await async_engine().dispose()

    return asyncio.run(whole())


def test_its_connections_are_at_utc_and_prepare_no_statement() -> None:
    async def work(session: AsyncSession) -> list[Any]:
        for _ in range(10):  # psycopg prepares what it has sent five times
            await session.execute(text("SELECT 1"))
        shown = ("SHOW TIME ZONE", "SHOW client_encoding", "SELECT count(*) FROM pg_prepared_statements")
        return [await session.scalar(text(query)) for query in shown]

    assert run(work) == ["UTC", "UTF8", 0]


def test_a_transaction_is_kept_at_its_end_and_undone_by_an_error(at_head: Database) -> None:
    async def work(session: AsyncSession) -> None:
        await session.execute(text("CREATE TABLE kept (n integer)"))

    async def failing(session: AsyncSession) -> None:
        await session.execute(text("CREATE TABLE undone (n integer)"))
        raise LookupError

    run(work)
    with pytest.raises(LookupError):
        run(failing)
    kept, undone = (at_head.value(f"SELECT to_regclass('{name}')") for name in ("kept", "undone"))
    assert (kept, undone) == ("kept", None)


def test_sessions_wait_for_the_server_together() -> None:
    async def sleep(_: object) -> None:
        async with async_session_factory().begin() as session:
            await session.execute(text("SELECT pg_sleep(0.5)"))

    async def work(session: AsyncSession) -> float:
        start = asyncio.get_running_loop().time()
        await asyncio.gather(*(sleep(session) for _ in range(4)))
        return asyncio.get_running_loop().time() - start

    assert run(work) < 1.9


def test_every_relationship_says_how_it_loads() -> None:
    lazy = [str(each) for model in MODELS for each in inspect(model).relationships if each.lazy == "select"]
    assert lazy == [], "lazy=LOADING: as it is looked at, nothing can be awaited"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_what_a_query_asks_for_is_there_and_else_it_is_said(model: type[Base]) -> None:
    async def work(session: AsyncSession) -> None:
        for relationship in inspect(model).relationships:
            attribute = getattr(model, relationship.key)
            row = (await session.scalars(select(model).limit(1))).first()
            if relationship.lazy == "raise":
                with pytest.raises(InvalidRequestError, match="lazy='raise'"):
                    getattr(row, relationship.key)
            session.expunge_all()
            row = (await session.scalars(select(model).options(selectinload(attribute)).limit(1))).first()
            getattr(row, relationship.key)
            session.expunge_all()

    run(work)

"""Migrations through PgBouncer."""

from collections.abc import Iterator

import pytest

from tests.machinery.pooler import needs_pgbouncer, pooler
from tests.machinery.production import site
from tests.machinery.support import Chain, Database, run

pytestmark = needs_pgbouncer


@pytest.fixture
def pooled(request: pytest.FixtureRequest, empty: Database) -> Iterator[Database]:
    """The empty database, through a PgBouncer in the mode that the test asks for."""
    with pooler(empty.url, request.param) as found:
        yield Database(found.url(empty.url))


@pytest.mark.parametrize("pooled", ["transaction", "statement"], indirect=True)
def test_a_pool_in_transaction_mode_is_refused_before_anything_happens(
    pooled: Database, empty: Database
) -> None:
    code, errors = run(pooled, "upgrade", "head")
    assert code != 0
    assert "Traceback" not in errors
    assert "is a connection pooler in transaction mode" in errors or "statement pooling mode" in errors
    assert "MIGRATION_DATABASE_URL" in errors
    assert str(empty.url.password) not in errors
    assert empty.column("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []


@pytest.mark.parametrize("pooled", ["transaction"], indirect=True)
def test_the_way_past_it_works(pooled: Database, empty: Database) -> None:
    direct = empty.url.set(drivername="postgresql").render_as_string(hide_password=False)
    code, errors = run(pooled, "upgrade", "head", MIGRATION_DATABASE_URL=direct)
    assert code == 0, errors


@pytest.mark.parametrize("pooled", ["session"], indirect=True)
def test_a_pool_in_session_mode_works(pooled: Database, empty: Database) -> None:
    code, errors = run(pooled, "upgrade", "head")
    assert code == 0, errors
    assert "repairs" in empty.tables()


@pytest.mark.slow
@pytest.mark.parametrize("pooled", ["session"], indirect=True)
def test_so_do_a_deploy_and_a_restore(pooled: Database, chain: Chain) -> None:
    made = site(pooled, chain("CREATE TABLE t ()", "CREATE TABLE u ()"))
    for to in ("r0", "r1"):
        code, output = made.deploy("--to", to)
        assert code == 0, output
    code, output = made.migrate(
        "rollback", "--backup", str(made.files(".dump")[-1]), "--config", str(made.ini)
    )
    assert code == 0, output

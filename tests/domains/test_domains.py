"""Schemas of other trades, from the first model to a rollback, by what the README says."""

from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from tests.domains.backend import TABLES, Backend, Rows, common, empty_backend
from tests.domains.production import PASSWORD, Site, create, production
from tests.domains.railway.story import RAILWAY
from tests.domains.shop.story import SHOP
from tests.domains.story import Change, Domain

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("domain", [SHOP, RAILWAY], ids=str)
def test_from_the_first_model_through_changes_with_rows_to_a_squash(domain: Domain, tmp_path: Path) -> None:
    with empty_backend(tmp_path, domain) as backend:
        backend.bring_models()
        it_comes_to_its_tables(backend)
        models_and_database_agree(backend)
        every_table_gets_rows(backend)
        what_sql_alone_makes_works(backend)
        it_goes_down_to_nothing_and_up_again(backend)
        every_table_gets_rows(backend)
        for change in domain.changes:
            it_changes_and_keeps_its_rows(backend, change)
        backend.measure()
        backend.run("make index")
        its_own_tests_pass(backend)
        backend.run("make lint")
        one_revision_takes_the_place_of_all(backend)
        its_own_tests_pass(backend)
        backend.run("make lint")


@pytest.mark.parametrize(("domain", "tls"), [(SHOP, False), (RAILWAY, True)], ids=["shop", "railway, TLS"])
def test_deploys_and_the_ways_back(domain: Domain, tls: bool, tmp_path: Path) -> None:
    with empty_backend(tmp_path, domain) as backend:
        backend.bring_models()
        it_comes_to_its_tables(backend)
        with production(backend, tls=tls) as site:
            site.grant()
            it_is_deployed(site)
            site.grant()
            site.run("python -m migrate sample --rows 100")
            the_application_writes_rows_and_changes_no_table(site)
            before, change = site.rows(), domain.changes[0]
            for name in change.names:
                backend.revise(name)
            it_is_deployed(site)
            assert site.query(change.proof) == [(True,)]
            it_keeps_its_rows(site, before)
            printed = site.run("python -m migrate rollback --to -1 --yes 2>&1")
            assert "rollback succeeded" in printed, printed
            assert site.rows() == before
            it_is_deployed(site)
            the_backup_holds_the_rows(site, before)


def it_is_deployed(site: Site) -> None:
    printed = site.run("python -m migrate deploy --yes 2>&1")
    assert "models and database agree" in printed
    assert "models can be read" in printed
    assert "deploy succeeded" in printed
    assert PASSWORD not in printed


def the_application_writes_rows_and_changes_no_table(site: Site) -> None:
    assert site.rows()
    for (table,) in site.query(TABLES):
        assert site.query(f"WITH gone AS (DELETE FROM {table} WHERE false RETURNING 1) TABLE gone") == []
        with pytest.raises(InsufficientPrivilege):
            site.query(f"ALTER TABLE {table} RENAME TO mine")
        with pytest.raises(InsufficientPrivilege):
            site.query(f"TRUNCATE {table} CASCADE")
    with pytest.raises(InsufficientPrivilege):
        site.query("WITH gone AS (DELETE FROM alembic_version RETURNING 1) TABLE gone")


def it_keeps_its_rows(site: Site, before: Rows) -> None:
    then, now = common(before, site.rows())
    assert now == then


def the_backup_holds_the_rows(site: Site, before: Rows) -> None:
    newest = max((site.backend.folder / "backups").glob("*.dump"))
    create(site.admin, "Restored", str(site.owner.username))
    printed = site.run(f"python -m migrate rollback --backup '{newest}' --into Restored --yes 2>&1")
    assert "restored into Restored" in printed, printed
    assert site.rows(database="Restored") == before


def it_comes_to_its_tables(backend: Backend) -> None:
    backend.run("make db")
    for name in backend.domain.birth:
        backend.revise(name)


def models_and_database_agree(backend: Backend) -> None:
    assert "No new upgrade operations detected" in backend.run("alembic check 2>&1")


def every_table_gets_rows(backend: Backend) -> None:
    backend.run("python -m migrate sample --rows 100")
    rows = backend.rows()
    assert rows
    assert [table for table, lines in rows.items() if not lines] == []


def what_sql_alone_makes_works(backend: Backend) -> None:
    for query in backend.domain.works:
        assert backend.holds(query), query
    for constraint, statement in backend.domain.refused.items():
        with pytest.raises(psycopg.IntegrityError) as refusal:
            backend.query(statement)
        assert refusal.value.diag.constraint_name == constraint


def it_goes_down_to_nothing_and_up_again(backend: Backend) -> None:
    backend.run("alembic downgrade base")
    assert backend.rows() == {}
    backend.run("alembic upgrade head")
    models_and_database_agree(backend)


def its_own_tests_pass(backend: Backend) -> None:
    assert " passed" in backend.run("make test")


def it_changes_and_keeps_its_rows(backend: Backend, change: Change) -> None:
    start, before = backend.current(), backend.rows()
    assert not backend.holds(change.proof)
    for name in change.names:
        backend.revise(name)
    is_changed(backend, change, before)
    backend.run(f"alembic downgrade {start}")
    assert backend.holds(change.proof) == change.stays
    assert_the_same_rows(backend, before)
    backend.run("alembic upgrade head")
    is_changed(backend, change, before)


def is_changed(backend: Backend, change: Change, before: Rows) -> None:
    assert backend.holds(change.proof)
    assert_the_same_rows(backend, before)
    models_and_database_agree(backend)


def assert_the_same_rows(backend: Backend, before: Rows) -> None:
    then, now = common(before, backend.rows())
    assert now == then
    assert now.keys() == before.keys()


def one_revision_takes_the_place_of_all(backend: Backend) -> None:
    before, start = backend.rows(), backend.current()
    shown = backend.run("python -m migrate squash --dry-run 2> /dev/null")
    backend.run("python -m migrate squash")
    [squashed] = backend.revisions()
    assert squashed.read_text() == shown
    backend.run("alembic current --check-heads")
    assert backend.current() == start
    assert backend.rows() == before
    models_and_database_agree(backend)
    backend.run("make index")
    backend.measure()
    backend.run("alembic downgrade base\nalembic upgrade head")
    models_and_database_agree(backend)

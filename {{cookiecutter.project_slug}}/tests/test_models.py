"""The models say what the revisions build."""

import pytest
from alembic import command
from sqlalchemy import Enum

import models  # noqa: F401
from database import NAMING_CONVENTION, Base
from tests.support import Database


def test_autogenerate_finds_nothing_to_do(head: Database) -> None:
    command.check(head.alembic())


def test_enums_have_the_same_labels_in_the_same_order(head: Database) -> None:
    in_models = {
        column.type.name: column.type.enums
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, Enum)
    }
    labels = head.query(
        "SELECT typname, array_agg(enumlabel::text ORDER BY enumsortorder) FROM pg_enum "
        "JOIN pg_type t ON t.oid = enumtypid GROUP BY typname"
    )
    in_database: dict[str | None, list[str]] = dict(labels)
    assert in_database == in_models


def test_every_constraint_and_index_is_named_by_the_convention(head: Database) -> None:
    prefixes = tuple(rule.split("_")[0] + "_" for rule in NAMING_CONVENTION.values())
    names = head.column(
        "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n' "
        "AND conrelid <> 'alembic_version'::regclass "
        "UNION SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class c ON c.oid = indrelid "
        "WHERE c.relnamespace = 'public'::regnamespace AND indrelid <> 'alembic_version'::regclass"
    )
    assert [name for name in names if not name.startswith(prefixes)] == []


@pytest.mark.parametrize("what", ["NOT indisvalid", "NOT indisready", "NOT indislive"])
def test_no_index_is_left_invalid(head: Database, what: str) -> None:
    assert head.column(f"SELECT indexrelid::regclass::text FROM pg_index WHERE {what}") == []


def test_no_constraint_is_left_unvalidated(head: Database) -> None:
    assert head.column("SELECT conname FROM pg_constraint WHERE NOT convalidated") == []


def test_no_helper_of_a_migration_is_left_behind(head: Database) -> None:
    functions = head.column(
        "SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
        "AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e') ORDER BY 1"
    )
    triggers = head.column(
        "SELECT DISTINCT tgname::text FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0 ORDER BY 1"
    )
    others = head.column(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('v', 'm', 'f') UNION SELECT polname::text FROM pg_policy"
    )
    assert functions == ["documents_search_update", "touch_updated_at"]
    assert triggers == ["documents_search_update", "touch_updated_at"]
    assert others == []


def test_no_user_table_is_unknown_to_the_models(head: Database) -> None:
    assert set(head.tables()) == set(Base.metadata.tables)

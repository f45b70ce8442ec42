"""Two branches from one revision, a dependency between them, and their merge."""

import io
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import IntegrityError

from migrate.chain import project_config
from tests.support import BY_SLUG, Make

FEATURE, MERGE = BY_SLUG["require_role_name"], BY_SLUG["merge_dev_and_prod"]
HOTFIX, LAST = BY_SLUG["index_audit_logs_user_timestamp"], BY_SLUG["drop_audit_logs_user_index"]
VERSIONS = "SELECT version_num FROM alembic_version ORDER BY 1"
INDEXES = (
    "SELECT indexname::text FROM pg_indexes WHERE tablename = 'audit_logs' AND indexname LIKE '%user_id%'"
)


@pytest.fixture
def unmerged(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The chain as it was before the merge."""
    folder = tmp_path_factory.mktemp("versions")
    scripts = ScriptDirectory.from_config(project_config())
    for head in (LAST.id, HOTFIX.id):
        for script in scripts.iterate_revisions(head, "base"):
            path = Path(script.path)
            (folder / path.name).write_bytes(path.read_bytes())
    config = project_config()
    config.set_main_option("version_locations", str(folder))
    return config


def test_there_are_two_heads_before_the_merge_and_one_after(unmerged: Config) -> None:
    unmerged.stdout = output = io.StringIO()
    command.heads(unmerged)
    assert {line.split()[0] for line in output.getvalue().splitlines()} == {LAST.id, HOTFIX.id}
    assert set(MERGE.parents) == {LAST.id, HOTFIX.id}


def test_a_bare_head_is_ambiguous_until_the_merge(unmerged: Config, before: Make) -> None:
    database = before(FEATURE.slug)
    unmerged.attributes["connection"] = database.engine
    with pytest.raises(Exception, match="Multiple head revisions"):
        command.upgrade(unmerged, "head")


def test_the_hotfix_goes_to_production_without_the_feature(unmerged: Config, before: Make) -> None:
    database = before(FEATURE.slug)
    unmerged.attributes["connection"] = database.engine
    command.upgrade(unmerged, "prod@head")
    assert database.column(VERSIONS) == [HOTFIX.id]
    database.insert("roles", name=" ")  # the feature would refuse it


def test_the_feature_brings_the_hotfix_that_it_depends_on(unmerged: Config, before: Make) -> None:
    database = before(FEATURE.slug)
    unmerged.attributes["connection"] = database.engine
    command.upgrade(unmerged, FEATURE.id)
    assert set(database.column(INDEXES)) == {"idx_audit_logs_user_id"}
    command.upgrade(unmerged, "dev@head")
    assert set(database.column(INDEXES)) == {"idx_audit_logs_user_id_timestamp"}


def test_either_branch_first_gives_the_same(unmerged: Config, before: Make) -> None:
    results = []
    for order in (
        ["dev@head", "prod@head"],
        ["prod@head", "dev@head"],
        [FEATURE.id, "prod@head", "dev@head"],
    ):
        database = before(FEATURE.slug)
        unmerged.attributes["connection"] = database.engine
        for target in order:
            command.upgrade(unmerged, target)
        database.upgrade(MERGE.slug)
        results.append((database.schema(), database.rows(), database.column(VERSIONS)))
    assert results[0] == results[1] == results[2]
    assert results[0][2] == [MERGE.id]


def test_undoing_the_merge_leaves_both_branches_applied(after: Make) -> None:
    database = after(MERGE.slug)
    schema, rows = database.schema(), database.rows()
    database.downgrade(MERGE.slug)
    assert database.column(VERSIONS) != [MERGE.id]
    assert (database.schema(), database.rows()) == (schema, rows)
    database.upgrade(MERGE.slug)
    assert database.column(VERSIONS) == [MERGE.id]


def test_the_feature_is_undone_and_the_hotfix_stays(after: Make) -> None:
    database = after(MERGE.slug)
    command.downgrade(database.alembic(), LAST.id)
    command.downgrade(database.alembic(), "dev@-2")
    assert database.column(VERSIONS) == [HOTFIX.id]
    assert set(database.column(INDEXES)) == {"idx_audit_logs_user_id", "idx_audit_logs_user_id_timestamp"}


def test_one_script_takes_both_branches_through_psql(before: Make) -> None:
    online, offline = before(FEATURE.slug), before(FEATURE.slug)
    online.upgrade(MERGE.slug)
    output = io.StringIO()
    config = project_config()
    config.output_buffer = output
    command.upgrade(config, f"{FEATURE.parents[0]}:{MERGE.id}", sql=True)
    offline.psql(output.getvalue())
    assert offline.schema() == online.schema()
    assert offline.column(VERSIONS) == online.column(VERSIONS)


@pytest.mark.parametrize("name", ["", " "])
def test_a_role_has_a_name(after: Make, name: str) -> None:
    database = after(FEATURE.slug)
    with pytest.raises(IntegrityError, match="ck_roles_name_not_blank"):
        database.insert("roles", name=name)


def test_one_index_serves_both_questions(after: Make) -> None:
    database = after(MERGE.slug)
    user = database.insert("users", email="busy@example.com")
    database.insert_many(
        "audit_logs", 20000, action="'many'",
        user_id=f"CASE WHEN n % 1000 = 0 THEN '{user}' ELSE (SELECT id FROM users LIMIT 1) END",
        timestamp="now() - n * interval '1 minute'",
    )  # fmt: skip
    database.execute("ANALYZE audit_logs")
    index = "idx_audit_logs_user_id_timestamp"
    assert index in database.plan(f"SELECT * FROM audit_logs WHERE user_id = '{user}'")
    latest = f"SELECT * FROM audit_logs WHERE user_id = '{user}' ORDER BY timestamp DESC LIMIT 20"
    assert index in database.plan(latest)
    assert index not in database.plan("SELECT * FROM audit_logs WHERE timestamp > now() - interval '1 hour'")

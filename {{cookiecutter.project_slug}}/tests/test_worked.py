"""What the chain promises as a whole, apart from what each revision does."""

import re

import pytest

from migrate.__main__ import VERSIONS
from migrate.index import render
from migrate.sample import TABLES, awkward_rows
from tests.support import Server, upgrade_despite_kills


@pytest.mark.tools
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_it_comes_to_the_same_end(seed: int, server: Server) -> None:
    database, undisturbed = server.after("create_initial_schema"), server.after("create_initial_schema")
    undisturbed.upgrade("head")
    upgrade_despite_kills(database, seed)
    assert database.schema() == undisturbed.schema()
    assert database.rows() == undisturbed.rows()


def test_the_picture_shows_the_branches_and_their_merge() -> None:
    picture = render(VERSIONS).split("```")[1]
    [dev] = re.findall(r"(n\d+)\[\"require_role_name\"\]", picture)
    [prod] = re.findall(r"(n\d+)\[\"index_audit_logs_user_timestamp\"\]", picture)
    [merge] = re.findall(r"(n\d+)\[\"merge_dev_and_prod\"\]", picture)
    start = re.findall(rf"(n\d+) --> (?:{dev}|{prod})\n", picture)
    assert len(start) == 2
    assert len(set(start)) == 1
    assert len(re.findall(rf"--> {merge}\n", picture)) == 2


def test_the_first_tables_take_every_awkward_row(server: Server) -> None:
    database = server.after("create_initial_schema", rows=False)
    database.fill(100)
    rows = database.rows()
    for table in ("users", "categories", "documents", "doc_pages", "legacy_exports"):
        many = max(1, round(100 * TABLES[table].share))
        assert len(rows[table]) == many + len(awkward_rows()[table])

"""Print the revision of history=baseline: what the chain builds, in one. `make baseline` calls it.

It runs in a generated backend that has the chain, and imports that one's packages.
"""

from alembic import command
from sqlalchemy import NullPool, text

from database import make_engine
from migrate.chain import project_config
from migrate.squash.dump import dump
from migrate.squash.write import source, tidy
from migrate.target import scratch_server
from postgres.scratch import scratch_database

# The one difference: of months that were over before its user began, there is no partition.
LESS = "DROP TABLE webhook_deliveries_2025_02"

REVISION = "c41d09e2b7a5"
DOC = f"""The schema of the models, in one revision.

It is SQL as pg_dump writes it: a schema is more than its tables, and functions, triggers and an
extension are in it too. Change it as long as it has run nowhere but here; then put revisions of
your own after it.

webhook_deliveries is partitioned by month. Its DEFAULT partition takes the rows of every month
that has none. Have a scheduler make the next ones, before they begin (docs/RUNBOOK.md):

    SELECT make_webhook_deliveries_partitions(3)

audit_logs is partitioned too: what is before 2030 is one partition.

Scenario: have a schema to begin with
Locks: none on tables that exist
Rollback: loses every table and every row
Deploy: before the code

Revision ID: {REVISION}
Revises:
Create Date: 2025-01-13 09:15:00.000000+00:00
"""


def revision() -> str:
    """Return the text of the revision."""
    config = project_config()
    with scratch_database(scratch_server()) as url:
        config.attributes["connection"] = engine = make_engine(url, poolclass=NullPool)
        command.upgrade(config, "head")
        with engine.begin() as connection:
            connection.execute(text(LESS))
        written: str = source(tidy(dump(url)), doc=DOC, revision=REVISION)
    return written


if __name__ == "__main__":
    print(revision(), end="")

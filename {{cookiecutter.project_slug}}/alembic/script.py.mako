"""${message.replace("_", " ").strip().capitalize()}.

Scenario: ? what it is for: it is listed under "I want to ..."
Instead of: ? the naive way, and what it costs; without one, delete this line
Locks: ? which tables, and how long does who wait? make ledger writes what it measures
Rollback: ? what its way back loses: lossless, loses TABLE.COLUMN, or irreversible: why
Deploy: ? before or after which code, which is running meanwhile; in how many deploys

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
Create Date: ${create_date}
"""

from alembic import op
import sqlalchemy as sa
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}

# The old code is still running when this runs: what it reads and writes must go on working.


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}

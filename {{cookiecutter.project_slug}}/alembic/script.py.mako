<%!
def docstring(text):
    """Return a text as it stands in a docstring."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
%>\
<% words = " ".join(message.replace("_", " ").split()).capitalize() %>\
"""${words | docstring}.

Scenario: ? what it does, as the end of "I want to ..."
Instead of: ? the naive way, and what it costs; where there is none, delete this line
Locks: ? which tables are locked, and how long traffic waits (make ledger measures it)
Rollback: ? lossless, loses TABLE.COLUMN, or irreversible: why (make ledger proposes it)
Deploy: ? before or after which code; which code is running meanwhile; in how many deploys

Revision ID: ${up_revision | docstring}
Revises: ${down_revision | comma,docstring,n}
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

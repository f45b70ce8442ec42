# Instead of: reading them into Python, from where they get into echoed SQL, tracebacks and memory dumps
# claim: shows users.password in a statement

from alembic import op
from sqlalchemy import text


def upgrade() -> None:
    users = op.get_bind().execute(text("SELECT id, password FROM users WHERE password <> '!'"))
    for user, password in users.fetchall():
        op.execute(
            "INSERT INTO auth_providers (user_id, provider, credentials) "
            f"VALUES ('{user}', 'local', '{password}') ON CONFLICT (user_id, provider) DO NOTHING"
        )


def downgrade() -> None:
    op.execute("DELETE FROM auth_providers WHERE provider = 'local'")

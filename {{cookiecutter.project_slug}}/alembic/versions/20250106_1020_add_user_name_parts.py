"""Add users.first_name and last_name, kept in step with full_name: the expand step.

Old code knows only full_name, new code only the parts, and both run at once. The trigger gives
each of them what the other writes. On INSERT, OLD is all NULL, so one comparison serves INSERT
and UPDATE. If a value is unchanged, the statement did not write it. So full_name stays as it
was typed until a part of it changes.

The first word becomes the first name, the rest the last name: right for "Gabriel García
Márquez", wrong for "Mary Ann Smith" and for names that begin with the family name. No rule is
right for all names, so people correct theirs later. Blanks, tabs and Unicode's wide and
no-break spaces separate words. The pattern lists them, because the regular expression's own
class depends on the locale. NULL stays NULL; a name without words gets an empty first name.
full_name holds 200 characters: of longer parts, old code sees the first 200.

    add       both forms, and the trigger; old code runs
    backfill  both forms in every row; old code runs
    deploy    the new code reads and writes the parts; the old code may still run
    drop      the parts, no trigger; only the new code runs

Scenario: split a column in two, first step: new columns and a trigger between both forms
Instead of: adding, backfilling and dropping in one revision, which breaks the code that is running
Locks: users AccessExclusiveLock; no rewrite, no scan
Rollback: loses users.first_name, users.last_name; full_name has what new code wrote
Deploy: before the code that knows the parts, which needs the next revision too
Needs: users.full_name is nullable
Adapt: table users, new columns first_name last_name, column full_name

Revision ID: 2c90f13e0c65
Revises: 37f794e57584
Create Date: 2025-01-06 10:20:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2c90f13e0c65"
down_revision = "37f794e57584"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("first_name", sa.String(200)))
    op.add_column("users", sa.Column("last_name", sa.String(200)))
    op.execute(r"""
        CREATE FUNCTION users_sync_name() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            blanks CONSTANT text := ' \t\n\r\u00a0\u2000-\u200a\u202f\u3000';
            words CONSTANT text[] := regexp_match(
                NEW.full_name, format('^[%1$s]*([^%1$s]*)[%1$s]*(.*?)[%1$s]*$', blanks)
            );
            old_code CONSTANT boolean := NEW.full_name IS DISTINCT FROM OLD.full_name;
            new_code CONSTANT boolean :=
                (NEW.first_name, NEW.last_name) IS DISTINCT FROM (OLD.first_name, OLD.last_name);
        BEGIN
            IF old_code AND NOT new_code THEN
                NEW.first_name := words[1];
                NEW.last_name := nullif(words[2], '');
            ELSIF NOT old_code THEN
                IF coalesce(OLD.first_name, OLD.last_name) IS NULL THEN  -- not yet split
                    NEW.first_name := coalesce(NEW.first_name, words[1]);
                    NEW.last_name := coalesce(NEW.last_name, nullif(words[2], ''));
                END IF;
                IF new_code OR NEW.full_name IS NULL THEN
                    NEW.full_name := CASE WHEN coalesce(NEW.first_name, NEW.last_name) IS NOT NULL
                        THEN left(concat_ws(' ', nullif(NEW.first_name, ''), nullif(NEW.last_name, '')), 200)
                    END;
                END IF;
            END IF;
            RETURN NEW;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER users_sync_name BEFORE INSERT OR UPDATE OF full_name, first_name, last_name
        ON users FOR EACH ROW EXECUTE FUNCTION users_sync_name()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER users_sync_name ON users")
    op.execute("DROP FUNCTION users_sync_name()")
    op.drop_column("users", "last_name")
    op.drop_column("users", "first_name")

"""Rename documents.name to title.

Autogenerate sees one column gone and one column new, and writes a drop and an add. That loses
every name, so a reviewer writes this revision instead. No row is rewritten. Indexes and views
that use the column keep working.

Use this if the code may stop for the deploy, or if only one program uses the column. If old and
new code run at once, use the four revisions of expand_renamed_note.

PostgreSQL 18 gives a NOT NULL a name, made from the column's name, and a rename does not
change it. Older versions have no such name. The block renames it where it exists.

Scenario: rename a column
Instead of: the add_column() and drop_column() that autogenerate writes: fails on rows, or loses every name
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: together with the code that uses title; code that uses name fails from then on (42703), and the
    code that uses title fails before
Needs: code that is stopped meanwhile, or knows both names; connections that prepare no statements
Adapt: table documents, column name, new column title

Revision ID: 2b44e9bc47a8
Revises: 5f12b0178a8d
Create Date: 2025-01-06 10:05:00.000000+00:00
"""

from alembic import op

revision = "2b44e9bc47a8"
down_revision = "5f12b0178a8d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("documents", "name", new_column_name="title")
    rename_constraint_if_there("documents_name_not_null", "documents_title_not_null")


def downgrade() -> None:
    op.alter_column("documents", "title", new_column_name="name")
    rename_constraint_if_there("documents_title_not_null", "documents_name_not_null")


def rename_constraint_if_there(old: str, new: str) -> None:
    op.execute(f"""
        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'documents'::regclass AND conname = '{old}')
            THEN
                ALTER TABLE documents RENAME CONSTRAINT {old} TO {new};
            END IF;
        END
        $$
    """)

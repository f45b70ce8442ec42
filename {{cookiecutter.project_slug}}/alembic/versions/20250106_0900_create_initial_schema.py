"""Create users, categories, documents, their pages, and a log of exports.

This is a first draft with typical flaws: timestamps without a time zone, an integer that will
overflow, a category_id without a foreign key. Later revisions mend them.

Scenario: start a schema
Instead of: `Base.metadata.create_all()`, which never changes a table that exists
Locks: none on existing tables
Rollback: loses every row
Deploy: before the first version of the code
Needs: an empty schema
Adapt: new table users, key uuid, columns email full_name password is_active created_at updated_at, new
    table categories, key integer, column name, new table documents, key uuid, columns user_id name
    file_size category_id metadata legacy_status created_at updated_at, new table doc_pages, key uuid,
    columns document_id page_number text, new table legacy_exports, key integer, columns document_id
    exported_at

Revision ID: 500fa5097340
Revises:
Create Date: 2025-01-06 09:00:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "500fa5097340"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("email", sa.String(255), nullable=False),
        sa.Column("full_name", sa.String(200)),
        sa.Column("password", sa.String(255), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("created_at", sa.DateTime(), server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_index("idx_users_created_at", "users", ["created_at"])
    op.create_table(
        "categories",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_categories"),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("file_size", sa.Integer(), nullable=False),
        sa.Column("category_id", sa.Integer()),
        sa.Column("metadata", postgresql.JSONB()),
        sa.Column("legacy_status", sa.String(20)),
        sa.Column("created_at", sa.DateTime(), server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_documents_user_id", ondelete="CASCADE"),
    )
    # PostgreSQL does not index a foreign key by itself. Without this index, deleting a user
    # would scan all documents.
    op.create_index("idx_documents_user_id", "documents", ["user_id"])
    op.create_table(
        "doc_pages",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("page_number", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_doc_pages"),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name="fk_doc_pages_document_id", ondelete="CASCADE"
        ),
    )
    op.create_index("idx_doc_pages_document_id", "doc_pages", ["document_id"])
    op.create_table(
        "legacy_exports",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("document_id", sa.Uuid()),
        sa.Column("exported_at", sa.DateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_legacy_exports"),
    )


def downgrade() -> None:
    op.execute("LOCK TABLE users, categories, documents, doc_pages, legacy_exports IN ACCESS EXCLUSIVE MODE")
    op.drop_table("legacy_exports")
    op.drop_table("doc_pages")
    op.drop_table("documents")
    op.drop_table("categories")
    op.drop_table("users")

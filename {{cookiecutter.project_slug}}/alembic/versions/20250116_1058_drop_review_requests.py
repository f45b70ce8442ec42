"""Drop review_requests, the tables that were made of its lists, and the type of its level.

A table that others refer to cannot be dropped alone. One statement drops all that it names, in any order.
A table that it does not name is protected: the statement fails, where CASCADE would take away that
table's foreign key and say so in a notice. The type goes last, because a column has it.

Scenario: drop tables that refer to each other
Instead of: DROP TABLE review_requests alone, which fails because another table refers to it
Locks: review_requests AccessExclusiveLock, topics AccessExclusiveLock, review_request_topics
    AccessExclusiveLock, review_request_remarks AccessExclusiveLock; no rewrite, no scan
Rollback: loses review_requests, topics, review_request_topics and review_request_remarks
Deploy: after the code that uses them is gone, and after a dump
Needs: code that does not name the tables; no other table that refers to review_requests; no other table
    that refers to topics
Adapt: table review_requests, key uuid, columns title level, table topics, column name, table
    review_request_topics, columns review_request_id topic_name, table review_request_remarks, columns
    review_request_id position page_number remark, labels low normal high

Revision ID: dc46ad48ea93
Revises: f88d0dbde75b
Create Date: 2025-01-16 10:58:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "dc46ad48ea93"
down_revision = "f88d0dbde75b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # As code locks them: what is referred to first.
    op.execute("""
        LOCK TABLE review_requests, topics, review_request_topics, review_request_remarks
        IN ACCESS EXCLUSIVE MODE
    """)
    op.execute("DROP TABLE review_requests, topics, review_request_topics, review_request_remarks")
    op.execute("DROP TYPE review_request_level")


def downgrade() -> None:
    op.execute("CREATE TYPE review_request_level AS ENUM ('low', 'normal', 'high')")
    op.create_table(
        "review_requests",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_review_requests"),
    )
    op.execute("ALTER TABLE review_requests ADD COLUMN level review_request_level")
    op.execute("CREATE TABLE topics (name text CONSTRAINT pk_topics PRIMARY KEY)")
    op.execute("""
        CREATE TABLE review_request_topics (
            review_request_id uuid CONSTRAINT fk_review_request_topics_review_request_id
                REFERENCES review_requests (id) ON DELETE CASCADE,
            topic_name text CONSTRAINT fk_review_request_topics_topic_name
                REFERENCES topics (name) ON UPDATE CASCADE ON DELETE CASCADE,
            CONSTRAINT pk_review_request_topics PRIMARY KEY (review_request_id, topic_name)
        )
    """)
    op.execute("""
        CREATE TABLE review_request_remarks (
            review_request_id uuid CONSTRAINT fk_review_request_remarks_review_request_id
                REFERENCES review_requests (id) ON DELETE CASCADE,
            position integer,
            page_number integer,
            remark text,
            CONSTRAINT pk_review_request_remarks PRIMARY KEY (review_request_id, position)
        )
    """)
    op.execute("CREATE INDEX idx_review_request_topics_topic_name ON review_request_topics (topic_name)")

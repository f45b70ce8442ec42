"""The schema, as SQLAlchemy models. Import every module here: Alembic compares these models."""

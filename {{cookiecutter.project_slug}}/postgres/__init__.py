"""PostgreSQL's own programs, and the embedded server. This package imports nothing of the project."""

"""What runs around a migration: `python -m migrate --help`."""

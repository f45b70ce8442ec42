"""The code around a migration: `python -m migrate --help`."""

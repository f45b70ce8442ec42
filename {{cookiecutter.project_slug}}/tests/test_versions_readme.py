"""The index of scenarios in alembic/versions/README.md."""

from migrate.__main__ import VERSIONS
from migrate.index import render


def test_it_is_up_to_date() -> None:
    text = (VERSIONS / "README.md").read_text(encoding="utf-8")
    assert render(VERSIONS) in text, "make index"

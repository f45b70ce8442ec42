"""The index of scenarios."""

from pathlib import Path

import pytest

from migrate import index
from migrate.ledger import FOLDER, readme
from migrate.markdown import NoPlaceError
from tests.machinery.support import REVISIONS


def test_it_lists_every_revision_once(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n{index.PLACE.start}\nold\n{index.PLACE.end}\nafter\n")
    readme.write(path, FOLDER)
    text = path.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old\n" not in text
    assert [text.count(f"[{revision.slug}](") for revision in REVISIONS] == [1] * len(REVISIONS)


def test_a_file_without_a_place_for_it_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("nothing here\n")
    with pytest.raises(NoPlaceError, match="has no place for the index"):
        readme.write(path, FOLDER)
    assert path.read_text() == "nothing here\n"

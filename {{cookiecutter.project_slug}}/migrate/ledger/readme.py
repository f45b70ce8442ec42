"""The README.md of the revisions' folder: its index is from the docstrings, its ledger from ledger.json."""

from collections.abc import Sequence
from pathlib import Path

from migrate import index
from migrate.chain import Revision, revisions
from migrate.ledger import words
from migrate.ledger.record import NAME, Record, load

FILE = "README.md"


def rendered(path: Path, chain: Sequence[Revision], record: Record) -> str:
    """Return the text of a Markdown file, with a new index and a new ledger.

    Args:
        path: the file.
        chain: the revisions.
        record: the measurements.

    Raises:
        NoPlaceError: it has a place for neither index nor ledger.
    """
    text = path.read_text(encoding="utf-8")
    if index.PLACE.is_in(text) or not words.PLACE.is_in(text):
        text = index.PLACE.fill(text, index.lines(chain, path.parent), path)
    if words.PLACE.is_in(text):
        text = words.PLACE.fill(text, words.lines(chain, record, path.parent), path)
    return text


def write(path: Path, folder: Path) -> None:
    """Write index and ledger into a Markdown file, each if the file has a place for it.

    Args:
        path: the file.
        folder: the folder of the record.

    Raises:
        NoPlaceError: it has a place for neither.
        LedgerError: the record cannot be read.
    """
    chain = revisions()
    path.write_text(rendered(path, chain, load(folder / NAME)), encoding="utf-8")

"""The ledger of these revisions, which is measured anew."""

from migrate import ledger
from tests.support import REVISIONS


def test_it_is_what_is_measured_and_docstrings_are_true_and_the_policy_is_kept() -> None:
    ledger.update(check=True)  # all in one: it measures the chain once


def test_it_can_be_asked_for_without_a_server() -> None:
    assert [revision.slug for revision in REVISIONS if not ledger.recorded(revision)] == []

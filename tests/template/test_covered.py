"""What other guides speak of is in the chain, or it is said why not."""

import re
import tomllib

import pytest

from tests.conftest import BACKEND, TEMPLATE

COVERED = tomllib.loads((TEMPLATE / "tests/template/covered.toml").read_text(encoding="utf-8"))
SLUGS = {path.stem.split("_", 2)[2] for path in BACKEND.glob("alembic/versions/*.py")}


@pytest.mark.parametrize("guide", COVERED)
def test_each_name_leads_to_a_revision_or_to_a_sentence(guide: str) -> None:
    wrong = [
        f"{name}: {said}: there is no such revision, and it is no sentence"
        for name, said in COVERED[guide].items()
        if said not in SLUGS and not re.fullmatch(r"\S+( \S+){3,}\.", said)
    ]
    assert wrong == []


def test_a_sentence_that_names_a_revision_names_one_that_is_there() -> None:
    sentences = [said for guide in COVERED.values() for said in guide.values() if " " in said]
    named = {word for said in sentences for word in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", said)}
    assert named
    assert named - SLUGS == set()


def test_more_is_shown_than_left_out() -> None:
    for guide, names in COVERED.items():
        shown = sum(said in SLUGS for said in names.values())
        assert shown >= 0.7 * len(names), guide

"""A plugin of pytest: of all tests it runs those that belong to one revision.

These are the tests that have the revision for a parameter, and those of tests/scenarios that name it.
"""

import inspect
import os
import re

import pytest

from migrate.chain import Revision
from tests.support import BY_SLUG

SLUG = "LAB_REVISION"
# By which the backend's tests name their databases.
RUN = "MIGRATE_TEST_RUN"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what does not belong to the revision of LAB_REVISION."""
    chosen = [item for item in items if belongs(item, os.environ[SLUG])]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def belongs(item: pytest.Item, slug: str) -> bool:
    """Whether a test is about a revision: by its parameters, else by its own words, else by its file's."""
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    slugs = {getattr(value, "slug", value) for value in parameters if isinstance(value, str | Revision)}
    if slugs := slugs & BY_SLUG.keys():
        return slug in slugs
    if "scenarios" not in item.path.parts or not isinstance(item, pytest.Function):
        return False
    return slug in (named(inspect.getsource(item.function)) or named(item.path.read_text(encoding="utf-8")))


def named(source: str) -> set[str]:
    """Return which revisions a text names."""
    return {word for pair in re.findall(r"""'(\w+)'|"(\w+)\"""", source) for word in pair} & BY_SLUG.keys()

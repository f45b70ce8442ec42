"""Where the worked revision for a change is to be read."""

from database import ROOT

VERSIONS = ROOT / "alembic" / "versions"
TEMPLATE = "in the README of the template that this backend was made from"


def scenario(slug: str) -> str:
    """Return a pointer to a scenario: to its file, where this backend has it."""
    here = any(VERSIONS.glob(f"*_{slug}.py"))
    return f"see the scenario {slug} {'in alembic/versions' if here else TEMPLATE}"

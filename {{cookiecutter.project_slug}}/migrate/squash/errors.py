"""The errors of the package."""

from alembic.util import CommandError


class SquashError(CommandError):
    """The chain cannot be squashed. The message says why; nothing has changed."""

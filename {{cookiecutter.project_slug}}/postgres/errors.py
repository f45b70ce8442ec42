"""What goes wrong with PostgreSQL's programs, its addresses and the embedded server."""


class PostgresError(Exception):
    """Something that the user can put right. The message is one line, without a password."""


class ClientError(PostgresError):
    """A client program is missing, too old, or failed. The message is one line, or what it printed."""


class EmbeddedServerError(PostgresError):
    """The embedded server is not installed, or cannot run. The message says what to do."""


class SettingsError(PostgresError):
    """A file of settings cannot be read. The message is one line, without a value."""

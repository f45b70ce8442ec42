"""Errors of PostgreSQL's programs, of database URLs and of the embedded server."""


class PostgresError(Exception):
    """An error that the user can repair. The message is one line, without a password."""


class ClientError(PostgresError):
    """A client program is missing, too old, or failed. The message is one line, or the program's output."""


class DatabaseURLError(PostgresError):
    """There is no usable database URL. The message is one line, without the password."""


class EmbeddedServerError(PostgresError):
    """The embedded server is not installed, or cannot run. The message says what to do."""


class SettingsError(PostgresError):
    """A file of settings cannot be read. The message is one line, without a value."""

"""Sample rows for development and tests, for any tables that the database has.

The server makes the rows from their number and the type of each column. So they are the same every
time, and a million rows take seconds. models/sample.py makes them realistic, and adds a few awkward
rows, such as real tables have and recipes forget.
"""

from migrate.sample.described import Described, SampleError
from migrate.sample.filling import Filled, fill

__all__ = ["Described", "Filled", "SampleError", "fill"]

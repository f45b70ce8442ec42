"""Rows to develop and to test with, for whatever tables the database has.

The many are made by the server from their number alone, by the type of the column, so they
are the same every time, and a million take seconds. models/sample.py makes them realistic, and
has the awkward few that real tables hold and recipes forget.
"""

from migrate.sample.described import Described, SampleError
from migrate.sample.filling import Filled, fill

__all__ = ["Described", "Filled", "SampleError", "fill"]

"""The tour: the naive way and the right one of a migration, live in a terminal: `make tour`.

`chapters` says what there is to see. `stage` makes the databases, `scene` runs one of the `ways` under
the traffic of `lab.traffic`, and `screen` draws what was seen of it. `guide` goes from one to the next,
by the `keys`. `migration` is the command `alembic`, with its statements told.
"""

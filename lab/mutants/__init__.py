"""Whether the tests of a backend notice when something is left out of a revision.

made.py makes the mutants, chosen.py has pytest run the tests that belong to a revision, and judge.py
measures it and compares the schema at head. `python -m lab.backend lab.mutants` runs them.
"""

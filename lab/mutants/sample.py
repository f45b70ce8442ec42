"""Some of the mutants, and what they say of all."""

import math
import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def sampled(made: Mapping[K, Sequence[V]], count: int, seed: int) -> dict[K, list[V]]:
    """Return some of the mutants, as chance will have it, in the order of the chain.

    Raises:
        ValueError: there are not so many.
    """
    chosen = set(random.Random(seed).sample([mutant for found in made.values() for mutant in found], count))
    some = {revision: [mutant for mutant in found if mutant in chosen] for revision, found in made.items()}
    return {revision: found for revision, found in some.items() if found}


def interval(killed: int, of: int) -> tuple[float, float]:
    """Return from what to what percentage the score of all goes, judged by a sample: true 19 times of 20.

    Wilson's: https://doi.org/10.1080/01621459.1927.10502953
    """
    z, share = 1.96, killed / of
    middle, width = share + z * z / (2 * of), z * math.sqrt(share * (1 - share) / of + (z / (2 * of)) ** 2)
    return (
        round(100 * (middle - width) / (1 + z * z / of), 1),
        round(100 * (middle + width) / (1 + z * z / of), 1),
    )

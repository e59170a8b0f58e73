"""What two rates may tell of each other: intervals that keep their word for small numbers and rates near zero."""

import math
from statistics import NormalDist

CONFIDENCE = 0.95
WORTH_WAITING_FOR = 0.02
"""A smaller difference of two rates is hardly worth the waiting: more than it is planned for is not asked for."""
_GUESS, _WEIGHT = 0.1, 10
"""What a rate is taken for before anything is known of it, and how many observations that guess is worth."""
_MOST = 10_000_000


def wilson(successes: float, trials: float, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Wilson's score interval of a rate (without continuity correction). Raises ValueError without trials.

    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927).
    """
    if not 0 <= successes <= trials or not trials:
        raise ValueError(f"{successes} of {trials} is no rate")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate, share = successes / trials, z * z / trials
    middle = (rate + share / 2) / (1 + share)
    half = z * math.sqrt(rate * (1 - rate) / trials + share / (4 * trials)) / (1 + share)
    # Rounding must not push an end past the rate itself: of none or all it is the rate.
    return max(0.0, min(rate, middle - half)), min(1.0, max(rate, middle + half))


def newcombe(
    successes: float, trials: float, other_successes: float, other_trials: float, *, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Return the interval of the difference of two independent rates, the first less the other; from -1 to 1.

    Newcombe, "Interval Estimation for the Difference Between Independent Proportions", Statistics in Medicine 17
    (1998), method 10: from each rate's Wilson interval. Raises ValueError where one has no trials.
    """
    low, high = wilson(successes, trials, confidence=confidence)
    other_low, other_high = wilson(other_successes, other_trials, confidence=confidence)
    rate, other = successes / trials, other_successes / other_trials
    below = math.hypot(rate - low, other_high - other)
    above = math.hypot(high - rate, other - other_low)
    return max(-1.0, rate - other - below), min(1.0, rate - other + above)


def more_needed(successes: int, trials: int, other_successes: int, other_trials: int, *, other_share: float) -> int:
    """Say about how many more trials in all it takes until Newcombe's interval leaves zero out, if the rates stay.

    `other_share`: which part of them goes to the second arm. A difference below WORTH_WAITING_FOR is taken for that.
    Rounded up to two digits; 0 where the interval leaves zero out already. At most ten million.
    """
    if trials and other_trials:
        low, high = newcombe(successes, trials, other_successes, other_trials)
        if low > 0 or high < 0:
            return 0
    other = (other_successes + _GUESS * _WEIGHT) / (other_trials + _WEIGHT)
    rate = (successes + _GUESS * _WEIGHT) / (trials + _WEIGHT)
    if abs(rate - other) < WORTH_WAITING_FOR:
        rate = other + WORTH_WAITING_FOR if other + WORTH_WAITING_FOR <= 1 else other - WORTH_WAITING_FOR

    def tells(more: int) -> bool:
        first, second = trials + more * (1 - other_share), other_trials + more * other_share
        low, high = newcombe(rate * first, first, other * second, second)
        return low > 0 or high < 0

    low, high = 1, 2
    while high < _MOST and not tells(high):
        low, high = high, high * 2
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if tells(middle) else (middle, high)
    digits = int(10 ** max(0, len(str(high)) - 2))
    return min(_MOST, -(-high // digits) * digits)

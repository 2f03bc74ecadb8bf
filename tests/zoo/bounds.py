"""How often something may happen that was seen k times in n: upper bounds at 95 %. Pure."""

from __future__ import annotations

from math import exp, lgamma, log, log1p

CONFIDENCE = 0.95


def rule_of_three(runs: int) -> float:
    """3/n: what did not happen in n independent runs happens in less than this share of runs, at 95 %.

    It is what remains of the exact bound ``1 - 0.05 ** (1/n)``, which it exceeds a little. At most 1.
    """
    return min(1.0, 3 / runs)


def exact_bound(seen: int, runs: int) -> float:
    """The Clopper-Pearson bound: the greatest share for which ``seen`` or fewer of ``runs`` have a chance of 5 %.

    Found by halving, to twelve digits. 1 when it was seen in every run.
    """
    if not 0 <= seen <= runs or runs < 1:
        raise ValueError(f"{seen} of {runs} runs")
    if seen == runs:
        return 1.0
    low, high = seen / runs, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        if _at_most(seen, runs, middle) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _at_most(seen: int, runs: int, share: float) -> float:
    """The chance of ``seen`` or fewer in ``runs``. By logarithms: the binomials alone are too great for a float."""
    yes, no = log(share), log1p(-share)
    ways = (lgamma(runs + 1) - lgamma(k + 1) - lgamma(runs - k + 1) for k in range(seen + 1))
    return sum(exp(many + k * yes + (runs - k) * no) for k, many in enumerate(ways))


def told(seen: int, runs: int) -> str:
    """The count and its bound in words, such as ``0 of 50: below 0.06 at 95%``, with the rule that gave it."""
    if seen == 0:
        return f"0 of {runs}: below {rule_of_three(runs):.2g} at 95% (rule of three: 3/{runs})"
    return f"{seen} of {runs}: below {exact_bound(seen, runs):.2g} at 95% (exact binomial bound)"

"""Schedules along a cosine: one decay with a warm-up, and restarts."""

import numpy as np

from helpers.schedules.checks import (
    Schedule,
    as_steps,
    check_count,
    check_not_negative,
    check_positive,
    check_shares,
)


def cosine(
    initial_learning_rate: float,
    *,
    decay_steps: float,
    alpha: float = 0.0,
    warmup_target: float | None = None,
    warmup_steps: int = 0,
) -> Schedule:
    """Return cosine scheduling with an optional warm-up, as Keras' `CosineDecay`.

        η(t) = η₀ + (η* − η₀) t / w                             for t < w, the warm-up
        η(t) = η* [(1 − α) (1 + cos(π min(t − w, s) / s)) / 2 + α]   from there on

    Without a warm-up w is 0 and η* is η₀.

    Args:
        initial_learning_rate: η₀, 0 or more; above 0 without a warm-up.
        decay_steps: s, above 0: the steps of the decay, those of the warm-up not counted.
        alpha: α in [0, 1): the share of the rate that is left in the end.
        warmup_target: η*, above 0: where the warm-up ends and the decay begins; or None.
        warmup_steps: w, 0 or more; without a target there is no warm-up.

    Returns:
        The learning rate as a function of the step.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of its range, or there are warm-up steps without a target.

    Example:
        >>> cosine(0.1, decay_steps=10)([0, 5, 10]).round(4)
        array([0.1 , 0.05, 0.  ])
        >>> cosine(0.0, decay_steps=10, warmup_target=0.1, warmup_steps=4)([0, 2, 4]).round(4)
        array([0.  , 0.05, 0.1 ])

    Loshchilov and Hutter (2017); the linear warm-up after Goyal et al. (2017).
    """
    check_positive(decay_steps=decay_steps)
    check_shares(alpha=alpha)
    check_count(0, warmup_steps=warmup_steps)
    if warmup_target is None:
        check_positive(initial_learning_rate=initial_learning_rate)
        if warmup_steps:
            raise ValueError(
                "`warmup_steps` need a `warmup_target`. "
                f"Received: warmup_steps={warmup_steps}, warmup_target=None"
            )
        peak = initial_learning_rate
    else:
        check_not_negative(initial_learning_rate=initial_learning_rate)
        check_positive(warmup_target=warmup_target)
        peak = warmup_target
    slope = (peak - initial_learning_rate) / max(warmup_steps, 1)

    def schedule(step):
        steps = as_steps(step)
        share = np.clip((steps - warmup_steps) / decay_steps, 0, 1)
        decayed = peak * ((1 - alpha) * _half_wave(share) + alpha)
        risen = initial_learning_rate + slope * steps
        return np.where(steps < warmup_steps, risen, decayed)[()]

    return schedule


def cosine_restarts(
    initial_learning_rate: float,
    *,
    first_decay_steps: int,
    t_mul: float = 2.0,
    m_mul: float = 1.0,
    alpha: float = 0.0,
) -> Schedule:
    """Return cosine scheduling with warm restarts (SGDR), as Keras' `CosineDecayRestarts`.

        η(t) = η₀ [(1 − α) mⁱ (1 + cos(π u)) / 2 + α],   u: share of the i-th period that is over

    Period i, from 0, lasts s kⁱ steps, and begins with a restart.

    Args:
        initial_learning_rate: η₀, above 0.
        first_decay_steps: s, at least 1.
        t_mul: k, 1 or more: each period is k times as long as the one before.
        m_mul: m, above 0: each restart begins at m times the rate of the one before.
        alpha: α in [0, 1): the share of η₀ that is left at the end of a period.

    Returns:
        The learning rate as a function of the step.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of its range.

    Example:
        >>> cosine_restarts(0.1, first_decay_steps=4)([0, 2, 4, 8, 12]).round(4)
        array([0.1 , 0.05, 0.1 , 0.05, 0.1 ])

    Loshchilov and Hutter (2017).
    """
    check_positive(initial_learning_rate=initial_learning_rate, m_mul=m_mul)
    check_count(1, first_decay_steps=first_decay_steps)
    check_shares(alpha=alpha)
    check_positive(t_mul=t_mul)
    if t_mul < 1:
        raise ValueError(f"`t_mul` must be 1 or more. Received: t_mul={t_mul}")

    def schedule(step):
        period, share = _periods(as_steps(step) / first_decay_steps, t_mul)
        wave = (1 - alpha) * m_mul**period * _half_wave(share) + alpha
        return initial_learning_rate * wave

    return schedule


def _half_wave(share):
    """Return a cosine that falls from 1 to 0 while the share goes from 0 to 1."""
    return 0.5 * (1 + np.cos(np.pi * share))


def _periods(elapsed, growth: float):
    """Return the number of each period, from 0, and the share of it that is over."""
    if growth == 1:
        period = np.floor(elapsed)
        return period, elapsed - period
    # Period i begins at (kⁱ − 1) / (k − 1) first periods; a hair is added against rounding.
    period = np.floor(np.log1p(elapsed * (growth - 1)) / np.log(growth) + 1e-9)
    begin = (growth**period - 1) / (growth - 1)
    return period, np.maximum(elapsed - begin, 0) / growth**period

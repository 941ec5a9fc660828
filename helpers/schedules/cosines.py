"""The schedule along a cosine, with a warm-up."""

import numpy as np

from helpers.checks import check_count, check_not_negative, check_positive, check_shares
from helpers.schedules.checks import Schedule, as_steps


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


def _half_wave(share):
    """Return a cosine that falls from 1 to 0 while the share goes from 0 to 1."""
    return 0.5 * (1 + np.cos(np.pi * share))

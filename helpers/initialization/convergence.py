"""How long a training takes to reach a loss."""

import numpy as np


def epochs_to_target(losses: np.ndarray, target: float) -> np.ndarray:
    """Return after how many epochs each replica's loss first reaches a target.

    Between the last epoch above the target and the first that is not, the loss is taken as a
    straight line.

    Args:
        losses: Shape (replicas, epochs); NaN counts as not reached.
        target: The loss to reach.

    Returns:
        Shape (replicas,), 1.0 where the first epoch is there. A replica that never reaches the
        target counts as epochs + 1: its true count is more than epochs.

    Raises:
        ValueError: `losses` is not two-dimensional.

    Example:
        >>> epochs_to_target(np.array([[3.0, 2.0, 0.0], [3.0, 2.0, float("nan")]]), 1.0)
        array([2.5, 4. ])
    """
    losses = np.asarray(losses, dtype=np.float64)
    if losses.ndim != 2:
        raise ValueError(f"`losses` must have shape (replicas, epochs). Received: {losses.shape}")
    reached = losses <= target
    first = reached.argmax(axis=1)
    at = np.take_along_axis(losses, first[:, None], axis=1)[:, 0]
    before = np.take_along_axis(losses, np.maximum(first - 1, 0)[:, None], axis=1)[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):  # where the line is not needed
        overshoot = np.where(first > 0, (target - at) / (before - at), 0.0)
    return np.where(reached.any(axis=1), first + 1 - overshoot, losses.shape[1] + 1.0)

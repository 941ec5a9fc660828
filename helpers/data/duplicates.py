"""Images that stand in a pool twice, or nearly so: whoever trains on one knows the other."""

from typing import NamedTuple

import numpy as np

from helpers.checks import as_reals, check_inside


class Duplicates(NamedTuple):
    """Pairs of images that are alike.

    Attributes:
        equal: Pairs of rows with equal pixels, shape (pairs, 2).
        near: Pairs in which one image is the other's nearest and closer than a share of the
            median distance between nearest images, equal pairs left out, shape (pairs, 2).
    """

    equal: np.ndarray
    near: np.ndarray


def find_duplicates(x: np.ndarray, *, share: float = 0.25) -> Duplicates:
    """Find pairs of images that are equal, or so near that one gives the other away.

    Args:
        x: Images, shape (n, ...), at least 2.
        share: Of the median distance of an image to its nearest: what is closer counts as near.

    Raises:
        TypeError: `x` holds no numbers, or `share` is none.
        ValueError: There are fewer than 2 images, or `share` is not in (0, 1).

    Example:
        >>> x = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0], [0.0, 4.1], [3.0, 0.0], [9.0, 9.0]])
        >>> found = find_duplicates(x, share=0.9)
        >>> found.equal.tolist(), found.near.tolist()
        ([[1, 4]], [])
    """
    from sklearn.neighbors import NearestNeighbors

    x = as_reals("x", x, kinds="biuf", dtype=None)
    if not x.ndim or len(x) < 2:
        raise ValueError(f"`x` must hold at least 2 images. Received: shape={x.shape}")
    check_inside(share=share)
    flat = x.reshape(len(x), -1)
    _, first = np.unique(flat, axis=0, return_inverse=True)
    order = np.argsort(first, kind="stable")
    same = np.flatnonzero(np.diff(first.ravel()[order]) == 0)
    equal = np.sort(np.stack([order[same], order[same + 1]], axis=1), axis=1)
    search = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(flat)
    distances, neighbours = search.kneighbors(flat)
    rows = np.arange(len(flat))
    nearest = np.where(neighbours[:, 0] == rows, neighbours[:, 1], neighbours[:, 0])
    apart = np.where(neighbours[:, 0] == rows, distances[:, 1], distances[:, 0])
    typical = np.median(apart)
    mutual = (nearest[nearest] == rows) & (rows < nearest)
    different = (flat != flat[nearest]).any(axis=1)
    chosen = mutual & different & (apart < share * typical)
    return Duplicates(equal, np.stack([rows[chosen], nearest[chosen]], axis=1))

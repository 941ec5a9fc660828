"""Tasks cut out of a data set: some classes, few labels, or labels that cost nothing.

A data set is any dataclass with ``x_`` and ``y_`` for ``train``, ``valid`` and ``test``, and
``class_names``, as `helpers.data.Dataset`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

SPLITS = ("train", "valid", "test")
TURNS = 4  # quarter turns of an image, 0 included


class LabelledImages(NamedTuple):
    """Images with labels, drawn for several trainings.

    Attributes:
        rows: Which of the images were drawn, shape (replicas, n).
        x: The images, shape (replicas, n, *image_shape).
        y: Their labels, shape (replicas, n).
    """

    rows: np.ndarray
    x: np.ndarray
    y: np.ndarray


def select_classes(data, classes: Sequence[int]):
    """Return the data set of some classes alone, numbered anew in the order given.

    Args:
        data: A data set.
        classes: Labels to keep, at least 2, none twice; `classes[k]` becomes k.

    Returns:
        A data set of the same kind.

    Raises:
        ValueError: A class is unknown or stands twice, or there are fewer than 2.

    Example:
        >>> from helpers.data import load
        >>> task = select_classes(load("digits"), [5, 6])
        >>> task.class_names, sorted(set(task.y_train.tolist()))
        (('5', '6'), [0, 1])
    """
    classes, known = list(classes), len(data.class_names)
    if len(set(classes)) != len(classes) or len(classes) < 2 or not set(classes) <= {*range(known)}:
        raise ValueError(
            f"`classes` must hold at least 2 different labels from 0 to {known - 1}. "
            f"Received: classes={classes}"
        )
    number = np.zeros(known, dtype=np.int32)
    number[classes] = range(len(classes))
    parts = {"class_names": tuple(data.class_names[label] for label in classes)}
    for split in SPLITS:
        x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
        kept = np.isin(y, classes)
        parts |= {f"x_{split}": x[kept], f"y_{split}": number[y[kept]]}
    return replace(data, **parts)


def without_classes(data, classes: Sequence[int]):
    """Return the data set without some classes, the others numbered anew without gaps.

    Args:
        data: A data set.
        classes: Labels to leave out.

    Returns:
        A data set of the same kind.

    Raises:
        ValueError: A class is unknown, or fewer than 2 remain.

    Example:
        >>> from helpers.data import load
        >>> "".join(without_classes(load("digits"), [5, 6]).class_names)
        '01234789'
    """
    known = range(len(data.class_names))
    if not set(classes) <= set(known):
        raise ValueError(
            f"`classes` must hold labels from 0 to {len(known) - 1}. "
            f"Received: classes={list(classes)}"
        )
    return select_classes(data, [label for label in known if label not in classes])


def draw_labels(task, n: int, *, seeds: Sequence[int]) -> LabelledImages:
    """Draw n labelled training images for each seed, as many of each class as of any other.

    Args:
        task: A data set.
        n: Number of labels, a multiple of the number of classes.
        seeds: One for each training.

    Returns:
        The `LabelledImages`; their labels are the same for every seed: class 0 first, and so on.

    Raises:
        ValueError: `n` is no positive multiple, or a class has fewer training images.

    Example:
        >>> from helpers.data import load
        >>> drawn = draw_labels(load("digits"), 20, seeds=[0, 1, 2])
        >>> drawn.x.shape, drawn.y[0].tolist()[:4]
        ((3, 20, 8, 8), [0, 0, 1, 1])
    """
    classes = len(task.class_names)
    members = [np.flatnonzero(task.y_train == label) for label in range(classes)]
    most = classes * min(len(rows) for rows in members)
    if n < 1 or n % classes or n > most:
        raise ValueError(
            f"`n` must be a multiple of {classes} (so many classes) of at most {most}. "
            f"Received: n={n}"
        )
    rows = np.stack([_draw(members, n // classes, np.random.default_rng(seed)) for seed in seeds])
    return LabelledImages(rows, task.x_train[rows], task.y_train[rows])


def _draw(members: Sequence[np.ndarray], each: int, rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([rng.permutation(rows)[:each] for rows in members])


def separation(features: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return how far two classes lie apart, in units of the spread within them.

        ‖μ₁ − μ₀‖ / √(mean squared distance from the own class mean)

    Args:
        features: Shape (..., n, features).
        y: Labels 0 and 1, shape (n,), both present.

    Returns:
        Shape (...,).

    Raises:
        ValueError: The labels are not 0 and 1.

    Example:
        >>> float(separation(np.array([[-1.0], [1.0], [9.0], [11.0]]), np.array([0, 0, 1, 1])))
        10.0
    """
    if {*np.unique(y).tolist()} != {0, 1}:
        raise ValueError(f"`y` must hold 0 and 1. Received: {np.unique(y).tolist()}")
    means = [features[..., y == label, :].mean(axis=-2) for label in (0, 1)]
    own = np.stack(means, axis=-2)[..., y, :]
    spread = np.square(features - own).sum(axis=-1).mean(axis=-1)
    return np.linalg.norm(means[1] - means[0], axis=-1) / np.sqrt(spread)


def evaluation_images(task) -> tuple[np.ndarray, np.ndarray]:
    """Return the validation and test images of a task together, and their labels.

    Of two digits alone either split holds some sixty images: too coarse a scale.

    Example:
        >>> from helpers.data import load
        >>> x, y = evaluation_images(load("digits"))
        >>> x.shape, y.shape
        ((600, 8, 8), (600,))
    """
    return (
        np.concatenate([task.x_valid, task.x_test]),
        np.concatenate([task.y_valid, task.y_test]),
    )


def rotation_task(data):
    """Return the task to tell by how many quarter turns an image was rotated.

    Every image appears four times, label k turned by k · 90°. The old labels are not used.

    Args:
        data: A data set of square images.

    Returns:
        A data set of the same kind with 4 classes and four times as many images.

    Raises:
        ValueError: The images are not square.

    Example:
        >>> from helpers.data import load
        >>> task = rotation_task(load("digits"))
        >>> task.x_train.shape, task.class_names
        ((4788, 8, 8), ('0°', '90°', '180°', '270°'))

    Reference:
        Gidaris, Singh and Komodakis (2018), Unsupervised representation learning by predicting
        image rotations.
    """
    height, width = data.x_train.shape[1:3]
    if height != width:
        raise ValueError(f"images must be square. Received: {height} × {width} pixels")
    parts = {"class_names": tuple(f"{90 * turn}°" for turn in range(TURNS))}
    for split in SPLITS:
        x = getattr(data, f"x_{split}")
        turned = [np.rot90(x, turn, axes=(1, 2)) for turn in range(TURNS)]
        parts[f"x_{split}"] = np.concatenate(turned)
        parts[f"y_{split}"] = np.repeat(np.arange(TURNS, dtype=np.int32), len(x))
    return replace(data, **parts)

"""Bodies that every replica has for itself: one model, which takes their weights in turn."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.integer]


class OwnBodies:
    """What each replica's own body says of images, made once and kept.

    Attributes:
        weights: Replica → weights of its body, of those that were asked for.

    Example:
        >>> image = keras.Input((1,))
        >>> reader = keras.Model(image, [keras.layers.Dense(1, use_bias=False)(image)])
        >>> def make(k):
        ...     reader.set_weights([np.full((1, 1), k)])
        >>> bodies = OwnBodies(reader, ["end"], make, np.array([[1.0], [2.0]]))
        >>> bodies.at("end")([[0, 1], [0, 1]])[..., 0].tolist()
        [[0.0, 0.0], [1.0, 2.0]]
    """

    def __init__(
        self,
        reader: keras.Model,
        names: Sequence,
        make: Callable[[int], None],
        x: np.ndarray,
        *,
        first: Sequence[Rows] = (),
    ):
        """Keep what bodies are made of.

        Args:
            reader: The model, with a list of outputs.
            names: A name for each of them.
            make: Gives the reader the weights of replica k's body.
            x: All images.
            first: Rows for each replica, shape (replicas, n), that are looked at when its body has
                just been made: so its weights need not be put back for them.

        Raises:
            ValueError: There are not as many names as outputs.
        """
        if len(names) != len(reader.outputs):
            raise ValueError(
                f"`names` must be one for each of {len(reader.outputs)} outputs. "
                f"Received: names={list(names)}"
            )
        self._reader, self._names, self._make = reader, list(names), make
        self._x, self._first = np.asarray(x), [np.asarray(rows) for rows in first]
        self._seen: dict[tuple[int, bytes], dict] = {}
        self.weights: dict[int, list[np.ndarray]] = {}

    def at(self, name) -> Callable[[Rows], np.ndarray]:
        """Return the function from rows, shape (replicas, n), to what the bodies say at an output.

        Args:
            name: Of the output.
        """
        return lambda rows: np.stack(
            [self._outputs(k, np.asarray(own))[name] for k, own in enumerate(rows)]
        )

    def _outputs(self, k: int, rows: Rows) -> dict:
        if k not in self.weights:
            self._make(k)
            self.weights[k] = self._reader.get_weights()
            for own in self._first:
                self._look(k, own[k])
        if (k, rows.tobytes()) not in self._seen:
            self._reader.set_weights(self.weights[k])
            self._look(k, rows)
        return self._seen[k, rows.tobytes()]

    def _look(self, k: int, rows: Rows) -> None:
        outputs = keras.tree.flatten(self._reader.predict_on_batch(self._x[rows]))
        self._seen[k, rows.tobytes()] = dict(zip(self._names, outputs, strict=True))

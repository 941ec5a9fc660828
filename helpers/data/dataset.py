"""What `load` returns."""

from dataclasses import dataclass, replace

import numpy as np

LEAST_SPREAD = 1e-7  # one grey level in one pixel of 60,000 images is more


@dataclass(frozen=True, eq=False)  # arrays have no single equality
class Dataset:
    """A classification data set in three splits.

    Attributes:
        name: The name it was loaded by.
        x_train, x_valid, x_test: Images, float32 in [0, 1], shape (n, *image_shape).
        y_train, y_valid, y_test: Labels, int32 in [0, number of classes), shape (n,).
        class_names: The name of each class, in the order of the labels.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_valid: np.ndarray
    y_valid: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image, without the examples' axis."""
        return self.x_train.shape[1:]

    def standardized(self) -> "Dataset":
        """Return the data with mean 0 and standard deviation 1 over the training set.

        Each pixel is shifted by its own training mean. All pixels are divided by one number, the
        training standard deviation of what remains, so that pixels that hardly ever change (the
        corners of a digit) are not blown up.

        Raises:
            ValueError: The training images are all alike, so that nothing can be scaled.

        Example:
            >>> from helpers.data import load
            >>> data = load("digits").standardized()
            >>> bool(abs(data.x_train.mean()) < 1e-6), bool(abs(data.x_train.std() - 1) < 1e-5)
            (True, True)
        """
        # Sums in float64, arrays in float32: in float64 CIFAR-10 would take gigabytes.
        mean = self.x_train.mean(axis=0, dtype=np.float64).astype(np.float32)
        scale = np.sqrt(np.square(self.x_train - mean).mean(dtype=np.float64)).astype(np.float32)
        if scale < LEAST_SPREAD:
            raise ValueError(f"the training images of {self.name!r} must not all be alike.")
        return replace(
            self,
            **{
                field: (getattr(self, field) - mean) / scale
                for field in ("x_train", "x_valid", "x_test")
            },
        )

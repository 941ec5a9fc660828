"""A model of a zoo: its weights where they can be had, advice where they cannot."""

from collections.abc import Callable

import keras

ADVICE = (
    "Keras could not download the weights of {name}. Three ways out: run once with a network, and "
    "Keras keeps the file; put the file there yourself and pass its path as `weights`; or pass "
    "`weights=None` for the architecture with random weights, which is no transfer."
)


def zoo_body(
    application: Callable[..., keras.Model],
    image_shape: tuple[int, int, int],
    *,
    weights: str | None = "imagenet",
) -> keras.Model:
    """Return a zoo's model without its classifier, frozen, that gives one vector an image.

    Args:
        application: A function of `keras.applications`, as `keras.applications.MobileNetV2`.
        image_shape: (height, width, channels) of the images.
        weights: ``"imagenet"``, the path of a file of weights, or None for random ones.

    Returns:
        The model with average pooling on top; ``trainable`` is False.

    Raises:
        ConnectionError: The weights are not on this machine, and no download is possible.

    Example:
        >>> import keras
        >>> body = zoo_body(keras.applications.MobileNetV2, (32, 32, 3), weights=None)
        >>> body.output_shape, body.trainable
        ((None, 1280), False)
    """
    options = {"include_top": False, "pooling": "avg", "input_shape": image_shape}
    try:
        body = application(weights=weights, **options)
    except Exception as error:  # Keras raises bare exceptions for any failed download
        if "URL fetch failure" not in str(error):
            raise
        name = getattr(application, "__name__", "this model")
        raise ConnectionError(ADVICE.format(name=name)) from error
    body.trainable = False
    return body

"""A recurrent net in Keras that is easily made to diverge."""

import keras


def recurrent_net(
    steps: int,
    features: int = 2,
    *,
    units: int = 20,
    activation: str = "relu",
    recurrent_initializer: str | keras.Initializer = "identity",
    unroll: bool = True,
) -> keras.Sequential:
    """Return an uncompiled recurrent net with one number as output.

        hₜ = φ(xₜ U + hₜ₋₁ W + b),   ŷ = h_T v + c

    By default W starts as the identity and φ is the ReLU, which keeps what it has seen, and
    whose gradient grows like ρ(W)ᵀ as soon as training moves W beyond a spectral radius of 1.

    Args:
        steps: Length T of a sequence, at least 1.
        features: Numbers at each step, at least 1.
        units: Numbers in the state h, at least 1.
        activation: φ, by Keras' name.
        recurrent_initializer: How W starts.
        unroll: Whether the graph holds each step, which costs less than a loop when sequences are
            short and replicas are stacked.

    Raises:
        ValueError: A number is below 1.

    Example:
        >>> [weight.shape for weight in recurrent_net(5, units=3).get_weights()]
        [(2, 3), (3, 3), (3,), (3, 1), (1,)]

    Reference:
        Le, Jaitly and Hinton (2015), A simple way to initialize recurrent networks of rectified
        linear units.
    """
    if min(steps, features, units) < 1:
        raise ValueError(
            "`steps`, `features` and `units` must be at least 1. "
            f"Received: steps={steps}, features={features}, units={units}"
        )
    recurrent = keras.layers.SimpleRNN(
        units,
        activation=activation,
        recurrent_initializer=recurrent_initializer,
        unroll=unroll,
    )
    return keras.Sequential([keras.Input((steps, features)), recurrent, keras.layers.Dense(1)])

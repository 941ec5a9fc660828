"""A momentum that can change while a Keras optimizer trains.

A Keras optimizer keeps its momentum as a Python float. `fit` compiles the training step on its
first batch, and the float becomes a constant in there: to set `optimizer.momentum` later changes
nothing, without a word. Here the step reads a variable instead.
"""

import keras

ATTRIBUTES = {keras.optimizers.SGD: "momentum", keras.optimizers.Adam: "beta_1"}


class _Scalar(keras.Variable):
    """A scalar variable in the place of a float that is asked whether it is 0."""

    def __ne__(self, other):
        # `SGD.update_step` asks `momentum != 0` for whether there are momentum variables at all.
        return True

    __hash__ = keras.Variable.__hash__


def stepping(optimizer: keras.Optimizer) -> keras.Optimizer:
    """Return the optimizer that steps: the one inside, where mixed precision has wrapped it."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def momentum_attribute(optimizer: keras.Optimizer) -> str:
    """Return the name of an optimizer's momentum: `momentum` of SGD, `beta_1` of Adam and AdamW.

    Args:
        optimizer: A Keras optimizer, or one wrapped for mixed precision.

    Raises:
        ValueError: The optimizer has no momentum, or one that is not supported.

    Example:
        >>> momentum_attribute(keras.optimizers.Adam())
        'beta_1'
    """
    optimizer = stepping(optimizer)
    for kind, name in ATTRIBUTES.items():
        if isinstance(optimizer, kind):
            if getattr(optimizer, name) == 0:
                raise ValueError(
                    f"the optimizer must have a momentum above 0, as {kind.__name__}({name}=0.9). "
                    f"Received: {name}=0"
                )
            return name
    raise ValueError(
        "the optimizer must be SGD with momentum, Adam or AdamW. "
        f"Received: {type(optimizer).__name__}"
    )


def momentum_variable(optimizer: keras.Optimizer) -> keras.Variable:
    """Let an optimizer read its momentum from a variable, and return that variable.

    From then on `variable.assign(0.9)` takes effect at the next step. The attribute itself, the
    optimizer's configuration and its saved variables stay as they were. A training step that was
    compiled before must be compiled again: `model.make_train_function(force=True)`. Adam's bias
    correction takes the β₁ of the step to the power of the steps made.

    Args:
        optimizer: SGD with momentum, Adam or AdamW, or one of them wrapped for mixed precision.

    Returns:
        A scalar variable that holds the optimizer's momentum; the same one at each call.

    Raises:
        ValueError: As `momentum_attribute`.

    Example:
        >>> optimizer, weight = keras.optimizers.SGD(1.0, momentum=0.5), keras.Variable(0.0)
        >>> momentum = momentum_variable(optimizer)
        >>> optimizer.apply([1.0], [weight])    # velocity -1
        >>> momentum.assign(0.0)
        <...>
        >>> optimizer.apply([1.0], [weight])    # velocity 0 · (-1) - 1
        >>> float(weight)
        -2.0
    """
    name = momentum_attribute(optimizer)
    optimizer = stepping(optimizer)
    own = vars(optimizer)  # past `__setattr__`, which would add to the optimizer's saved variables
    if "_momentum_variable" in own:
        return own["_momentum_variable"]
    variable = _Scalar(float(own[name]), trainable=False, dtype="float32", name=name)
    original = optimizer.update_step

    def update_step(gradient, weight, learning_rate):
        fixed, own[name] = own[name], variable
        try:
            original(gradient, weight, learning_rate)
        finally:
            own[name] = fixed

    own["update_step"], own["_momentum_variable"] = update_step, variable
    return variable

"""A schedule of one's own in Keras, to be copied as it stands."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="own")
class WarmupStableDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Up to `peak` in `warmup` steps, level, down to 0 in the last `decay` of all `steps`."""

    def __init__(self, peak, steps, warmup, decay):
        super().__init__()
        if warmup + decay > steps:
            raise ValueError(f"{warmup} + {decay} of {steps} steps: the peak is never reached")
        self.config = {"peak": peak, "steps": steps, "warmup": warmup, "decay": decay}

    def __call__(self, step):
        """Return the rate of a step, which counts from 0: any formula in `keras.ops`."""
        t, c = ops.cast(step, "float32"), self.config
        up = (t + 1) / max(c["warmup"], 1)
        down = (c["steps"] - t) / max(c["decay"], 1)
        return c["peak"] * ops.clip(ops.minimum(up, down), 0.0, 1.0)

    def get_config(self):
        """Return what a saved model needs to make it again."""
        return self.config

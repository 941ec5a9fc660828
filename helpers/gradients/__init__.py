"""Gradients of deep networks: how they are computed, checked, and how they vanish or explode.

The networks here are plain NumPy: a list of kernels, lowest layer first, each of shape
``(replicas, fan_in, fan_out)``, zero biases, a softmax output. All replicas go through one
computation, in float64. Without the leading axis the same functions serve a single network.

`networks` draws the nets and runs them, `backpropagation` computes their gradients and
`numerical` checks them; `census` measures what each layer does to an error on its way down,
`recurrence` what each step back in time does, and `monitor` looks into Keras models.
"""

from helpers.gradients.backpropagation import backpropagate, gradient_norms
from helpers.gradients.census import (
    backward_gains,
    layer_jacobians,
    relative_update,
    saturated_fraction,
)
from helpers.gradients.monitor import GradientMonitor, model_gradients
from helpers.gradients.networks import ACTIVATIONS, VARIANCES, activate, draw_kernels, forward
from helpers.gradients.numerical import kernel_loss, numerical_gradient
from helpers.gradients.recurrence import recurrent_gradient_norms, scale_to_radius

__all__ = [
    "ACTIVATIONS",
    "VARIANCES",
    "activate",
    "draw_kernels",
    "forward",
    "backpropagate",
    "gradient_norms",
    "layer_jacobians",
    "backward_gains",
    "saturated_fraction",
    "numerical_gradient",
    "kernel_loss",
    "scale_to_radius",
    "recurrent_gradient_norms",
    "relative_update",
    "model_gradients",
    "GradientMonitor",
]

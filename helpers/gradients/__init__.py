"""Gradients of deep networks: how they are computed, how they vanish or explode, what they tell.

The networks here are plain NumPy: a list of kernels, lowest layer first, each of shape
``(replicas, fan_in, fan_out)``, and a softmax output. All replicas go through one computation, in
float64. Without the leading axis the same functions serve a single network.

`networks` draws the nets and runs them, `backpropagation` computes their gradients, `learning`
says how far a layer moved and how much of its gradient is noise, and `monitor` looks into Keras
models.
"""

from helpers.gradients.backpropagation import backpropagate, gradient_norms
from helpers.gradients.learning import noise_scales, relative_update
from helpers.gradients.monitor import GradientMonitor, model_gradients
from helpers.gradients.networks import ACTIVATIONS, VARIANCES, activate, draw_kernels, forward

__all__ = [
    "ACTIVATIONS",
    "VARIANCES",
    "activate",
    "draw_kernels",
    "forward",
    "backpropagate",
    "gradient_norms",
    "noise_scales",
    "relative_update",
    "model_gradients",
    "GradientMonitor",
]

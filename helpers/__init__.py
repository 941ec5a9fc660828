"""What the chapters of the book import.

Topics, one for each chapter and under its name, import none of the others:

- `gradients`: numerical and backpropagated gradients, their norms layer by layer.
- `initialization`: variances of initial weights, and the signals they carry.
- `activations`: nonlinearities, their derivatives and their censuses.
- `normalization`: batch normalization forward, backward and folded away.
- `clipping`: four ways to clip a gradient, and a task that recurrent networks fail without it.
- `transfer`: reusing layers, freezing and fine-tuning, pretraining without labels.
- `optimizers`: update rules as pure functions, their trajectories, fair searches.
- `schedules`: learning rates as functions of the step, 1cycle, a rate finder.
- `regularization`: penalties, dropout and its kin, Monte Carlo predictions, calibration.
- `errata`: verdicts on a list of errata, old calls of Keras beside new ones.

Services, which every chapter uses (topics import `replicas`, `numerics` and `checks` alone):

- `data`: a named data set, split and scaled.
- `models`: the few networks that several chapters share.
- `replicas`: many independent trainings at the price of one, and fair searches for their rates.
- `numerics`: softmax, cross-entropy and the order of examples, for lessons in NumPy.
- `checks`: what is wrong with an argument, told by its name.
- `claims`: measured statements and their verdicts.
- `plotting`: arrays and axes in, axes out; the book's style sheet.
- `timing`: calls timed in turns, so that their ratio means something on a busy machine.

Above the topics stands `diagnosis`, which takes their measurements to a reader's own model:
`helpers.diagnose(model, x, y)`. No topic and no service imports it.

`batch` runs and renders notebooks from outside; no chapter imports it.

This module imports nothing until `diagnose` is asked for, so that `import helpers` costs nothing.
"""

from importlib import import_module


def __getattr__(name: str):
    if name == "diagnose":
        # By name: an import statement would make every chapter rest on what `diagnosis` imports.
        return import_module("helpers.diagnosis").diagnose
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The catalogue: of each illness the symptom, the cause, the remedy, and the chapter behind it."""

from typing import NamedTuple


class Illness(NamedTuple):
    """What a measurement can point to.

    Attributes:
        symptom: What is seen, in one sentence.
        cause: What it comes from, as a rule.
        remedy: What to do first.
        chapter: Page of the book that measures it, as `01_gradients`.
    """

    symptom: str
    cause: str
    remedy: str
    chapter: str


ILLNESSES = {
    # Labels, output and loss.
    "labels-outside": Illness(
        "Labels lie outside of what the output can answer.",
        "Classes are counted from 1, or the output layer has too few units.",
        "Count labels from 0 and give the output a unit for each class.",
        "00_measurement",
    ),
    "labels-shape": Illness(
        "Labels have another shape than output and loss expect.",
        "One-hot labels go with `categorical_crossentropy`, integers with the sparse one; of two "
        "shapes that differ, a regression loss compares every example with every other.",
        "Change the loss or the shape of the labels, so that each answer meets its own label.",
        "00_measurement",
    ),
    "logits-as-probabilities": Illness(
        "The loss takes the outputs for probabilities, and they are none.",
        "The last layer has no softmax (or sigmoid), and the loss was not told.",
        "Pass `from_logits=True` to the loss, and keep the layer linear.",
        "01_gradients",
    ),
    "softmax-twice": Illness(
        "The loss applies a softmax (or sigmoid) to what has been through one.",
        "`from_logits=True` with a last layer that puts out probabilities.",
        "Make the last layer linear, or leave `from_logits` out.",
        "01_gradients",
    ),
    "sigmoid-for-classes": Illness(
        "The probabilities of the classes do not sum to 1.",
        "A sigmoid answers each class by itself; this loss asks for one class of several.",
        "Take a softmax, or `from_logits=True` with a linear layer.",
        "01_gradients",
    ),
    "one-answer": Illness(
        "The output is the same for every input, by construction.",
        "A softmax over one unit is always 1.",
        "Take a sigmoid for one unit, or two units.",
        "01_gradients",
    ),
    "targets-out-of-reach": Illness(
        "Targets lie where the output's activation cannot go.",
        "A bounded activation on the output of a regression.",
        "Make the last layer linear, or scale the targets.",
        "03_activations",
    ),
    "targets-unscaled": Illness(
        "The targets are large against what a fresh network puts out.",
        "Targets in their own units; the first steps only learn their size.",
        "Subtract the mean of the training targets and divide by their deviation.",
        "02_initialization",
    ),
    # Examples.
    "inputs-not-finite": Illness(
        "The inputs hold NaN or infinity.",
        "Missing values, or a division by a deviation of 0.",
        "Fill or drop them before training.",
        "04_normalization",
    ),
    "inputs-unscaled": Illness(
        "The inputs of the first layer with weights are far from size 1.",
        "Raw units (pixels up to 255), or scaled twice.",
        "Scale to [0, 1], or standardize with the training set's mean and deviation.",
        "02_initialization",
    ),
    "inputs-off-centre": Illness(
        "Most inputs have a mean that is large against their deviation.",
        "Values far from 0 that hardly vary: all examples look alike to the first layer.",
        "Subtract the training set's mean and divide by its deviation.",
        "04_normalization",
    ),
    "duplicates": Illness(
        "Many examples occur more than once.",
        "Copies in the data, or oversampling before the split.",
        "Keep one of each, and split afterwards.",
        "00_measurement",
    ),
    "labels-contradict": Illness(
        "Equal inputs have different labels.",
        "Wrong labels, shuffled labels, or inputs that lack what tells the classes apart.",
        "Look at the pairs; no network can get both right.",
        "00_measurement",
    ),
    "leak": Illness(
        "Examples of the validation data stand in the training data.",
        "The split came after copying, or was not by group.",
        "Split by group, before anything else.",
        "00_measurement",
    ),
    "imbalance": Illness(
        "Some classes are much rarer than others.",
        "The data are so. Accuracy then rewards whoever ignores the rare classes.",
        "Judge by class, and weigh the loss with `class_weight` if rare classes matter.",
        "00_measurement",
    ),
    # Passes.
    "weights-not-finite": Illness(
        "Weights are NaN or infinite.",
        "The training has diverged; nothing after that can be mended.",
        "Start again with a lower rate, or clip the global norm.",
        "05_clipping",
    ),
    "signals-not-finite": Illness(
        "A layer puts out NaN or infinity.",
        "Overflow, a division by 0, or the logarithm of 0, in the layer named.",
        "Scale the inputs, take smaller weights, and compute losses from logits.",
        "02_initialization",
    ),
    "loss-not-finite": Illness(
        "The loss is not finite, although the outputs are.",
        "The logarithm of a probability of 0, or labels that are not finite.",
        "Compute the loss from logits, and look at the labels.",
        "01_gradients",
    ),
    "gradient-not-finite": Illness(
        "The gradient is not finite, although the loss is.",
        "A root or a norm at 0, or numbers too small for their type.",
        "Add a small constant inside of the root; scale the loss in float16.",
        "05_clipping",
    ),
    "gradient-vanishes": Illness(
        "The gradient shrinks on its way down.",
        "Saturating activations or weights that are too small, layer after layer.",
        "He weights with ReLU or ELU; batch normalization; residual connections.",
        "01_gradients",
    ),
    "gradient-explodes": Illness(
        "The gradient grows on its way down.",
        "Weights too large for the activation; a recurrence over many steps.",
        "Initialize for the activation; clip the global norm in recurrent networks.",
        "01_gradients",
    ),
    "gradient-missing": Illness(
        "Weights get no gradient at all.",
        "No path leads from them to the loss, or every unit behind them is dead.",
        "Check that the layer is connected; look for dead units; set `trainable` on purpose.",
        "01_gradients",
    ),
    "units-equal": Illness(
        "All units of a hidden layer have the same weights.",
        "A constant initializer: equal units get equal gradients and stay equal.",
        "Draw the weights: He for ReLU, LeCun for SELU, Glorot for tanh.",
        "02_initialization",
    ),
    "units-dead": Illness(
        "Many ReLU units put out 0 for every example.",
        "A rate that was too high, or biases pushed far below 0.",
        "A lower rate, or a nonlinearity that is never flat: leaky ReLU, ELU.",
        "03_activations",
    ),
    "units-saturated": Illness(
        "Many units sit at the flat ends of their activation.",
        "Pre-activations are too large: unscaled inputs, or large weights.",
        "Scale the inputs, initialize with Glorot, or normalize before the activation.",
        "03_activations",
    ),
    # Answers.
    "loss-above-guessing": Illness(
        "The loss is far above that of guessing by the classes' shares.",
        "Sure and wrong: outputs too large at the start, labels in another order, or divergence.",
        "Check scale and labels; a fresh net should begin near the logarithm of the classes.",
        "02_initialization",
    ),
    "penalty-rules": Illness(
        "The penalty on the weights outweighs the loss of the data.",
        "The strength of ℓ1 or ℓ2 is too high: training mainly shrinks weights.",
        "Lower the strength tenfold, or use AdamW's decay.",
        "09_regularization",
    ),
    "always-one-class": Illness(
        "The trained net gives nearly one answer to everything.",
        "It has learned the shares of the classes and nothing else.",
        "Look for dead units, a rate that is too high, and imbalance.",
        "03_activations",
    ),
    "not-learned": Illness(
        "After training the loss is still that of guessing.",
        "The rate does not fit, gradients do not arrive, or labels do not belong to inputs.",
        "First overfit a small batch; then search the rate.",
        "07_optimizers",
    ),
    "batch-norm-modes": Illness(
        "The loss is much higher in inference mode than in training mode.",
        "The moving averages of batch normalization do not describe the data.",
        "Lower its momentum, train longer, or compute the statistics anew.",
        "04_normalization",
    ),
    "batch-norm-small-batch": Illness(
        "Batch normalization has few values for each of its statistics.",
        "The batch is small; means and variances are mostly noise.",
        "A larger batch, or layer or group normalization.",
        "04_normalization",
    ),
    "dropout-heavy": Illness(
        "Dropout switches most units off, or follows the output layer.",
        "A rate near 1 (Keras' rate is the share that is dropped), or a layer too many.",
        "Rates from 0.1 to 0.5, between hidden layers.",
        "09_regularization",
    ),
    "overfitting": Illness(
        "The loss is much higher on validation data than on training data.",
        "The net knows its training examples by heart.",
        "Stop early, augment, penalize or drop out; more data above all.",
        "09_regularization",
    ),
    "overconfident": Illness(
        "The net is surer than it is right.",
        "Training went on after the training examples were right.",
        "Fit a temperature on validation data, or average several nets.",
        "09_regularization",
    ),
    # Trials.
    "frozen-after-compile": Illness(
        "`trainable` was changed after the model was compiled.",
        "The optimizer and the compiled step still go by the old flags.",
        "Compile again after every change of `trainable`.",
        "06_transfer",
    ),
    "nothing-trainable": Illness(
        "No weight is trainable.",
        "All layers are frozen.",
        "Set `trainable = True` where something is to be learned, and compile again.",
        "06_transfer",
    ),
    "layers-stand": Illness(
        "A training step hardly moves some layers.",
        "The rate is too low, or their gradients have vanished.",
        "Look at the gradients first; then raise the rate.",
        "01_gradients",
    ),
    "layers-jump": Illness(
        "A training step changes some layers by a large part of their weights.",
        "The rate is too high, or a gradient explodes.",
        "A lower rate, a warm-up, or clipping.",
        "08_schedules",
    ),
    "rate-too-high": Illness(
        "At the optimizer's rate the loss does not fall; at a lower one it does.",
        "Steps overshoot.",
        "Try a rate tenfold lower, then search.",
        "07_optimizers",
    ),
    "rate-too-low": Illness(
        "At the optimizer's rate the loss stands; at a higher one it falls.",
        "Steps are too short to get anywhere.",
        "Try a rate tenfold higher, then search.",
        "07_optimizers",
    ),
    "cannot-overfit": Illness(
        "The net cannot learn a few examples by heart, at any rate that was tried.",
        "Labels do not reach the loss, gradients do not reach the weights, or capacity lacks.",
        "Mend this before anything else; the other findings say where to look.",
        "01_gradients",
    ),
}

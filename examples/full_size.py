"""Chapter 10 on all of CIFAR-10: each arm, eight replicas in one vmapped training, on a GPU.

It needs Keras and JAX, and nothing else of this project:

    KERAS_BACKEND=jax python examples/full_size.py cifar10.npz result.json plain bn residual …

`cifar10.npz` holds `x_train`, `y_train`, `x_test` and `y_test` as Keras downloads them. Replica k
draws 45,000 of the 50,000 images to train on and 5,000 to tune on; all test images judge. Each
arm is tried at four rates on two other draws first. Its figures are added to `result.json`.
"""

import json
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np

layers = keras.layers
REPLICAS, DEPTH, WIDTH, SEED = 8, 20, 100, 20_000
TRAIN, TUNE, PATIENCE, SAMPLES = 45_000, 5_000, 5, 20
NADAM = partial(keras.optimizers.Nadam, 1e-3)
ADAM = partial(keras.optimizers.Adam, 3e-5)


def entrance(raw=False):
    """Return the first layers: pixels centred and scaled, or raw from 0 to 255."""
    scale = layers.Rescaling(255.0) if raw else layers.Rescaling(1 / 0.25, -0.47 / 0.25)
    return [keras.Input((32, 32, 3)), scale, layers.Flatten()]


def plain(activation="elu", start="he_normal", raw=False, top=(), output="softmax"):
    """Return a stack of dense layers."""
    dense = partial(layers.Dense, WIDTH, activation, kernel_initializer=start)
    hidden = [dense() for _ in range(DEPTH)]
    return keras.Sequential([*entrance(raw), *hidden, *top, layers.Dense(10, output)])


def normalized(momentum=0.9, raw=False):
    """Return the same with batch normalization, as ours or as the notes have it."""
    norm = partial(layers.BatchNormalization, momentum=momentum)
    hidden = [norm()] if raw else []
    for _ in range(DEPTH):
        hidden.append(layers.Dense(WIDTH, kernel_initializer="he_normal", use_bias=raw))
        hidden += [norm(), layers.Activation("elu")]
    return keras.Sequential([*entrance(raw), *hidden, layers.Dense(10, "softmax")])


def dropping():
    """Return the SELU net with alpha dropout before its last layer."""
    return plain("selu", "lecun_normal", top=[layers.AlphaDropout(0.1)])


def residual():
    """Return the plain net with shortcuts."""
    image, scale, flat = entrance()
    x = layers.Dense(WIDTH, "elu", kernel_initializer="he_normal")(flat(scale(image)))
    for _ in range(DEPTH - 1):
        small = keras.initializers.VarianceScaling(2 / (DEPTH - 1))
        x = layers.Add()([x, layers.Dense(WIDTH, "elu", kernel_initializer=small)(x)])
    return keras.Model(image, layers.Dense(10, "softmax")(x))


def convolutional():
    """Return a convolutional net with about as many weights as the plain one."""
    f = round((plain().count_params() / 90) ** 0.5)
    conv = partial(layers.Conv2D, padding="same", activation="elu", kernel_initializer="he_normal")
    image, scale, _ = entrance()
    body = [conv(f, 4, strides=4), conv(2 * f, 3, strides=2), conv(4 * f, 3, strides=2)]
    top = [layers.GlobalAveragePooling2D(), layers.Dense(10, "softmax")]
    return keras.Sequential([image, scale, *body, *top])


# Arm → build, optimizer, rates to try, batch size
ARMS = {
    "plain": (plain, NADAM, [1e-4, 2e-4, 4e-4, 8e-4], 64),
    "bn": (normalized, NADAM, [2.5e-4, 5e-4, 1e-3, 2e-3], 64),
    "selu": (partial(plain, "selu", "lecun_normal"), NADAM, [5e-5, 1e-4, 2e-4, 4e-4], 64),
    "alpha": (dropping, NADAM, [5e-5, 1e-4, 2e-4, 4e-4], 64),
    "residual": (residual, NADAM, [1e-4, 2e-4, 4e-4, 8e-4], 64),
    "conv": (convolutional, NADAM, [2.5e-4, 5e-4, 1e-3, 2e-3], 64),
    "cycle": (plain, NADAM, [2e-4, 4e-4, 8e-4, 1.6e-3], 64),
    "notes-plain": (partial(plain, raw=True, output=None), ADAM, [3e-5], 32),
    "notes-plain-probabilities": (partial(plain, raw=True), ADAM, [3e-5], 32),
    "notes-bn": (partial(normalized, 0.99, raw=True), ADAM, [3e-5], 32),
}


def tree_where(mask, new, old):
    """Return arrays with the rows of `new` where the mask is true, else of `old`."""

    def pick(a, b):
        return jnp.where(mask.reshape((-1,) + (1,) * (a.ndim - 1)), a, b)

    return jax.tree.map(pick, new, old)


class Trainer:
    """Replicas of one arm, which step together."""

    def __init__(self, name, images, labels):
        self.build, make, self.rates, self.batch = ARMS[name]
        self.x, self.y = images, labels
        self.cycle, self.restore = name == "cycle", not name.startswith("notes")
        self.model, self.optimizer = self.build(), make()
        self.logits = self.model.layers[-1].activation is keras.activations.linear
        self.optimizer.build(self.model.trainable_variables)
        rate = self.optimizer._learning_rate
        self.at = next(i for i, v in enumerate(self.optimizer.variables) if v is rate)
        self.train = jax.jit(self._epoch, donate_argnums=0)
        self.tune = jax.jit(lambda *a: jax.lax.map(lambda one: self._tune(*one), a))
        self.answers = jax.jit(jax.vmap(self._answer, (0, 0, None)))
        self.samples = jax.jit(jax.vmap(self._sample, (0, 0, None)))

    def _loss(self, labels, outputs):
        each = keras.losses.sparse_categorical_crossentropy
        return jnp.mean(each(labels, outputs, from_logits=self.logits))

    def _step(self, weights, others, slots, rows, rate):
        def loss(weights, others):
            x = self.x[rows]
            outputs, others = self.model.stateless_call(weights, others, x, training=True)
            return self._loss(self.y[rows], outputs), others

        slots = [rate if i == self.at else slot for i, slot in enumerate(slots)]
        gradients, others = jax.grad(loss, has_aux=True)(weights, others)
        weights, slots = self.optimizer.stateless_apply(slots, gradients, weights)
        return list(weights), list(others), list(slots)

    def _epoch(self, state, rows, rates):
        def step(state, now):
            return jax.vmap(self._step)(*state, *now), None

        return jax.lax.scan(step, state, (rows, rates))[0]

    def _tune(self, weights, others, rows):
        outputs, _ = self.model.stateless_call(weights, others, self.x[rows], training=False)
        return self._loss(self.y[rows], outputs)

    def _answer(self, weights, others, x):
        outputs, _ = self.model.stateless_call(weights, others, x, training=False)
        return jax.nn.softmax(outputs) if self.logits else outputs

    def _sample(self, weights, others, x):
        return self.model.stateless_call(weights, others, x, training=True)

    def start(self, seeds):
        """Return weights and the optimizer's state, each replica's as its seed draws them."""
        drawn = []
        for seed in seeds:
            keras.utils.set_random_seed(int(seed))
            model = self.build()
            kinds = model.trainable_variables, model.non_trainable_variables
            drawn.append([[np.asarray(one) for one in kind] for kind in kinds])
        stacked = [
            [jnp.asarray(np.stack(one)) for one in zip(*kind, strict=True)]
            for kind in zip(*drawn, strict=True)
        ]
        slots = [jnp.stack([jnp.asarray(v)] * len(seeds)) for v in self.optimizer.variables]
        return *stacked, slots

    def fit(self, seeds, rates, epochs):
        """Train until each replica has lost patience; return weights, tune losses and epochs."""
        sets, steps = [draw(seed) for seed in seeds], TRAIN // self.batch
        tune_rows = jnp.asarray(np.stack([tune for _, tune in sets]))
        state = self.start(seeds)
        kept = jax.tree.map(jnp.copy, state[:2])
        best = np.full(len(seeds), np.inf)
        at, ended = np.zeros((2, len(seeds)), int)
        for epoch in range(epochs):
            orders = [
                np.random.default_rng((int(s), epoch)).permutation(rows)[: steps * self.batch]
                for s, (rows, _) in zip(seeds, sets, strict=True)
            ]
            batches = np.stack([one.reshape(steps, self.batch) for one in orders], axis=1)
            shape = self.shape(epoch, steps, epochs)
            now = jnp.asarray(shape[:, None] * np.asarray(rates), jnp.float32)
            state = self.train(state, jnp.asarray(batches), now)
            losses, live = np.asarray(self.tune(*state[:2], tune_rows)), ended == 0
            up = live & ((losses < best) | self.cycle)
            best, at = np.where(up, losses, best), np.where(up, epoch + 1, at)
            kept = tree_where(jnp.asarray(up if self.restore else live), state[:2], kept)
            ended = np.where(live & (epoch + 1 - at >= PATIENCE), epoch + 1, ended)
            if ended.all():
                break
        return kept, best, at, np.where(ended, ended, epoch + 1)

    def shape(self, epoch, steps, epochs):
        """Return what the rate is multiplied by in each step of an epoch."""
        if not self.cycle:
            return np.ones(steps)
        last = steps * epochs - 1
        knots = [0, 0.45 * last, 0.9 * last, last]
        return np.interp(np.arange(epoch * steps, (epoch + 1) * steps), knots, [0.1, 1, 0.1, 1e-4])


def draw(seed):
    """Return the rows to train on and those to tune on."""
    order = np.random.default_rng(seed).permutation(TRAIN + TUNE)
    return order[:TRAIN], order[TRAIN:]


def in_parts(call, x, size=2_000):
    """Return what a call answers, for so many images at a time."""
    return np.concatenate([np.asarray(call(x[i : i + size])) for i in range(0, len(x), size)], 1)


def scores(answers, labels):
    """Return accuracy in percent and loss of each replica."""
    own = np.take_along_axis(answers, np.broadcast_to(labels, answers.shape[:2])[..., None], -1)
    return {
        "accuracy": (100 * np.mean(answers.argmax(-1) == labels, -1)).tolist(),
        "loss": (-np.log(np.clip(own[..., 0], 1e-7, 1 - 1e-7)).mean(-1)).tolist(),
    }


def searched(trainer, epochs):
    """Return an arm's best rate on two draws of its own, and the loss at each."""
    rows = [(rate, k) for rate in trainer.rates for k in range(2)]
    seeds = [SEED + 1_000 + k for _, k in rows]
    _, losses, _, _ = trainer.fit(seeds, [rate for rate, _ in rows], min(epochs, 15))
    tried = dict(zip(trainer.rates, losses.reshape(-1, 2).mean(axis=1).tolist(), strict=True))
    return min(tried, key=tried.get), tried


def measure(name, data):
    """Search, train and judge an arm; return its figures and those of what rests on it."""
    x, y, x_test, y_test = data
    trainer = Trainer(name, x, y)
    epochs = {"cycle": 15}.get(name, 30 if trainer.restore else 50)
    rate, tried = searched(trainer, epochs) if len(trainer.rates) > 1 else (trainer.rates[0], {})
    seeds = np.arange(SEED, SEED + REPLICAS)
    kept, _, at, ended = trainer.fit(seeds, [rate] * REPLICAS, epochs)
    answers = in_parts(partial(trainer.answers, *kept), x_test)
    counts = {"epochs": at.tolist(), "ended": ended.tolist()}
    found = {name: {"rate": rate, "tried": tried, **counts, **scores(answers, y_test)}}
    if name == "plain":
        others = [trainer.fit(seeds + 1_000_000 * m, [rate] * REPLICAS, epochs)[0] for m in (1, 2)]
        several = [answers, *(in_parts(partial(trainer.answers, *one), x_test) for one in others)]
        found["ensemble"] = scores(np.mean(several, axis=0), y_test)
    if name == "alpha":
        weights, state = kept
        total = 0.0
        for _ in range(SAMPLES):
            parts = []
            for i in range(0, len(x_test), 2_000):
                sampled, state = trainer.samples(weights, state, x_test[i : i + 2_000])
                parts.append(np.asarray(sampled))
            total = total + np.concatenate(parts, axis=1) / SAMPLES
        found["mc"] = scores(total, y_test)
    return found


def main(data_file, result_file, *names):
    """Add the figures of arms to a file."""
    raw, result = np.load(data_file), Path(result_file)
    x, x_test = (jnp.asarray(raw[f"x_{part}"] / np.float32(255)) for part in ("train", "test"))
    y, y_test = (raw[f"y_{part}"].astype(np.int32).ravel() for part in ("train", "test"))
    found = json.loads(result.read_text("utf-8")) if result.exists() else {}
    for name in names:
        found |= measure(name, (x, jnp.asarray(y), x_test, y_test))
        result.write_text(json.dumps(found, indent=1), "utf-8")
        print(name, np.mean(found[name]["accuracy"]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

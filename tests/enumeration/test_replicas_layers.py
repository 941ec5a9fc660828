"""Every layer of Keras lies in one of two columns: equal to `model.fit`, or refused by name."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, optimizers

from tests.enumeration.replica_cases import (
    TRAIN,
    VALID,
    Case,
    Data,
    NoCase,
    assert_lies_in_its_column,
    parameters,
)

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
EXAMPLES = TRAIN + VALID
LABELS = RNG.integers(0, 3, EXAMPLES).astype("int32")


def normal(*shape):
    """Return data of normal inputs."""
    return Data(RNG.normal(size=(EXAMPLES, *shape)).astype("float32"), LABELS)


VECTORS, SEQUENCES, WAVES = normal(6), normal(4, 4), normal(64)
IMAGES, VOLUMES, FILMS = normal(6, 6, 2), normal(4, 4, 4, 2), normal(2, 4, 4, 2)
PICTURES = Data(RNG.uniform(0, 255, (EXAMPLES, 8, 8, 3)).astype("float32"), LABELS)
TOKENS = Data(RNG.integers(0, 7, (EXAMPLES, 4)).astype("int32"), LABELS)
WORDS = Data(tf.constant(RNG.choice(["one", "two", "three"], (EXAMPLES, 1))), LABELS)
LENGTHS = RNG.integers(2, 5, EXAMPLES)
PADDED = Data(SEQUENCES.x * (np.arange(4) < LENGTHS[:, None])[..., None], LABELS)


def classifier(data, *makes, first=layers.Identity, last=layers.Flatten):
    """Return a builder: input, `first`, what `makes` make, beside each other, `last`, softmax."""

    def build():
        inputs = keras.Input(data.x.shape[1:], dtype=data.x.dtype.name)
        hidden = first()(inputs)
        branches = [last()(make()(hidden)) for make in makes]
        whole = layers.Concatenate()(branches) if len(branches) > 1 else branches[0]
        return keras.Model(inputs, layers.Dense(3, activation="softmax")(whole))

    return build


def on(data, *makes, first=layers.Identity, last=layers.Flatten, **options):
    """Return the case of layers beside each other; `first` lets gradients pass through them."""
    alone = [
        Case(classifier(data, make, first=first, last=last), data, **options) for make in makes
    ]
    if len(alone) == 1:
        return alone[0]
    together = classifier(data, *makes, first=first, last=last)
    return Case(together, data, parts=tuple(alone), **options)


def on_vectors(*makes, **options):
    return on(VECTORS, *makes, first=lambda: layers.Dense(6), **options)


def on_sequences(*makes, **options):
    return on(SEQUENCES, *makes, first=lambda: layers.Dense(4), **options)


def on_images(*makes, **options):
    return on(IMAGES, *makes, first=lambda: layers.Conv2D(2, 1), **options)


def on_volumes(*makes, **options):
    return on(VOLUMES, *makes, first=lambda: layers.Conv3D(2, 1), optimizer=slow, **options)


def on_pictures(*makes, **options):
    """Return the case of layers that see colours from 0 to 255."""
    last = lambda: chain(layers.Rescaling(1 / 255), layers.Flatten())  # noqa: E731
    return on(PICTURES, *makes, last=last, optimizer=slow, **options)


def slow():
    """Return the optimizer for many features, which else overshoots and magnifies rounding."""
    return optimizers.SGD(0.01)


def chain(*some):
    """Return layers one after another, as one."""
    return keras.Sequential(some)


def merging(*makes):
    """Return the case of layers that merge two branches."""

    def build():
        inputs = keras.Input((6,))
        pair = [layers.Dense(4, activation="tanh")(inputs) for _ in range(2)]
        merged = layers.Concatenate()([make()(pair) for make in makes])
        return keras.Model(inputs, layers.Dense(3, activation="softmax")(merged))

    return Case(build, VECTORS)


def attending(make, *, listed=False):
    """Return the case of a layer that attends from one sequence to another."""

    def build():
        sequence = keras.Input((4, 4))
        pair = [layers.Dense(4)(sequence) for _ in range(2)]
        mixed = make()(pair) if listed else make()(*pair)
        outputs = layers.Dense(3, activation="softmax")(layers.Flatten()(mixed))
        return keras.Model(sequence, outputs)

    return Case(build, SEQUENCES)


def reversible():
    """Return a model whose embedding is used backwards, too."""
    tokens = keras.Input((4,), dtype="int32")
    embedding = layers.ReversibleEmbedding(7, 3)
    logits = embedding(layers.Dense(3)(embedding(tokens)), reverse=True)
    return keras.Model(tokens, layers.Dense(3, activation="softmax")(layers.Flatten()(logits)))


def crossed():
    """Return a model of two features that are hashed together."""
    pair = [keras.Input((1,), dtype="int32", name=name) for name in "ab"]
    embedded = layers.Embedding(5, 2)(layers.HashedCrossing(5)(pair))
    return keras.Model(pair, layers.Dense(3, activation="softmax")(layers.Flatten()(embedded)))


class Within(layers.Wrapper):
    """Calls a layer that in a functional model would leave no trace: its output is its input."""

    def call(self, x):
        return self.layer(x)


def adapted():
    """Return the normalization that has seen the data."""
    layer = layers.Normalization()
    layer.adapt(VECTORS.x)
    return layer


def stateful():
    """Return a model that goes on from where the last batch ended."""
    inputs = keras.Input(batch_shape=(2, 4, 4))
    return keras.Model(inputs, layers.Dense(3)(layers.SimpleRNN(3, stateful=True)(inputs)))


def served(folder):
    """Return a builder of a model that holds another as TensorFlow saved it."""
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(4)])
    inner.export(folder, verbose=False)
    return classifier(VECTORS, lambda: layers.TFSMLayer(folder, call_endpoint="serve"))


# Classes, and variants as "class: variant". Layers of one entry stand beside each other in one
# model, to save time.
LAYERS = {
    # Elementwise, and shapes
    "Activation, ELU, LeakyReLU, ReLU, Softmax, Identity, Lambda, "
    "Rescaling, RepeatVector": on_vectors(
        lambda: layers.Activation("tanh"),
        layers.ELU,
        layers.LeakyReLU,
        lambda: layers.ReLU(max_value=1, negative_slope=0.1),
        layers.Softmax,
        layers.Identity,
        lambda: layers.Lambda(lambda x: keras.ops.sin(x)),
        lambda: layers.Rescaling(0.5, offset=0.1),
        lambda: layers.RepeatVector(2),
    ),
    "PReLU, PReLU: shared": on_sequences(layers.PReLU, lambda: layers.PReLU(shared_axes=[1])),
    "Flatten, Reshape, Permute, Cropping1D, ZeroPadding1D, UpSampling1D": on_sequences(
        layers.Flatten,
        lambda: layers.Reshape((2, -1)),
        lambda: layers.Permute((2, 1)),
        lambda: layers.Cropping1D(1),
        lambda: layers.ZeroPadding1D(1),
        lambda: layers.UpSampling1D(2),
    ),
    "Cropping2D, ZeroPadding2D, UpSampling2D, UpSampling2D: bilinear": on_images(
        lambda: layers.Cropping2D(1),
        lambda: layers.ZeroPadding2D(1),
        lambda: layers.UpSampling2D(2),
        lambda: layers.UpSampling2D(2, interpolation="bilinear"),
    ),
    "Cropping3D, ZeroPadding3D, UpSampling3D": on_volumes(
        lambda: layers.Cropping3D(1),
        lambda: layers.ZeroPadding3D(1),
        lambda: layers.UpSampling3D(2),
    ),
    # Dense layers
    "InputLayer, Dense, Dense: LoRA": on_vectors(
        layers.Identity,
        lambda: layers.Dense(4, activation="tanh", kernel_regularizer="l2"),
        lambda: layers.Dense(4, lora_rank=2),
    ),
    "EinsumDense, TimeDistributed": on_sequences(
        lambda: layers.EinsumDense("abc,cd->abd", (4, 3), bias_axes="d"),
        lambda: layers.TimeDistributed(layers.Dense(3)),
    ),
    # Convolutions
    "Conv1D, Conv1D: causal, Conv1DTranspose, DepthwiseConv1D, SeparableConv1D": on_sequences(
        lambda: layers.Conv1D(3, 2, strides=2),
        lambda: layers.Conv1D(3, 2, padding="causal", dilation_rate=2),
        lambda: layers.Conv1DTranspose(3, 2, strides=2),
        lambda: layers.DepthwiseConv1D(2, depth_multiplier=2),
        lambda: layers.SeparableConv1D(3, 2),
    ),
    "Conv2D, Conv2D: dilated, Conv2DTranspose, DepthwiseConv2D, SeparableConv2D": on_images(
        lambda: layers.Conv2D(3, 3, strides=2, padding="same"),
        lambda: layers.Conv2D(3, 2, dilation_rate=2),
        lambda: layers.Conv2DTranspose(3, 2, strides=2),
        lambda: layers.DepthwiseConv2D(2, depth_multiplier=2),
        lambda: layers.SeparableConv2D(3, 2),
    ),
    "Conv3D, Conv3DTranspose": on_volumes(
        lambda: layers.Conv3D(3, 2), lambda: layers.Conv3DTranspose(2, 2)
    ),
    "Conv1D: groups": on_sequences(lambda: layers.Conv1D(4, 2, groups=2)),
    "Conv2D: groups": on_images(lambda: layers.Conv2D(4, 3, groups=2)),
    "Conv3D: groups": on_volumes(lambda: layers.Conv3D(4, 2, groups=2)),
    # Pooling
    "AveragePooling1D, MaxPooling1D, GlobalAveragePooling1D, GlobalMaxPooling1D": on_sequences(
        lambda: layers.AveragePooling1D(2, padding="same"),
        lambda: layers.MaxPooling1D(2),
        layers.GlobalAveragePooling1D,
        layers.GlobalMaxPooling1D,
    ),
    "AveragePooling2D, MaxPooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D": on_images(
        lambda: layers.AveragePooling2D(2, padding="same"),
        lambda: layers.MaxPooling2D(2, strides=1),
        layers.GlobalAveragePooling2D,
        layers.GlobalMaxPooling2D,
    ),
    "AveragePooling3D, MaxPooling3D, GlobalAveragePooling3D, GlobalMaxPooling3D": on_volumes(
        lambda: layers.AveragePooling3D(2),
        lambda: layers.MaxPooling3D(2),
        layers.GlobalAveragePooling3D,
        layers.GlobalMaxPooling3D,
    ),
    "AdaptiveAveragePooling1D, AdaptiveMaxPooling1D": on_sequences(
        lambda: layers.AdaptiveAveragePooling1D(3), lambda: layers.AdaptiveMaxPooling1D(3)
    ),
    "AdaptiveAveragePooling2D, AdaptiveMaxPooling2D": on_images(
        lambda: layers.AdaptiveAveragePooling2D(4), lambda: layers.AdaptiveMaxPooling2D(4)
    ),
    "AdaptiveAveragePooling3D, AdaptiveMaxPooling3D": on_volumes(
        lambda: layers.AdaptiveAveragePooling3D(3), lambda: layers.AdaptiveMaxPooling3D(3)
    ),
    # Merging
    "Add, Average, Concatenate, Dot, Maximum, Minimum, Multiply, Subtract": merging(
        layers.Add,
        layers.Average,
        layers.Concatenate,
        lambda: layers.Dot(1, normalize=True),
        layers.Maximum,
        layers.Minimum,
        layers.Multiply,
        layers.Subtract,
    ),
    # Normalization
    "BatchNormalization": on_vectors(lambda: layers.BatchNormalization(momentum=0.9)),
    "BatchNormalization: images": on_images(layers.BatchNormalization),
    "GroupNormalization": on_images(lambda: layers.GroupNormalization(2)),
    "LayerNormalization, RMSNormalization, UnitNormalization": on_vectors(
        layers.LayerNormalization, layers.RMSNormalization, layers.UnitNormalization
    ),
    "Normalization": on(VECTORS, adapted),
    "SpectralNormalization": on_vectors(
        lambda: layers.SpectralNormalization(layers.Dense(4)), refused="SpectralNormalization"
    ),
    # Noise: each replica draws what `fit` draws from the same seed
    "ActivityRegularization": on_vectors(lambda: layers.ActivityRegularization(l1=0.01, l2=0.01)),
    "AlphaDropout, Dropout, Dropout: seed, GaussianDropout, GaussianNoise": on_vectors(
        lambda: layers.AlphaDropout(0.3),
        lambda: layers.Dropout(0.3),
        lambda: layers.Dropout(0.3, seed=1),
        lambda: layers.GaussianDropout(0.3),
        lambda: layers.GaussianNoise(0.3),
    ),
    "SpatialDropout1D, Dropout: shape": on_sequences(
        lambda: layers.SpatialDropout1D(0.3), lambda: layers.Dropout(0.3, noise_shape=(None, 1, 4))
    ),
    "SpatialDropout2D": on_images(lambda: layers.SpatialDropout2D(0.3)),
    "SpatialDropout3D": on_volumes(lambda: layers.SpatialDropout3D(0.3)),
    # Attention
    "Attention": attending(lambda: layers.Attention(use_scale=True, dropout=0.2), listed=True),
    "Attention: concat": attending(lambda: layers.Attention(score_mode="concat"), listed=True),
    "AdditiveAttention": attending(layers.AdditiveAttention, listed=True),
    "MultiHeadAttention": attending(lambda: layers.MultiHeadAttention(2, 3, dropout=0.2)),
    "GroupedQueryAttention": attending(lambda: layers.GroupQueryAttention(3, 4, 2)),
    # Embeddings and masks
    "Embedding, Embedding: LoRA": on(
        TOKENS, lambda: layers.Embedding(7, 3), lambda: layers.Embedding(7, 3, lora_rank=2)
    ),
    "ReversibleEmbedding": Case(reversible, TOKENS),
    "Masking": on(PADDED, lambda: chain(layers.Masking(), layers.SimpleRNN(3))),
    # Recurrent layers
    "SimpleRNN": on(SEQUENCES, lambda: layers.SimpleRNN(3)),
    "SimpleRNN: stateful": Case(stateful, SEQUENCES, refused="SimpleRNN"),
    "LSTM": on(SEQUENCES, lambda: layers.LSTM(3)),
    "LSTM: dropout": on(SEQUENCES, lambda: layers.LSTM(3, dropout=0.2, recurrent_dropout=0.2)),
    "LSTM: unrolled": on(SEQUENCES, lambda: layers.LSTM(3, unroll=True, go_backwards=True)),
    "LSTM: masked": on(
        TOKENS, lambda: chain(layers.Embedding(7, 3, mask_zero=True), layers.LSTM(3))
    ),
    "GRU": on(SEQUENCES, lambda: layers.GRU(3, return_sequences=True)),
    "GRU: reset before": on(SEQUENCES, lambda: layers.GRU(3, reset_after=False)),
    "RNN, SimpleRNNCell": on(SEQUENCES, lambda: layers.RNN(layers.SimpleRNNCell(3))),
    "StackedRNNCells, GRUCell, LSTMCell": on(
        SEQUENCES,
        lambda: layers.RNN(layers.StackedRNNCells([layers.GRUCell(3), layers.LSTMCell(2)])),
    ),
    "Bidirectional": on(SEQUENCES, lambda: layers.Bidirectional(layers.LSTM(3))),
    "Bidirectional: sum": on(
        SEQUENCES,
        lambda: layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode="sum"),
    ),
    "ConvLSTM1D": on(SEQUENCES, lambda: chain(layers.Reshape((2, 4, 2)), layers.ConvLSTM1D(2, 2))),
    "ConvLSTM2D": on(FILMS, lambda: layers.ConvLSTM2D(2, 2)),
    "ConvLSTM3D": on(
        FILMS, lambda: chain(layers.Reshape((2, 2, 2, 2, 4)), layers.ConvLSTM3D(2, 2))
    ),
    # Preprocessing of numbers, words and sounds
    "CategoryEncoding": on(TOKENS, lambda: layers.CategoryEncoding(7, output_mode="count")),
    "Discretization": on(
        VECTORS, lambda: chain(layers.Discretization([-1.0, 0.0, 1.0]), layers.Embedding(4, 2))
    ),
    "Hashing": on(TOKENS, lambda: chain(layers.Hashing(4), layers.Embedding(4, 2))),
    "HashedCrossing": Case(crossed, Data([TOKENS.x[:, :1], TOKENS.x[:, 1:2]], LABELS)),
    "IntegerLookup": on(
        TOKENS, lambda: layers.IntegerLookup(vocabulary=[1, 2, 3], output_mode="multi_hot")
    ),
    "StringLookup": on(
        WORDS,
        lambda: layers.StringLookup(vocabulary=["one", "two"], output_mode="one_hot"),
        refused="arrays of numbers",
    ),
    "TextVectorization": on(
        WORDS,
        lambda: layers.TextVectorization(vocabulary=["one", "two"], output_mode="multi_hot"),
        refused="arrays of numbers",
    ),
    "STFTSpectrogram": on(
        WAVES,
        lambda: chain(
            layers.Reshape((64, 1)), layers.STFTSpectrogram("magnitude", frame_length=16)
        ),
    ),
    "MelSpectrogram": on(
        WAVES,
        lambda: chain(
            layers.MelSpectrogram(16, 8, num_mel_bins=4, sampling_rate=64, min_freq=1),
            layers.Rescaling(1 / 80),  # decibels
        ),
    ),
    # Preprocessing of images
    "CenterCrop, Resizing, Resizing: antialias, MaxNumBoundingBoxes": on_pictures(
        lambda: layers.CenterCrop(4, 4),
        lambda: layers.Resizing(4, 5),
        lambda: layers.Resizing(4, 5, antialias=True),
        lambda: layers.MaxNumBoundingBoxes(2),
    ),
    "AutoContrast": on_pictures(layers.AutoContrast),
    "ContrastLimitedAdaptiveHistogramEqualization": on_pictures(
        lambda: layers.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 2))
    ),
    "Equalization": on_pictures(lambda: Within(layers.Equalization())),
    "AugMix": on_pictures(layers.AugMix, refused="AugMix"),
    "CutMix": on_pictures(layers.CutMix),
    "MixUp": on_pictures(layers.MixUp),
    "RandAugment": on_pictures(layers.RandAugment),
    "RandomColorJitter": on_pictures(
        lambda: layers.RandomColorJitter((0, 255), 0.3, 0.3, 0.3, hue_factor=0.3)
    ),
    "RandomCrop": on(
        PICTURES,
        lambda: chain(layers.RandomCrop(4, 4), layers.Rescaling(1 / 255)),
        last=layers.GlobalAveragePooling2D,  # in inference mode the layer leaves the size alone
    ),
    "RandomElasticTransform": on_pictures(layers.RandomElasticTransform),
    "RandomErasing": on_pictures(layers.RandomErasing),
    "RandomFlip, Pipeline": on_pictures(
        layers.RandomFlip, lambda: layers.Pipeline([layers.RandomFlip(), layers.Rescaling(0.5)])
    ),
    "RandomGaussianBlur": on_pictures(layers.RandomGaussianBlur),
    "RandomBrightness, RandomContrast, RandomInvert, RandomGrayscale": on_pictures(
        lambda: layers.RandomBrightness(0.3),
        lambda: layers.RandomContrast(0.3),
        lambda: layers.RandomInvert(0.5),
        layers.RandomGrayscale,
    ),
    "RandomColorDegeneration, RandomHue, RandomSaturation": on_pictures(
        lambda: layers.RandomColorDegeneration(0.5),
        lambda: layers.RandomHue(0.3),
        lambda: layers.RandomSaturation(0.5),
    ),
    "RandomPosterization, RandomSharpness, Solarization": on_pictures(
        lambda: layers.RandomPosterization(4),
        lambda: layers.RandomSharpness(0.5),
        lambda: layers.Solarization(0.2, 0.2),
    ),
    "RandomPerspective": on_pictures(lambda: layers.RandomPerspective(scale=0.3)),
    "RandomRotation, RandomShear, RandomTranslation, RandomZoom": on_pictures(
        lambda: layers.RandomRotation(0.1),
        lambda: layers.RandomShear(0.2, 0.2),
        lambda: layers.RandomTranslation(0.2, 0.2),
        lambda: layers.RandomZoom(0.2, 0.1),
    ),
    # No layers to train here
    "Layer": NoCase("the base of all layers"),
    "Wrapper": NoCase("the base of layers that hold another"),
    "InputSpec": NoCase("describes an input; no layer"),
    "JaxLayer": NoCase("needs JAX, which the book does not install"),
    "FlaxLayer": NoCase("needs Flax, which the book does not install"),
    "TorchModuleWrapper": NoCase("needs PyTorch, which the book does not install"),
    "TFSMLayer": NoCase("needs a saved model: test_a_saved_model_is_refused_by_name"),
}

EXPORTED = sorted({kind.__name__ for _, kind in inspect.getmembers(layers, inspect.isclass)})


@pytest.mark.parametrize(("name", "case"), parameters(LAYERS, EXPORTED))
def test_every_layer_lies_in_its_column(name, case):
    assert_lies_in_its_column(name, case)


def test_a_saved_model_is_refused_by_name(tmp_path):
    case = Case(served(str(tmp_path)), VECTORS, refused="TFSMLayer")
    assert_lies_in_its_column("TFSMLayer", case)


@pytest.mark.parametrize(("name", "case"), parameters(LAYERS))
def test_every_model_holds_the_layers_that_it_is_named_after(name, case):
    named = {part.split(":")[0] for part in name.split(", ")}
    assert named <= set(EXPORTED)
    assert named <= {type(layer).__name__ for layer in case.build()._flatten_layers()}

"""What SHAP maps cost: `diag.explain.deepshap` beside `shap.DeepExplainer`, on two networks trained on MNIST.

Usage: ``python benchmarks/deepshap.py mnist.npz [--keep FOLDER]``, with the file that Keras keeps for MNIST. The
full-size networks of two notebooks are trained on the spot, with a seed; ``--keep`` leaves them in a folder, where a
second run finds them. Seconds are of calls in turn in one process, model and images loaded before; peak memory is the
operating system's, of a process for each method. ``--captum`` adds `captum.attr.DeepLiftShap` on a PyTorch twin.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from report_mnist import measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SHAPE = (28, 28, 1)
OURS, WARM, LOOSE, SHAP = "diag", "diag, again", "diag, tolerance 0.05", "shap.DeepExplainer"
LOOSE_WARM = f"{LOOSE}, again"
TOLERANCE = 0.05
BARE = "load and predict"
MISSING = "--captum: expected torch and captum, not found: {}. Install with: python -m pip install torch captum"


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What every method gets: a network, images (n, 28, 28, 1) and references (m, 28, 28, 1)."""

    network: Any
    images: NDArray[np.float32]
    references: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a method returns: maps (n, 28, 28, 1, 10), references used for each image, seconds, and what maps sum to."""

    values: NDArray[np.float32]
    n_used: NDArray[np.int64]
    seconds: float
    rise: NDArray[np.float64] | None = None


def sd() -> Any:
    """Return the network of *sd*: twice (3x3, BN, 3x3, BN, 5x5 stride 2, BN, dropout), dense; 597,066 parameters."""
    import keras
    from keras import layers

    network = keras.Sequential([keras.Input(SHAPE)])
    for filters in (32, 64):
        for kernel, stride in ((3, 1), (3, 1), (5, 2)):
            network.add(layers.Conv2D(filters, kernel, strides=stride, padding="same", activation="relu"))
            network.add(layers.BatchNormalization())
        network.add(layers.Dropout(0.3))
    network.add(layers.Flatten())
    network.add(layers.Dense(128, activation="relu"))
    network.add(layers.Dropout(0.4))
    network.add(layers.Dense(10, activation="softmax"))
    return network


def dody() -> Any:
    """Return the network of *dody*: twice (5x5, max pooling, dropout), dense; 430,698 parameters."""
    import keras
    from keras import layers

    network = keras.Sequential([keras.Input(SHAPE)])
    for _ in range(2):
        network.add(layers.Conv2D(32, 5, padding="same", activation="relu"))
        network.add(layers.MaxPooling2D())
        network.add(layers.Dropout(0.25))
    network.add(layers.Flatten())
    network.add(layers.Dense(256, activation="relu"))
    network.add(layers.Dropout(0.5))
    network.add(layers.Dense(10, activation="softmax"))
    return network


NETWORKS: dict[str, Callable[[], Any]] = {"sd": sd, "dody": dody}


def trained(file: Path, data: Path, epochs: int) -> None:
    """Train the network that the file is named after, and save it."""
    import keras

    keras.utils.set_random_seed(0)
    with np.load(data) as arrays:
        x, y = _scaled(arrays["x_train"]), arrays["y_train"]
    network = NETWORKS[file.stem]()
    network.compile("adam", "sparse_categorical_crossentropy")
    network.fit(x, y, batch_size=128, epochs=epochs, verbose=0)
    network.save(file)


def _scaled(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return (images / np.float32(255))[..., None]


def task(arguments: argparse.Namespace, file: Path) -> Task:
    """Return the network with test images and training references, drawn with a seed."""
    import keras

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    rng = np.random.default_rng(0)
    with np.load(arguments.data) as arrays:
        train, test = arrays["x_train"], arrays["x_test"]
    references = train[rng.choice(len(train), arguments.references, replace=False)]
    images = test[rng.choice(len(test), arguments.images, replace=False)]
    return Task(keras.models.load_model(file, compile=False), _scaled(images), _scaled(references))


def outputs(network: Any, batch: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return probabilities (n, 10)."""
    return np.asarray(network.predict(batch, batch_size=128, verbose=0), dtype=np.float64)


def ours(given: Task, *, again: bool = False, **options: Any) -> Outcome:
    """Run `DeepShap.maps`, and once more with the same engine where `again` is set; return the last."""
    from diag.explain.deepshap import DeepShap

    started = time.perf_counter()
    engine = DeepShap(given.network, SHAPE)
    maps = engine.maps(given.images, given.references, **options)
    if again:
        started = time.perf_counter()
        maps = engine.maps(given.images, given.references, **options)
    return Outcome(maps.values, maps.n_used, time.perf_counter() - started, maps.predictions - maps.base_values)


def peer(given: Task) -> Outcome:
    """Run `shap.DeepExplainer`."""
    import shap

    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the form of the model's input
        values = shap.DeepExplainer(given.network, given.references).shap_values(given.images, check_additivity=False)
    seconds = time.perf_counter() - started
    return Outcome(np.asarray(values), np.full(len(given.images), len(given.references)), seconds)


METHODS: dict[str, Callable[[Task], Outcome]] = {
    OURS: ours,
    SHAP: peer,
    WARM: lambda given: ours(given, again=True),
    LOOSE: lambda given: ours(given, tolerance=TOLERANCE),
    LOOSE_WARM: lambda given: ours(given, again=True, tolerance=TOLERANCE),
}


def only(arguments: argparse.Namespace) -> None:
    """Do one thing in this process: train, load and predict, or run one method."""
    method, name = arguments.only
    file = Path(name)
    if method == "train":
        trained(file, arguments.data, arguments.epochs)
        return
    given = task(arguments, file)
    outputs(given.network, given.images)
    if method != BARE:
        METHODS[method](given)


def processes(arguments: argparse.Namespace, file: Path) -> dict[str, tuple[float, float]]:
    """Return seconds and peak MB of each method in a process of its own. Call it while this process is small.

    Linux counts what a parent holds when it starts a process as memory of that process.
    """
    options = ["--references", str(arguments.references), "--images", str(arguments.images)]
    start = [sys.executable, __file__, str(arguments.data), *options, "--only"]
    methods = (BARE, OURS, LOOSE, SHAP)
    return {method: measured([*start, method, str(file)], dict(os.environ)) for method in methods}


def mean_rank(given: Task) -> float:
    """Return how many rows a pair of image and reference sends backward, of 10 classes."""
    import tensorflow as tf

    from diag.explain.deepshap import DeepShap
    from diag.explain.heads import seeds

    engine = DeepShap(given.network, SHAPE)
    x, r = (engine._forward(tf.constant(batch))[1].numpy() for batch in (given.images, given.references))
    classes = np.arange(engine.head.n_classes)
    return float(np.mean([seeds(engine.head.multipliers(row, r, classes, "probability")).ranks for row in x]))


def logit_difference(given: Task) -> float:
    """Return the largest difference to shap's maps of what goes into softmax, as a share of their largest value."""
    import keras

    from diag.explain.deepshap import DeepShap

    last = given.network.layers[-1]
    dense = keras.layers.Dense(last.units, name="logits")
    logits = keras.Model(given.network.inputs[0], dense(given.network.layers[-2].output))
    dense.set_weights(last.get_weights())
    one = Task(logits, given.images[:1], given.references)
    expected = peer(one).values
    values = DeepShap(given.network, SHAPE).maps(one.images, one.references, target="logit").values
    return float(np.abs(values - expected).max() / np.abs(expected).max())


def compared(arguments: argparse.Namespace, file: Path, alone: dict[str, tuple[float, float]]) -> None:
    """Run all methods in turn and print the table of one network."""
    given = task(arguments, file)
    found: dict[str, list[Outcome]] = {method: [] for method in METHODS}
    for _ in range(arguments.repeats):
        for method, run in METHODS.items():
            found[method].append(run(given))
    rise = outputs(given.network, given.images) - outputs(given.network, given.references).mean(axis=0)
    peer_seconds = min(outcome.seconds for outcome in found[SHAP])
    expected = found[SHAP][0].values
    print(f"\n{file.stem}: {given.network.count_params():,} parameters, {len(given.images)} images, 10 classes")
    titles = f"{'':27} {'seconds':>8} {'ratio':>6} {'to shap':>8} {'additive':>8} {'refs':>6}"
    print(titles + f" {'process':>8} {'peak MB':>8} {'added':>6}")
    for method in (SHAP, OURS, WARM, LOOSE, LOOSE_WARM):
        values, n_used = found[method][0].values, found[method][0].n_used
        seconds = min(outcome.seconds for outcome in found[method])
        difference = np.abs(values - expected).max() / np.abs(expected).max()
        own = found[method][0].rise
        additive = np.abs(values.sum(axis=(1, 2, 3)) - (rise if own is None else own)).max()
        print(f"{method:27} {seconds:8.2f} {seconds / peer_seconds:6.3f} {difference:8.1e} {additive:8.1e}", end=" ")
        print(f"{n_used.mean():6.0f} {_process(alone, method)}".rstrip())
    print(f"{BARE:27} {'':41}{_process(alone, BARE)}")
    print(f"{mean_rank(given):.2f} rows a pair go backward")
    print(f"logits of one image: {logit_difference(given):.1e} of the largest value from shap's")


def _process(alone: dict[str, tuple[float, float]], method: str) -> str:
    if method not in alone:
        return ""
    seconds, peak = alone[method]
    return f"{seconds:8.2f} {peak:8.0f} {peak - alone[BARE][1]:6.0f}"


def twin(network: Any) -> Any:
    """Return a PyTorch network with the same weights, up to the logits."""
    import torch

    parts: list[Any] = []
    for layer in network.layers:
        kind = type(layer).__name__
        weights = [torch.tensor(weight) for weight in layer.get_weights()]
        if kind == "Conv2D":
            parts += _convolution(layer, weights)
        elif kind == "BatchNormalization":
            norm = torch.nn.BatchNorm2d(len(weights[0]), eps=layer.epsilon)
            names = ("weight", "bias", "running_mean", "running_var")
            norm.load_state_dict(dict(zip(names, weights, strict=True)), strict=False)
            parts.append(norm)
        elif kind == "MaxPooling2D":
            # Padding with nothing copies: captum 0.9 gives ReLU a wrong gradient where pooling takes its very tensor.
            parts += [torch.nn.ZeroPad2d(0), torch.nn.MaxPool2d(layer.pool_size, layer.strides)]
        elif kind == "Flatten":
            parts.append(torch.nn.Flatten())
            height, width, channels = layer.input.shape[1:]
            order = np.arange(height * width * channels).reshape(height, width, channels).transpose(2, 0, 1).ravel()
        elif kind == "Dense":
            # Flatten goes through channels last in Keras, first in PyTorch: the rows of the next kernel follow.
            kernel = weights[0] if order is None else weights[0][order]
            parts += [_filled(torch.nn.Linear(*kernel.shape), kernel.T, weights[1]), torch.nn.ReLU()]
            order = None
    return torch.nn.Sequential(*parts[:-1]).eval()


def _convolution(layer: Any, weights: list[Any]) -> list[Any]:
    import torch

    size, stride = layer.kernel_size[0], layer.strides[0]
    # TensorFlow pads only what the stride needs, the odd row behind.
    missing = max(0, (-(-layer.input.shape[1] // stride) - 1) * stride + size - layer.input.shape[1])
    before, behind = missing // 2, missing - missing // 2
    convolution = torch.nn.Conv2d(layer.input.shape[-1], layer.filters, size, stride)
    _filled(convolution, weights[0].permute(3, 2, 0, 1), weights[1])
    return [torch.nn.ZeroPad2d((before, behind, before, behind)), convolution, torch.nn.ReLU()]


def _filled(layer: Any, kernel: Any, bias: Any) -> Any:
    layer.load_state_dict({"weight": kernel.contiguous(), "bias": bias})
    return layer


def captum(arguments: argparse.Namespace, file: Path) -> None:
    """Print what captum takes for the maps of all logits, and ours."""
    import torch
    from captum.attr import DeepLiftShap

    given = task(arguments, file)
    model = twin(given.network)
    x, r = (torch.tensor(batch.transpose(0, 3, 1, 2)) for batch in (given.images, given.references))
    with torch.no_grad():
        logits, base = model(x), model(r).mean(dim=0)
    difference = np.abs(torch.softmax(logits, 1).numpy() - outputs(given.network, given.images)).max()
    if difference > 1e-4:
        sys.exit(f"{file.stem}: expected the twin's probabilities within 1e-4 of Keras's. Received: {difference:.1e}.")
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the hooks that it sets
        method = DeepLiftShap(model)
        maps = [[method.attribute(row[None], r, target=k).detach().numpy()[0] for k in range(10)] for row in x]
    seconds = time.perf_counter() - started
    values = np.asarray(maps).transpose(0, 3, 4, 2, 1)
    found = ours(given, target="logit")
    rise = (logits - base).numpy()
    print(f"\n{file.stem + ', logits, once each':26} {'seconds':>7} {'ratio':>6} {'to captum':>9} {'additive':>8}")
    for name, each, spent in (("captum DeepLiftShap", values, seconds), (OURS, found.values, found.seconds)):
        difference = np.abs(each - values).max() / np.abs(values).max()
        additive = np.abs(each.sum(axis=(1, 2, 3)) - rise).max()
        print(f"{name:26} {spent:7.2f} {spent / seconds:6.3f} {difference:9.1e} {additive:8.1e}")


def main() -> None:
    """Train, then measure memory, then time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--models", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--references", type=int, default=500)
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where trained networks are, or are put")
    parser.add_argument("--captum", action="store_true", help="also time captum, which must be installed")
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if arguments.only:
        only(arguments)
        return
    missing = [name for name in ("torch", "captum") if importlib.util.find_spec(name) is None]
    if arguments.captum and missing:
        sys.exit(MISSING.format(" and ".join(missing)))
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / f"{model}.keras" for model in arguments.models]
        start = [sys.executable, __file__, str(arguments.data), "--epochs", str(arguments.epochs), "--only", "train"]
        for file in files:
            if not file.exists():
                measured([*start, str(file)], dict(os.environ))
        alone = [processes(arguments, file) for file in files]
        print(f"{arguments.references} references; seconds: least of {arguments.repeats}; process, peak MB: one alone")
        for file, each in zip(files, alone, strict=True):
            compared(arguments, file, each)
        for file in files if arguments.captum else ():
            captum(arguments, file)


if __name__ == "__main__":
    main()

"""A large network in bounded memory, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

SCRIPT = """
import json, re, resource, sys
from pathlib import Path
import numpy as np
from diag._lazy import import_keras
keras = import_keras()
from diag.explain.deepshap import DeepShap
keras.utils.set_random_seed(0)
network = keras.applications.ResNet50V2(weights=None, classes=1000, classifier_activation=None)
rng = np.random.default_rng(0)
images = rng.uniform(-1, 1, (21, 224, 224, 3)).astype(np.float32)
engine = DeepShap(network, (224, 224, 3), "linear")
top = np.argsort(-network.predict(images[:1], verbose=0), axis=1)[:, :3]
maps = engine.maps(images[:1], images[1:], top, "logit")
rise = maps.predictions - maps.base_values
status = Path("/proc/self/status")
scale = 1 if sys.platform == "darwin" else 1024
peak = scale * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if status.exists():  # of this program alone, not of the one that started it
    peak = 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1])
error = np.abs(maps.values.sum(axis=(1, 2, 3)) - rise) / np.abs(rise)
print(json.dumps({"shape": maps.values.shape, "peak": peak, "error": float(error.max())}))
"""


def test_resnet50_with_a_thousand_classes_stays_inside_4_gb():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["shape"] == [1, 224, 224, 3, 3]
    assert found["peak"] < 4e9
    # Float32 through fifty layers of random weights: a thousandth of the change.
    assert found["error"] < 1e-3

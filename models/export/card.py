"""What a model card holds besides metrics: the network's layers and the machine that trained it."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf


def describe_layers(model: keras.Model) -> list[dict[str, Any]]:
    """The layers from the input down, as JSON values.

    Returns:
        For each: `kind` (its class), `role` ("input", "convolution", "pooling", "dense" or "other"), `detail` (size and
        activation), `output` (shape without the batch) and `parameters`.
    """
    inputs = {
        "kind": "Input",
        "role": "input",
        "detail": "",
        "output": list(model.input_shape[1:]),
        "parameters": 0,
    }
    return [inputs, *(_describe(layer) for layer in model.layers)]


def _describe(layer: keras.Layer) -> dict[str, Any]:
    role, details = "other", []
    if isinstance(layer, keras.layers.Conv2D):
        role = "convolution"
        details.append(f"{layer.filters} of {_times(layer.kernel_size)}")
    elif isinstance(layer, keras.layers.MaxPooling2D | keras.layers.AveragePooling2D):
        role = "pooling"
        details.append(_times(layer.pool_size))
    elif isinstance(layer, keras.layers.Dense):
        role = "dense"
        details.append(f"{layer.units} units")
    activation = getattr(layer, "activation", None)
    if activation is not None and activation is not keras.activations.linear:
        details.append(keras.activations.serialize(activation))
    return {
        "kind": type(layer).__name__,
        "role": role,
        "detail": ", ".join(details),
        "output": list(layer.output.shape[1:]),
        "parameters": layer.count_params(),
    }


def _times(size: tuple[int, ...]) -> str:
    return "×".join(map(str, size))


def describe_machine() -> str:
    """Number and model of processors, and visible GPUs, in one line."""
    cpus = os.cpu_count() or 1
    parts = [f"{cpus} CPU" + "s" * (cpus > 1), _processor(), platform.system()]
    for device in tf.config.list_physical_devices("GPU"):
        parts.append(str(tf.config.experimental.get_device_details(device).get("device_name", "GPU")))
    return ", ".join(part for part in parts if part)


def _processor() -> str:
    """The processor's name: from a file on Linux, from Python elsewhere."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def git_revision() -> str:
    """The commit of this source tree, with `-dirty` if it was edited.

    The image has no checkout; there the file REVISION holds the commit (Dockerfile). Anywhere else outside a checkout
    it is "unknown".
    """
    folder = Path(__file__).parents[1]
    noted = folder / "REVISION"
    if noted.exists():
        return noted.read_text(encoding="utf-8").strip()
    tracked = ["git", "-C", str(folder), "ls-files", "--error-unmatch", "features.py"]
    describe = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        subprocess.run(tracked, check=True, capture_output=True)
        return subprocess.run(describe, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"

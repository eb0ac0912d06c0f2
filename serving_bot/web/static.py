"""The page as a folder that needs no server: the page, and the pushed flatbuffer's layers as JavaScript."""

from __future__ import annotations

import base64
import json
from importlib import resources
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from models.export.layout import MODEL_FILE
from serving_bot.reading.reader import SURE
from serving_bot.versions.registry import asked_for
from workers import UserError

_ACTIVATIONS = {schema.ActivationFunctionType.NONE: "", schema.ActivationFunctionType.RELU: "relu"}
_CODES = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
_IGNORED = {"CAST", "ARG_MAX", "SHAPE", "STRIDED_SLICE", "PACK"}
"""Operations that the page skips: types, the class, and the batch size."""

_PLAIN = {"RESHAPE": "flatten", "TANH": "tanh", "LOGISTIC": "sigmoid", "SOFTMAX": "softmax"}
_POOLS = {"MAX_POOL_2D": "max", "AVERAGE_POOL_2D": "mean"}


class UnknownLayerError(UserError):
    """The pushed network has a layer that the page cannot compute."""


def export_page(push_dir: str, folder: Path) -> int:
    """Writes `index.html`, `network.js` and `model.js` to a folder, created if missing; returns their model's version.

    Raises:
        NoPushedModelError: nothing was pushed.
        PushFolderError: the push folder cannot be read.
        UnknownLayerError: the network has a layer other than convolutions, pooling, dense layers and activations.
        UserError: the folder cannot be written.
    """
    pushed, _ = asked_for(push_dir)
    card = pushed.card
    filesystem, root = fsspec.core.url_to_fs(pushed.version.path)
    model = {
        "version": pushed.number,
        "card": {"display_name": card.get("display_name"), "metrics": card.get("metrics", {})},
        "temperature": card.get("temperature", 1.0),
        "sure": card.get("sure", SURE),
        "layers": describe(filesystem.cat_file(f"{root}/{MODEL_FILE}")),
    }
    own = resources.files("serving_bot.web")
    page = own.joinpath("page.html").read_text("utf-8")
    scripts = '<script src="network.js"></script>\n<script src="model.js"></script>\n<script>'
    files = {
        "index.html": page.replace("<script>", scripts, 1),
        "network.js": own.joinpath("network.js").read_text("utf-8"),
        "model.js": f"const MODEL = {json.dumps(model)};\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise UserError(f"Cannot write to {folder} ({error.strerror}). Choose another folder.") from error
    return pushed.number


def describe(flatbuffer: bytes) -> list[dict[str, Any]]:
    """The layers of a LiteRT model from uint8 [28, 28] to probabilities [10], as JSON values.

    Weights are float32, little-endian, base64: [outputs, height, width, inputs] of a convolution, [outputs, inputs] of
    a dense layer, as in the flatbuffer (github.com/google-ai-edge/LiteRT, `schema.fbs`).

    Raises:
        UnknownLayerError: the page cannot compute one of the layers.
    """
    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    (graph,) = model.subgraphs

    def constant(index: int) -> npt.NDArray[Any]:
        tensor = graph.tensors[index]
        kind = np.int32 if tensor.type == schema.TensorType.INT32 else np.float32
        shape = [] if tensor.shape is None else tensor.shape
        return np.frombuffer(bytes(model.buffers[tensor.buffer].data), kind).reshape(shape)

    layers: list[dict[str, Any]] = []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        name = _CODES[max(code.builtinCode, code.deprecatedBuiltinCode)]
        options = operator.builtinOptions
        if name in _IGNORED:
            continue
        if name in _PLAIN:
            layers.append({"kind": _PLAIN[name]})
        elif name == "MUL":
            layers.append({"kind": "scale", "factor": float(constant(operator.inputs[1]))})
        elif name == "PAD":
            layers.append({"kind": "pad", "margins": constant(operator.inputs[1])[1:3].tolist()})
        elif name in _POOLS and options.padding == schema.Padding.VALID:
            size, step = [options.filterHeight, options.filterWidth], [options.strideH, options.strideW]
            layers.append({"kind": _POOLS[name], "size": size, "step": step})
        elif name == "FULLY_CONNECTED" or (name == "CONV_2D" and options.padding == schema.Padding.VALID):
            weights = constant(operator.inputs[1])
            has_bias = len(operator.inputs) > 2 and operator.inputs[2] >= 0
            layer: dict[str, Any] = {
                "kind": "dense" if name == "FULLY_CONNECTED" else "convolution",
                "shape": list(weights.shape),
                "weights": _encode(weights),
                "bias": _encode(constant(operator.inputs[2]) if has_bias else np.zeros(len(weights), np.float32)),
            }
            if name == "CONV_2D":
                layer["step"] = [options.strideH, options.strideW]
            layers.append(layer)
        else:
            raise UnknownLayerError(f"The page cannot compute {name}, which this network has. `digits serve` can.")
        activation = getattr(options, "fusedActivationFunction", schema.ActivationFunctionType.NONE)
        if activation not in _ACTIVATIONS:
            raise UnknownLayerError(f"The page cannot compute activation {activation} of {name}. `digits serve` can.")
        if _ACTIVATIONS[activation]:
            layers.append({"kind": _ACTIVATIONS[activation]})
    return layers


def _encode(values: npt.NDArray[np.float32]) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()

"""A real LiteRT model of ten templates, built without TensorFlow, and its version folder.

It compares a picture with the ten canary digits, so it reads those, pictures composed of them, and little else. That
is enough for the whole bot, takes milliseconds and needs only the bot's dependencies.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from serving_bot.reading.decoding import decode
from serving_bot.reading.page import find

CANARY = Path(__file__).parents[1] / "serving_bot" / "versions" / "canary.png"
TYPES = {
    np.uint8: schema.TensorType.UINT8,
    np.int32: schema.TensorType.INT32,
    np.int64: schema.TensorType.INT64,
}


@cache
def templates() -> np.ndarray:
    """The canary digits as the reader crops them, uint8 [10, 28, 28]."""
    (lattice,) = find(decode(CANARY.read_bytes()).pixels).lattices
    whole = [
        index
        for index, group in enumerate(lattice.groups)
        if group.torn == 0 and len({piece.component for piece in lattice.pieces[group.first : group.last + 1]}) == 1
    ]
    return lattice.images[whole, 0]


def picture(digits: str, margin: int = 80, suffix: str = ".jpg") -> bytes:
    """An encoded picture of canary digits in a row, black on light grey."""
    image = cv2.imread(str(CANARY))
    width = (image.shape[1] - 40) // 10
    cells = [image[:, 20 + width * int(digit) : 20 + width * (int(digit) + 1)] for digit in digits]
    sheet = cv2.copyMakeBorder(np.hstack(cells), *[margin] * 4, cv2.BORDER_REPLICATE)
    return cv2.imencode(suffix, sheet)[1].tobytes()


def flatbuffer(classes: Sequence[int] = range(10)) -> bytes:  # noqa: PLR0915 - one statement per field
    """The model; ``classes`` has the class for each canary digit.

    uint8 [N, 28, 28, 1] -> cast -> reshape -> fully connected -> softmax -> probabilities, arg max -> class.
    """
    weights = templates()[np.argsort(classes)].reshape(10, 784).astype(np.float32)
    weights -= weights.mean(1, keepdims=True)
    weights *= 3 / 255 / np.linalg.norm(weights / 255, axis=1, keepdims=True)
    model = schema.ModelT()
    model.version, model.description = 3, "ten templates"
    model.buffers = [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.tensors, graph.operators, model.operatorCodes = [], [], []

    def tensor(name, shape, kind=np.float32, data=None, batched=True):
        new = schema.TensorT()
        new.name, new.shape, new.type = name, shape, TYPES.get(kind, schema.TensorType.FLOAT32)
        new.shapeSignature = [-1, *shape[1:]] if batched and data is None else None
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.asarray(data, kind).tobytes(), np.uint8)
            model.buffers.append(buffer)
            new.buffer = len(model.buffers) - 1
        graph.tensors.append(new)
        return len(graph.tensors) - 1

    def operator(code, inputs, outputs, options_type=0, options=None):
        operator_code = schema.OperatorCodeT()
        operator_code.builtinCode = operator_code.deprecatedBuiltinCode = code
        operator_code.version = 1
        model.operatorCodes.append(operator_code)
        new = schema.OperatorT()
        new.opcodeIndex, new.inputs, new.outputs = len(model.operatorCodes) - 1, inputs, outputs
        new.builtinOptionsType, new.builtinOptions = options_type, options
        graph.operators.append(new)

    images = tensor("images", [1, 28, 28, 1], np.uint8)
    pixels = tensor("pixels", [1, 28, 28, 1])
    rows = tensor("rows", [1, 784])
    logits = tensor("logits", [1, 10])
    probabilities = tensor("probabilities", [1, 10])
    label = tensor("class", [1], np.int64)
    row_shape = tensor("row_shape", [2], np.int32, [-1, 784])
    matrix = tensor("weights", [10, 784], data=weights)
    axis = tensor("axis", [1], np.int32, [1])

    cast, softmax, arg_max = schema.CastOptionsT(), schema.SoftmaxOptionsT(), schema.ArgMaxOptionsT()
    cast.inDataType, cast.outDataType = schema.TensorType.UINT8, schema.TensorType.FLOAT32
    softmax.beta, arg_max.outputType = 1.0, schema.TensorType.INT64
    builtin, options = schema.BuiltinOperator, schema.BuiltinOptions
    operator(builtin.CAST, [images], [pixels], options.CastOptions, cast)
    operator(builtin.RESHAPE, [pixels, row_shape], [rows])
    fully_connected = schema.FullyConnectedOptionsT()
    operator(builtin.FULLY_CONNECTED, [rows, matrix, -1], [logits], options.FullyConnectedOptions, fully_connected)
    operator(builtin.SOFTMAX, [logits], [probabilities], options.SoftmaxOptions, softmax)
    operator(builtin.ARG_MAX, [probabilities, axis], [label], options.ArgMaxOptions, arg_max)
    graph.inputs, graph.outputs = [images], [probabilities, label]
    model.subgraphs = [graph]

    def named(name, index):
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, index
        return entry

    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_images", 0
    signature.inputs = [named("images", images)]
    signature.outputs = [named("probabilities", probabilities), named("class", label)]
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def push(push_dir: Path, version: int, content: bytes | None = None, complete: bool = True) -> Path:
    """Pushes a version like the pusher: ``saved_model.pb`` last, and only if ``complete``."""
    folder = push_dir / str(version)
    (folder / "assets.extra").mkdir(parents=True)
    (folder / "variables").mkdir()
    (folder / "assets.extra" / "model.tflite").write_bytes(flatbuffer() if content is None else content)
    card = {
        "model": "my_model",
        "display_name": "Ten templates",
        "run_id": f"run-{version}",
        "trained_at": "2026-11-22T12:00:00Z",
        "metrics": {"test_accuracy": 0.9926},
        "temperature": 1.0,
    }
    (folder / "assets.extra" / "card.json").write_text(json.dumps(card))
    if complete:
        (folder / "saved_model.pb").write_bytes(b"not read by the bot")
    return folder

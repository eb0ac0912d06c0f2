"""Images and answers in the formats of other model servers' clients.

Sources: TensorFlow Serving's RESTful API (tensorflow.org/tfx/serving/api_rest) and the Open Inference Protocol,
version 2, with its binary data extension (github.com/kserve/open-inference-protocol).
"""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from PIL import Image

SIDE = 28
MOST_IMAGES = 1024
"""Maximum images in one request."""

INPUT, PROBABILITIES, CLASS = "images", "probabilities", "class"

Images = npt.NDArray[np.uint8]


class BadRequestError(Exception):
    """The request is invalid; the message is a sentence for the program's author."""


def parse_json(body: bytes) -> dict[str, Any]:
    """The JSON object in a body.

    Raises:
        BadRequestError: the body is not a JSON object.
    """
    try:
        content = orjson.loads(body)  # json needs several times as long for a batch of images
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"The body is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise BadRequestError("The body is not a JSON object.")
    return content


def from_tensorflow_serving(body: bytes) -> tuple[Images, bool]:
    """Images uint8 [N, 28, 28] of a `:predict` request, and whether it is in the row format ("instances").

    An image is a nested list of 28×28 or 28×28×1 numbers in 0..255, or {"b64": ...} of 784 bytes or of an image file of
    28×28 pixels; in the row format it may be an object with the input's name as key.

    Raises:
        BadRequestError: it is not such a request.
    """
    request = parse_json(body)
    if request.get("signature_name", "serving_images") != "serving_images":
        raise BadRequestError("Only the signature serving_images is supported.")
    rows = "instances" in request
    if rows == ("inputs" in request):
        raise BadRequestError('Give the images either in "instances" or in "inputs".')
    given = request["instances"] if rows else request["inputs"]
    if isinstance(given, dict) and INPUT in given:
        given = given[INPUT]
    if not isinstance(given, list):
        raise BadRequestError("The images are not a list.")
    given = [one[INPUT] if isinstance(one, dict) and INPUT in one else one for one in given]
    if any(isinstance(one, dict) for one in given):
        given = [_decoded(one) for one in given]
    return check_images(_array(given, body)), rows


def to_tensorflow_serving(probabilities: npt.NDArray[np.float32], rows: bool) -> dict[str, Any]:
    """The answer to a `:predict` request in its format."""
    classes = probabilities.argmax(axis=1)
    if rows:
        pairs = zip(probabilities.tolist(), classes.tolist(), strict=True)
        return {"predictions": [{PROBABILITIES: row, CLASS: digit} for row, digit in pairs]}
    return {"outputs": {PROBABILITIES: probabilities.tolist(), CLASS: classes.tolist()}}


def from_open_inference(body: bytes, header_length: str | None) -> tuple[Images, dict[str, Any]]:
    """Images uint8 [N, 28, 28] of an `infer` request, and the request without its tensors.

    Args:
        body: JSON, followed by the raw tensor if there is a header length.
        header_length: the header Inference-Header-Content-Length.

    Raises:
        BadRequestError: it is not such a request.
    """
    if header_length is not None and not (header_length.isdecimal() and int(header_length) <= len(body)):
        raise BadRequestError("Inference-Header-Content-Length is not the length of the JSON part.")
    end = len(body) if header_length is None else int(header_length)
    request = parse_json(body[:end])
    inputs = request.get("inputs")
    if not (isinstance(inputs, list) and len(inputs) == 1 and isinstance(inputs[0], dict)):
        raise BadRequestError(f'"inputs" must contain one tensor, {INPUT}.')
    tensor = inputs[0]
    if tensor.get("name") != INPUT or tensor.get("datatype") != "UINT8":
        raise BadRequestError(f"The tensor must be {INPUT}, UINT8 [N, 28, 28, 1].")
    shape = tensor.get("shape")
    if not (isinstance(shape, list) and all(type(size) is int and 0 <= size <= MOST_IMAGES for size in shape)):
        raise BadRequestError(f"The shape must be [N, 28, 28, 1] with N up to {MOST_IMAGES}.")
    parameters = tensor.get("parameters")
    if isinstance(parameters, dict) and "binary_data_size" in parameters:
        if parameters["binary_data_size"] != len(body) - end:
            raise BadRequestError("binary_data_size is not the size of the data after the JSON part.")
        flat = np.frombuffer(body[end:], np.uint8)
    else:
        flat = _array(tensor.get("data"), body).ravel()
    if flat.size != int(np.prod([*shape, 1], dtype=np.int64)):
        raise BadRequestError(f"The data has {flat.size} numbers, which does not match the shape {shape}.")
    return check_images(flat.reshape(shape)), {
        key: request[key] for key in ("id", "outputs", "parameters") if key in request
    }


def to_open_inference(
    probabilities: npt.NDArray[np.float32], request: dict[str, Any], version: str
) -> tuple[bytes, int | None]:
    """The answer's body, and the length of its JSON part if raw tensors follow."""
    tensors = {
        PROBABILITIES: ("FP32", probabilities.astype("<f4")),
        CLASS: ("INT64", probabilities.argmax(axis=1).astype("<i8")),
    }
    wanted = request.get("outputs") or [{"name": name} for name in tensors]
    if not isinstance(wanted, list) or any(
        not isinstance(one, dict) or one.get("name") not in tensors for one in wanted
    ):
        raise BadRequestError(f"The only outputs are {PROBABILITIES} and {CLASS}.")
    everything_binary = bool(_parameter(request, "binary_data_output"))
    outputs, raw = [], b""
    for one in wanted:
        kind, values = tensors[one["name"]]
        output: dict[str, Any] = {"name": one["name"], "datatype": kind, "shape": list(values.shape)}
        if _parameter(one, "binary_data", everything_binary):
            output["parameters"] = {"binary_data_size": values.nbytes}
            raw += values.tobytes()
        else:
            output["data"] = values.ravel().tolist()
        outputs.append(output)
    answer = {"model_name": "digits", "model_version": version, "outputs": outputs}
    if "id" in request:
        answer["id"] = request["id"]
    head = json.dumps(answer).encode()
    return head + raw, len(head) if raw else None


def check_images(images: npt.NDArray[Any]) -> Images:
    """The images as uint8 [N, 28, 28].

    Raises:
        BadRequestError: their number, shape or values are wrong: whole numbers in 0..255 are allowed.
    """
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or not 1 <= len(images) <= MOST_IMAGES:
        raise BadRequestError(
            f"The images have the shape {list(images.shape)}, not [N, 28, 28] or [N, 28, 28, 1] with N from 1 to "
            f"{MOST_IMAGES}."
        )
    if images.dtype != np.uint8:
        with np.errstate(invalid="ignore"):
            whole = images.astype(np.uint8)
        if not np.array_equal(whole, images):
            raise BadRequestError("The images' values are not whole numbers from 0 to 255.")
        images = whole
    return np.ascontiguousarray(images)


def _array(values: Any, body: bytes) -> npt.NDArray[Any]:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadRequestError("The images are not arrays of numbers of the same shape.") from error
    # NumPy converts true to 1. Checking each number takes longer than parsing, so it is done only if it may matter.
    if (b"true" in body or b"false" in body) and _holds_boolean(values):
        raise BadRequestError("The images contain true or false, not numbers.")
    return array


def _holds_boolean(values: Any) -> bool:
    if not isinstance(values, list):
        return isinstance(values, bool)
    return bool in set(map(type, values)) or any(_holds_boolean(one) for one in values if isinstance(one, list))


def _decoded(one: Any) -> Images:
    try:
        data = base64.b64decode(one["b64"], validate=True)
        if len(data) == SIDE * SIDE:
            return np.frombuffer(data, np.uint8).reshape(SIDE, SIDE)
        with Image.open(io.BytesIO(data), formats=("PNG", "BMP", "JPEG")) as image:
            if image.size != (SIDE, SIDE):
                raise BadRequestError(f"An image has {image.width}×{image.height} pixels, not 28×28.")
            return np.asarray(image.convert("L"))
    except BadRequestError:
        raise
    except Exception as error:  # Pillow raises almost anything
        raise BadRequestError('An image is neither {"b64": ...} of 784 bytes nor of a PNG.') from error


def _parameter(holder: dict[str, Any], name: str, default: bool = False) -> bool:
    parameters = holder.get("parameters")
    return bool(parameters.get(name, default)) if isinstance(parameters, dict) else default

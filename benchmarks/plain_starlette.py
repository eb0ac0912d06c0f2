"""The minimal Starlette application that benchmarks/serving.py compares the server with.

Not a program of the project: it checks nothing, follows no push folder, and knows no limits.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from serving_bot.reading.classifier import Classifier


def main(version: str, port: str) -> None:
    """Serves one version's model on loopback."""
    classifier = Classifier.load(version)

    async def predict(request: Request) -> JSONResponse:
        images = np.array(json.loads(await request.body())["instances"], np.uint8)
        rows = classifier.predict(images)
        pairs = zip(rows.tolist(), rows.argmax(axis=1).tolist(), strict=True)
        return JSONResponse({"predictions": [{"probabilities": row, "class": digit} for row, digit in pairs]})

    async def infer(request: Request) -> JSONResponse:
        body = await request.body()
        end = int(request.headers["Inference-Header-Content-Length"])
        shape = json.loads(body[:end])["inputs"][0]["shape"]
        rows = classifier.predict(np.frombuffer(body[end:], np.uint8).reshape(shape))
        outputs = (("probabilities", "FP32", rows), ("class", "INT64", rows.argmax(axis=1)))
        listed = [
            {"name": name, "datatype": kind, "shape": list(values.shape), "data": values.ravel().tolist()}
            for name, kind, values in outputs
        ]
        return JSONResponse({"model_name": "digits", "outputs": listed})

    routes = [
        Route("/v1/models/digits:predict", predict, methods=["POST"]),
        Route("/v2/models/digits/infer", infer, methods=["POST"]),
    ]
    uvicorn.run(Starlette(routes=routes), port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""LiteRT's converter, in a worker because a failing converter can end its process."""

from __future__ import annotations

import os
import re
from multiprocessing.connection import Connection

from workers import Worker, WorkerEndedError


class ConversionError(RuntimeError):
    """The SavedModel could not be converted to LiteRT."""


class LitertConverter:
    """Converts one SavedModel. Its worker loads TensorFlow in the background and ends with the context."""

    def __init__(self) -> None:
        self._worker = Worker("models.export.litert:work")

    def __enter__(self) -> LitertConverter:
        """The converter itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the worker, whether or not it has converted."""
        self._worker.stop(patience=0)

    def convert(self, saved_model: str, flatbuffer: str) -> None:
        """Converts the `serving_images` endpoint of a SavedModel, once.

        Raises:
            ConversionError: the message names the operations that LiteRT lacks, or quotes the converter's last line.
        """
        try:
            self._worker.send((saved_model, flatbuffer))
            answer = self._worker.receive()
        except WorkerEndedError as ended:
            raise ConversionError(f"LiteRT's converter failed: {ended}") from ended
        if isinstance(answer, ConversionError):
            raise answer


def work(connection: Connection) -> None:
    """Writes the flatbuffer; weights stay float32, so it answers as the SavedModel does."""
    import tensorflow as tf  # noqa: PLC0415 (takes seconds; the parent trains meanwhile)

    saved_model, flatbuffer = connection.recv()
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=["serving_images"])
    try:
        content = converter.convert()
    except Exception as error:  # (the converter's exception class is not public)
        missing = re.findall(r"^(?:Custom|TF Select) ops: (.+?)\s*$", str(error), re.MULTILINE)
        if not missing:
            raise  # the parent quotes the worker's last line
        connection.send(
            ConversionError(
                f"LiteRT has no operation {', '.join(missing)}. Build the network without it (see models/registry.py)."
            )
        )
        return
    with open(flatbuffer, "wb") as file:
        file.write(content)
    connection.send(os.path.getsize(flatbuffer))

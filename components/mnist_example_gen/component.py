"""The MnistExampleGen component."""

import contextlib
from typing import Any

from google.protobuf import any_pb2, wrappers_pb2
from tfx.proto import example_gen_pb2

from compat.tfx import BeamExecutorSpec, FileBasedDriver, FileBasedExampleGen
from components.mnist_example_gen import executor


class Driver(FileBasedDriver):  # type: ignore[misc]
    """Bases the cache key on the files' content; TFX's driver uses their sizes and times."""

    def resolve_exec_properties(self, exec_properties: dict[str, Any], *arguments: Any) -> dict[str, Any]:
        """Replaces TFX's fingerprint. If files are missing, TFX's stays, and the executor reports them."""
        folder = exec_properties["input_base"]
        resolved: dict[str, Any] = super().resolve_exec_properties(exec_properties, *arguments)
        with contextlib.suppress(executor.MissingDataError):
            resolved[executor.FINGERPRINT_PROPERTY] = executor.fingerprint(folder)
        return resolved


class MnistExampleGen(FileBasedExampleGen):  # type: ignore[misc]
    """Reads the four canonical IDX files of one folder into the splits `train`, `eval` and `test`.

    Each tf.Example has `image`, the PNG bytes of a 28×28 greyscale image, and `label`, one int64 in 0..9. The files may
    be gzip-compressed (`.gz`) or not, in any folder that tf.io.gfile can open. `eval` is the last `eval_size` training
    images, at most a sixth of them; `test` is the t10k pair.

    The output artifact carries the custom properties `source`, `split_sizes` (JSON) and `input_fingerprint`, the
    SHA-256 of the files. On Vertex AI the cache still uses TFX's fingerprint, of sizes and times.

    Raises (when it runs):
        IdxFormatError: a file is damaged; the message names file and offset.
        MissingDataError: one of the four files is missing, or there are too few images.
    """

    DRIVER_CLASS = Driver
    EXECUTOR_SPEC = BeamExecutorSpec(executor.Executor)

    def __init__(self, input_base: str, eval_size: int):
        """Makes the component for a folder of IDX files; `eval_size` training images are held out."""
        split = example_gen_pb2.Input.Split
        size = any_pb2.Any()
        size.Pack(wrappers_pb2.Int64Value(value=eval_size))
        super().__init__(
            input_base=input_base,
            # The cache fingerprints these patterns; `eval` comes from the training files.
            input_config=example_gen_pb2.Input(
                splits=[
                    split(name="train", pattern="train-*-ubyte*"),
                    split(name="eval", pattern="train-*-ubyte*"),
                    split(name="test", pattern="t10k-*-ubyte*"),
                ]
            ),
            custom_config=example_gen_pb2.CustomConfig(custom_config=size),
        )

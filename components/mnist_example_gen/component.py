"""The MnistExampleGen component."""

import contextlib
from typing import Any

from google.protobuf import any_pb2, struct_pb2
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

    Each tf.Example has `image`, the PNG bytes of a 28×28 greyscale image, and `label`, one int64 in 0..9. The files
    may be gzip-compressed (`.gz`) or not, in any folder that tf.io.gfile can open. `eval` is the last `eval_size`
    training images, but at most a sixth of them; `test` is the t10k pair. With `feedback` there are also
    `users_train` and `users`, of what the bot's users contributed (serving_bot/feedback/snapshot.py): a contributor is
    in one of them only.

    The output artifact carries the custom properties `source`, `split_sizes` (JSON) and `input_fingerprint`, the
    SHA-256 of the files; with `feedback` also `feedback`, JSON of the snapshot's digest and counts, and a file
    `snapshot.json` with its ids and contributors. On Vertex AI the cache still uses TFX's fingerprint, of sizes
    and times.

    Raises (when it runs):
        IdxFormatError: a file is damaged; the message names file and offset.
        MissingDataError: one of the four files is missing, or there are too few images.
        FeedbackError: the feedback folder cannot be read, or has changed since the run started.
    """

    DRIVER_CLASS = Driver
    EXECUTOR_SPEC = BeamExecutorSpec(executor.Executor)

    def __init__(self, input_base: str, eval_size: int, feedback: dict[str, Any] | None = None):
        """Makes the component.

        Args:
            input_base: folder of IDX files.
            eval_size: number of training images held out.
            feedback: the bot's feedback folder (`folder`), the number of contributors who must agree (`trust`), and the
                `digest` of its snapshot, for the cache key, or "" to take what is accepted when it runs; None to use
                only MNIST.
        """
        split = example_gen_pb2.Input.Split
        values = struct_pb2.Struct()
        values.update({"eval_size": eval_size, **({"feedback": feedback} if feedback else {})})
        custom = any_pb2.Any()
        custom.Pack(values)
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
            custom_config=example_gen_pb2.CustomConfig(custom_config=custom),
        )

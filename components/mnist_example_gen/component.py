"""The MnistExampleGen component."""

from google.protobuf import any_pb2, wrappers_pb2
from tfx.proto import example_gen_pb2

from compat.tfx import BeamExecutorSpec, FileBasedExampleGen
from components.mnist_example_gen import executor


class MnistExampleGen(FileBasedExampleGen):  # type: ignore[misc]
    """Reads the four canonical IDX files of one folder into the splits `train`, `eval` and `test`.

    Each tf.Example has `image`, the PNG bytes of a 28×28 greyscale image, and `label`, one int64 in 0..9. The files
    may be gzip-compressed (`.gz`) or not, in any folder that tf.io.gfile opens. `eval` is the last `eval_size`
    training images, but at most a sixth of them; `test` is the t10k pair.

    The output artifact carries the custom properties `source` and `split_sizes` (JSON), beside TFX's own
    `input_fingerprint`.

    Raises (when it runs):
        IdxFormatError: a file is damaged; the message names file and offset.
        MissingDataError: one of the four files is not there, or there are too few images.
    """

    EXECUTOR_SPEC = BeamExecutorSpec(executor.Executor)

    def __init__(self, input_base: str, eval_size: int):
        """Makes the component.

        Args:
            input_base: folder of the IDX files.
            eval_size: number of training images held out.
        """
        split = example_gen_pb2.Input.Split
        size = any_pb2.Any()
        size.Pack(wrappers_pb2.Int64Value(value=eval_size))
        super().__init__(
            input_base=input_base,
            # The patterns are what the cache fingerprints; `eval` is cut from the training files.
            input_config=example_gen_pb2.Input(
                splits=[
                    split(name="train", pattern="train-*-ubyte*"),
                    split(name="eval", pattern="train-*-ubyte*"),
                    split(name="test", pattern="t10k-*-ubyte*"),
                ]
            ),
            custom_config=example_gen_pb2.CustomConfig(custom_config=size),
        )

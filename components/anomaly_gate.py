"""AnomalyGate: stops the run where ExampleValidator found anomalies, which TFX only records."""

from collections.abc import Iterator

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import Artifact, standard_artifacts

from compat.tfx import artifact_utils, io_utils


class AnomaliesFoundError(RuntimeError):
    """The data does not fit the reviewed schema; the message lists what was found, split by split."""


@component
def AnomalyGate(anomalies: InputArtifact[standard_artifacts.ExampleAnomalies]) -> None:  # noqa: N802
    """Raises AnomaliesFoundError unless every split is free of anomalies.

    Args:
        anomalies: what ExampleValidator found, a SchemaDiff.pb for each split.
    """
    check_anomalies(anomalies)


def check_anomalies(anomalies: Artifact) -> None:
    """Does what AnomalyGate says, for an ExampleAnomalies artifact."""
    found = [
        f"split {split}, feature {feature or '(dataset)'}: {info.short_description}: {info.description}"
        for split in artifact_utils.decode_split_names(anomalies.split_names)
        for feature, info in _read(anomalies, split)
    ]
    if found:
        raise AnomaliesFoundError(
            "the data does not fit pipeline/schema.pbtxt:\n" + "\n".join(f"  {line}" for line in found)
        )


def _read(anomalies: Artifact, split: str) -> Iterator[tuple[str, anomalies_pb2.AnomalyInfo]]:
    path = io_utils.get_only_uri_in_dir(artifact_utils.get_split_uri([anomalies], split))
    with fileio.open(path, "rb") as file:
        message = anomalies_pb2.Anomalies.FromString(file.read())
    if message.HasField("dataset_anomaly_info"):
        yield "", message.dataset_anomaly_info
    yield from message.anomaly_info.items()

"""A page about a data folder: TFDV's statistics and anomalies, sample pictures, and the files' source.

TFDV's page loads its scripts from the network; this page is self-contained. A worker loads TensorFlow, so its output
stays off the screen.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from rich.console import Console

from models.features import CLASS_NAMES, IMAGE_KEY, LABEL_KEY
from pipeline.config import SCHEMA_FILE, PipelineConfig, child_environment
from pipeline.data.files import MNIST, DataError
from pipeline.data.mnist import file_sha256, forms, read_source
from workers import ask

if TYPE_CHECKING:
    import pandas as pd
    from tensorflow_metadata.proto.v0 import schema_pb2

_SAMPLES = 12  # pictures of each digit


@dataclass(frozen=True)
class SplitDescription:
    """One split."""

    name: str  # train, eval or test
    examples: int  # number of examples
    counts: list[int]  # examples of each digit, by digit
    # TFDV's statistics: rows of (feature, figure, value), in display order
    features: list[tuple[str, str, str]]
    # deviations from the schema: (feature, title, description); the feature is "" for the whole split
    anomalies: list[tuple[str, str, str]]


@dataclass(frozen=True)
class DataDescription:
    """The worker's results."""

    splits: list[SplitDescription]  # in the order train, eval, test
    samples: list[list[str]]  # for each digit, its first training pictures: PNG in base64


def write_report(folder: Path, page: Path, console: Console, *, shown_as: str | None = None) -> None:
    """Writes the page about a local folder with the four IDX files; for a copy, `shown_as` is the original's address.

    Raises:
        DataError: the files are damaged or missing, or the page cannot be written.
    """
    with console.status("Computing statistics with TensorFlow Data Validation ..."):
        if not console.is_terminal:
            console.out("Computing statistics with TensorFlow Data Validation ...", highlight=False)
        description: DataDescription = ask(
            "pipeline.data.statistics_page:describe_data",
            folder,
            error=DataError,
            failure="The statistics could not be computed",
            environment=child_environment(),
        )
        html = render(folder, description, shown_as)
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(html, encoding="utf-8")
    except OSError as error:
        raise DataError(f"The report {page} cannot be written: {error.strerror or error}.") from error
    found = sum(len(split.anomalies) for split in description.splits)
    verdict = "no anomalies" if not found else "1 anomaly" if found == 1 else f"{found} anomalies"
    console.out(f"{page}: written, {verdict}. Open it in a browser.", highlight=False)


def render(folder: Path, description: DataDescription, shown_as: str | None = None) -> str:
    """The page as HTML: one self-contained file without scripts."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    source = read_source(folder)
    files = [folder / form for name in MNIST.files for form in forms(name)]
    return environment.get_template("statistics_page.html.j2").render(
        folder=shown_as or folder,
        source=source.source if source else "user",
        checksums={path.name: file_sha256(path) for path in files if path.exists()},
        splits=description.splits,
        samples=dict(zip(CLASS_NAMES, description.samples, strict=True)),
        schema=SCHEMA_FILE.read_text(encoding="utf-8"),
        tfdv=version("tensorflow-data-validation"),
        now=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    )


def describe_data(folder: Path, schema_file: Path = SCHEMA_FILE) -> DataDescription:
    """Reads the folder as MnistExampleGen does; TFDV describes each split and compares it with the schema.

    Raises:
        DataError: a file is damaged or missing, or there are too few images.
    """
    # These load TensorFlow: only in the worker, so its output stays off the screen.
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415
    import tensorflow_data_validation as tfdv  # noqa: PLC0415

    from components.anomaly_gate import SAMPLE, find_anomalies  # noqa: PLC0415
    from components.mnist_example_gen.executor import (  # noqa: PLC0415
        MissingDataError,
        encode_pngs,
        find_parts,
        read_batches,
    )
    from components.mnist_example_gen.idx import IdxFormatError  # noqa: PLC0415

    schema = tfdv.load_schema_text(str(schema_file))
    splits = []
    samples: list[list[str]] = []
    try:
        data = {
            name: list(read_batches(part)) for name, part in find_parts(str(folder), PipelineConfig.eval_size).items()
        }
    except (IdxFormatError, MissingDataError) as error:
        raise DataError(str(error)) from error
    for name, batches in data.items():
        images = [png for batch, _ in batches for png in encode_pngs(batch)]
        labels = np.concatenate([batch for _, batch in batches]).astype(np.int64)
        frame = pd.DataFrame({IMAGE_KEY: images, LABEL_KEY: labels})
        split = _describe_split(name, frame, schema)
        split.anomalies.extend(("", "Images", text) for text in find_anomalies(batches[0][0][:SAMPLE], labels))
        splits.append(split)
        if name == "train":
            samples = [
                [base64.b64encode(png).decode() for png in frame[IMAGE_KEY][frame[LABEL_KEY] == digit][:_SAMPLES]]
                for digit in range(len(CLASS_NAMES))
            ]
    return DataDescription(splits, samples)


def _describe_split(name: str, frame: pd.DataFrame, schema: schema_pb2.Schema) -> SplitDescription:
    import tensorflow_data_validation as tfdv  # noqa: PLC0415 (as above)

    statistics = tfdv.generate_statistics_from_dataframe(frame)
    image = tfdv.get_feature_stats(statistics.datasets[0], tfdv.types.FeaturePath([IMAGE_KEY])).string_stats
    label = tfdv.get_feature_stats(statistics.datasets[0], tfdv.types.FeaturePath([LABEL_KEY])).num_stats
    sizes = frame[IMAGE_KEY].str.len()
    features = [
        (IMAGE_KEY, "missing", f"{image.common_stats.num_missing:,}"),
        (IMAGE_KEY, "smallest PNG, bytes", f"{sizes.min():,}"),
        (IMAGE_KEY, "mean PNG, bytes", f"{image.avg_length:,.1f}"),
        (IMAGE_KEY, "largest PNG, bytes", f"{sizes.max():,}"),
        (LABEL_KEY, "missing", f"{label.common_stats.num_missing:,}"),
        (LABEL_KEY, "min", f"{label.min:g}"),
        (LABEL_KEY, "max", f"{label.max:g}"),
        (LABEL_KEY, "mean", f"{label.mean:.3f}"),
        (LABEL_KEY, "standard deviation", f"{label.std_dev:.3f}"),
    ]
    found = tfdv.validate_statistics(statistics, schema)
    anomalies = [(feature, info.short_description, info.description) for feature, info in found.anomaly_info.items()]
    if found.HasField("dataset_anomaly_info"):
        anomalies.insert(0, ("", found.dataset_anomaly_info.short_description, found.dataset_anomaly_info.description))
    counts = [int((frame[LABEL_KEY] == digit).sum()) for digit in range(len(CLASS_NAMES))]
    return SplitDescription(name, int(statistics.datasets[0].num_examples), counts, features, anomalies)

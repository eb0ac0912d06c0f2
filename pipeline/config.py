"""Everything a run can be told, as frozen dataclasses. The only module that reads the environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from models.recipe import Training
from models.settings import setting
from pipeline.beam_options import local_beam_args

PIPELINE_NAME = "digits"
"""One name for all models: runs share their data components, and a baseline may be of another architecture."""

METADATA_FILE = "metadata.sqlite"  # the ML Metadata database in a root
REPORTS_FOLDER = "reports"  # the reports in a root, a folder each
LOCK_FILE = ".lock"  # a file in a root; whoever runs there holds a lock on it
SCHEMA_FILE = Path(__file__).with_name("schema.pbtxt")


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What a model must reach on the split `test`, and on made pictures, to be blessed; shares of 1."""

    min_accuracy: float = setting(
        0.97, minimum=0, maximum=1, label="Minimum accuracy", help="Minimum test accuracy to be blessed."
    )
    min_digit_accuracy: float = setting(
        0.90, minimum=0, maximum=1, label="Minimum digit accuracy", help="Minimum test accuracy on each digit."
    )
    max_drop: float = setting(
        0.002, minimum=0, maximum=1, label="Maximum drop", help="How far below the baseline test accuracy may lie."
    )
    min_pages_accuracy: float = setting(
        0.6,
        minimum=0,
        maximum=1,
        label="Minimum pages accuracy",
        help="Minimum share of made pages that are read surely and rightly.",
    )
    min_refusal: float = setting(
        0.8,
        minimum=0,
        maximum=1,
        label="Minimum refusal",
        help="Minimum share of pictures without a digit that are not taken for a number.",
    )


@dataclass(frozen=True)
class PipelineConfig:
    """One run of the pipeline."""

    data: str  # folder of the four IDX files
    root: str  # folder of artifacts, local or an address such as gs://bucket/digits
    push_dir: str  # folder that blessed models are pushed to
    training: Training  # what to train and how
    # what to demand; None to measure only: such a run blesses nothing and pushes nothing
    thresholds: Thresholds | None = field(default_factory=Thresholds)
    baseline: Literal["latest", "none"] = "latest"  # the latest blessed model that is older than this one, or none
    eval_size: int = 2000  # training images held out for validation, as the predecessor did
    serving_images: int = 500  # test images that ServingCheck sends through the export
    schema_file: str = str(SCHEMA_FILE)  # the reviewed schema, where the components find it
    enable_cache: bool = True  # whether finished components are reused
    beam_args: tuple[str, ...] = local_beam_args()  # Beam pipeline options; in-process by default
    command: str = ""  # the command as the user gave it, for the record

    @property
    def state_folder(self) -> Path:
        """Local folder of metadata, logs and lock: the root itself where it is local."""
        return state_folder(self.root)

    @property
    def metadata_path(self) -> str:
        """The ML Metadata database, an SQLite file: it needs locks, which object stores have not."""
        return str(self.state_folder / METADATA_FILE)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values; `from_dict` is its inverse."""
        import cattrs  # noqa: PLC0415 (the bot's environment lacks it)

        values: dict[str, Any] = cattrs.unstructure(self)
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> PipelineConfig:
        """From what `to_dict` made."""
        import cattrs  # noqa: PLC0415

        return cattrs.Converter(forbid_extra_keys=True).structure(values, cls)


def state_folder(root: str) -> Path:
    """Where this machine keeps what cannot lie in an object store: `root` if it is local, else runs/<its address>."""
    address = re.match("([a-z0-9]+):/+(.*)", root)  # (a Path has one slash left)
    return Path("runs", *address.groups()) if address else Path(root)


def tf_config() -> str:
    """TF_CONFIG, which tells TensorFlow of a cluster, as JSON; "{}" where it is not set."""
    return os.environ.get("TF_CONFIG", "{}")


def child_environment() -> dict[str, str]:
    """The environment of the pipeline's own process: this one's, with TensorFlow's start-up notes turned down."""
    return {"TF_CPP_MIN_LOG_LEVEL": "1", **os.environ}

"""The configuration of a run, as frozen dataclasses. The only module that reads the environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from models.recipe import Training
from models.settings import setting
from pipeline.beam_options import local_beam_args

PIPELINE_NAME = "digits"
"""The same for all models: runs share their data components, and a baseline may have another architecture."""

USERS_EVALUATOR = "UsersEvaluator"  # the second Evaluator, on users' contributions
METADATA_FILE = "metadata.sqlite"  # the ML Metadata database in a root
REPORTS_FOLDER = "reports"  # the reports in a root, one folder each
LOCK_FILE = ".lock"  # a file in a root; a run there holds its lock
SCHEMA_FILE = Path(__file__).with_name("schema.pbtxt")


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What a model must reach on the split `test` and on synthetic pictures to be blessed; each from 0 to 1."""

    min_accuracy: float = setting(
        0.97, minimum=0, maximum=1, label="Minimum accuracy", help="Minimum test accuracy to be blessed."
    )
    min_digit_accuracy: float = setting(
        0.90, minimum=0, maximum=1, label="Minimum digit accuracy", help="Minimum test accuracy on each digit."
    )
    max_drop: float = setting(
        0.002, minimum=0, maximum=1, label="Maximum drop", help="Maximum drop of test accuracy below the baseline's."
    )
    min_pages_accuracy: float = setting(
        0.6,
        minimum=0,
        maximum=1,
        label="Minimum pages accuracy",
        help="Minimum share of synthetic pages with a confident right answer.",
    )
    min_refusal: float = setting(
        0.8,
        minimum=0,
        maximum=1,
        label="Minimum refusal",
        help="Minimum share of non-digit pictures without a confident answer.",
    )
    max_pictures_drop: float = setting(
        0.08,
        minimum=0,
        maximum=1,
        label="Maximum pictures drop",
        help="Maximum drop of either share on synthetic pictures below the baseline's.",
    )


@dataclass(frozen=True)
class UsersDigits:
    """Users' contributions in a run (pipeline/users_digits.py)."""

    folder: str  # the feedback folder, local or an address
    trust: int  # contributors who must agree without a review; 0 for accepted contributions only
    digest: str  # of the snapshot; empty to take what is accepted when the run starts
    trained: int  # examples for training; at least so many with an empty digest
    evaluated: int  # examples for evaluation, from other contributors; likewise
    max_drop: float = 0.0  # maximum drop of accuracy on them below the baseline's


@dataclass(frozen=True)
class PipelineConfig:
    """One run of the pipeline."""

    data: str  # folder of the four IDX files
    root: str  # folder of artifacts, local or an address such as gs://bucket/digits
    push_dir: str  # folder that blessed models are pushed to
    training: Training  # what to train and how
    # None to measure only: such a run blesses nothing and pushes nothing
    thresholds: Thresholds | None = field(default_factory=Thresholds)
    baseline: Literal["latest", "none"] = "latest"  # the latest earlier blessed model, or none
    eval_size: int = 2000  # training images held out for validation, as the predecessor did
    serving_images: int = 500  # test images that ServingCheck sends through the export
    schema_file: str = str(SCHEMA_FILE)  # the reviewed schema, as a path for the components
    enable_cache: bool = True  # whether finished components are reused
    beam_args: tuple[str, ...] = local_beam_args()  # Beam pipeline options; in-process by default
    users: UsersDigits | None = None  # users' contributions; None for MNIST only
    command: str = ""  # the command as the user typed it, for the record

    @property
    def state_folder(self) -> Path:
        """Local folder of metadata, logs and lock: the root itself if it is local."""
        return state_folder(self.root)

    @property
    def metadata_path(self) -> str:
        """The ML Metadata database, an SQLite file. It needs locks, which object stores lack."""
        return str(self.state_folder / METADATA_FILE)


def state_folder(root: str) -> Path:
    """This machine's folder for what an object store cannot hold: `root` if it is local, else runs/<its address>."""
    address = re.match("([a-z0-9]+):/+(.*)", root)  # (Path reduces // to /)
    return Path("runs", *address.groups()) if address else Path(root)


def tf_config() -> str:
    """TF_CONFIG, TensorFlow's description of a cluster, as JSON; "{}" if it is not set."""
    return os.environ.get("TF_CONFIG", "{}")


def child_environment() -> dict[str, str]:
    """The environment of the pipeline's process: this one's, with fewer of TensorFlow's start-up messages."""
    return {"TF_CPP_MIN_LOG_LEVEL": "1", **os.environ}

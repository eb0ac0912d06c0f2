"""The baseline of a comparison: the latest blessed model that is older than the candidate."""

from __future__ import annotations

from typing import Any

import ml_metadata as mlmd
from tfx.dsl.io import fileio

from compat.tfx import ResolverStrategy

CURRENT_MODEL_ID = "current_model_id"  # property of a ModelBlessing: the id of the evaluated Model


class OlderBlessedModelStrategy(ResolverStrategy):  # type: ignore[misc]
    """Resolves `model` to the latest blessed Model older than the candidate (by id), `model_blessing` to its blessing.

    It skips models whose files were deleted.

    TFX's LatestBlessedModelStrategy would find the candidate itself when a run is repeated: the Evaluator's inputs
    would change, and it would compare the model with itself instead of using the cache.
    """

    def resolve_artifacts(self, store: mlmd.MetadataStore, input_dict: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Takes the channels `candidate`, `model` and `model_blessing`; empty lists if there is no baseline."""
        candidate = max((artifact.id for artifact in input_dict["candidate"]), default=None)
        blessings = {
            blessing.get_int_custom_property(CURRENT_MODEL_ID): blessing
            for blessing in input_dict["model_blessing"]
            if blessing.get_int_custom_property("blessed") == 1
        }
        older = [
            model
            for model in input_dict["model"]
            if model.id in blessings and candidate is not None and model.id < candidate
            if fileio.exists(model.uri)  # it may have been deleted to free space
        ]
        if not older:
            return {"candidate": input_dict["candidate"], "model": [], "model_blessing": []}
        latest = max(older, key=lambda model: model.id)
        return {
            "candidate": input_dict["candidate"],
            "model": [latest],
            "model_blessing": [blessings[latest.id]],
        }

"""The pipeline's graph of components. Runs nothing."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Literal

import tensorflow_data_validation as tfdv
from tfx.components import (
    Evaluator,
    ExampleValidator,
    SchemaGen,
    StatisticsGen,
    Trainer,
    Transform,
)
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import LatestBlessedModelStrategy
from tfx.orchestration import metadata
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2
from tfx.types import Channel
from tfx.types.standard_artifacts import Model, ModelBlessing

from compat.tfx import proto_utils
from components.anomaly_gate import AnomalyGate
from components.baseline import OlderBlessedModelStrategy
from components.mnist_example_gen.component import MnistExampleGen
from components.serving_check import ServingCheck
from components.versioned_pusher import VersionedPusher
from models.features import USERS, USERS_TRAIN
from pipeline import eval_config as eval_config_module
from pipeline.code_digest import digest_code
from pipeline.config import PIPELINE_NAME, USERS_EVALUATOR, PipelineConfig
from pipeline.thresholds import serving_thresholds

CODE_PROPERTY = "code"  # execution property of each component that runs this project's code: its digest
JOB_NAME = "{{$.pipeline_job_name}}"
"""Kubeflow Pipelines' placeholder (dsl.PIPELINE_JOB_NAME_PLACEHOLDER) for the name of the running job."""


def create_pipeline(
    config: PipelineConfig,
    platform: Literal["local", "kubeflow"] = "local",
    training_job: dict[str, Any] | None = None,
) -> Pipeline:
    """Connects the components.

    Args:
        config: the configuration of the run.
        platform: "local" for TFX's local runner, "kubeflow" for KubeflowV2DagRunner. For the latter, values that change
            from run to run become runtime parameters, and the baseline uses the only strategy that the runner can
            compile.
        training_job: configuration of TFX's Trainer for Vertex AI (pipeline/vertex/custom_job.py) to train on several
            machines; None to train in the component itself.

    Returns:
        The pipeline.
    """
    on_kubeflow = platform == "kubeflow"

    def parameter(name: str, value: Any, text: str | None = None) -> Any:
        """The value itself; on Kubeflow, a runtime parameter with this default as text."""
        return RuntimeParameter(name, ptype=str, default=text or value) if on_kubeflow else value

    example_gen = MnistExampleGen(
        input_base=parameter("data", config.data), eval_size=config.eval_size, feedback=_feedback(config)
    )
    examples = example_gen.outputs["examples"]

    # Sketches count distinct values in a few Beam stages instead of dozens.
    sketches = tfdv.StatsOptions(experimental_use_sketch_based_topk_uniques=True)
    statistics_gen = StatisticsGen(examples=examples, stats_options=sketches)
    statistics = statistics_gen.outputs["statistics"]
    schema_gen = SchemaGen(statistics=statistics, infer_feature_shape=True)  # for review; the imported schema is used
    schema_import = ImportSchemaGen(schema_file=parameter("schema_file", config.schema_file))
    schema = schema_import.outputs["schema"]
    example_validator = ExampleValidator(statistics=statistics, schema=schema)
    anomaly_gate = AnomalyGate(anomalies=example_validator.outputs["anomalies"], examples=examples)

    transform = Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="models.preprocessing.preprocessing_fn",
        materialize=False,  # the Trainer transforms while reading
        disable_analyzer_cache=True,  # there are no analyzers
        disable_statistics=True,
    )
    transform.add_upstream_node(anomaly_gate)

    users = config.users
    training = config.training.to_config() | (training_job or {})
    trainer = _trainer_class(training_job)(
        examples=examples,
        transform_graph=transform.outputs["transform_graph"],
        run_fn="models.training.run_fn.run_fn",
        custom_config=parameter("training", training, json.dumps(training)),
        train_args=trainer_pb2.TrainArgs(splits=["train", *([USERS_TRAIN] if users and users.trained else [])]),
        eval_args=trainer_pb2.EvalArgs(splits=["eval"]),
    )
    model = trainer.outputs["model"]

    baseline = _create_baseline(model, on_kubeflow)

    def evaluate(split: str, eval_config: Any) -> Evaluator:
        return Evaluator(
            examples=examples,
            model=model,
            baseline_model=baseline.outputs["model"] if config.baseline == "latest" else None,
            eval_config=eval_config,
            example_splits=[split],
            module_path=eval_config_module.__name__,  # for its custom_extractors
        )

    eval_config = eval_config_module.create_eval_config(config.thresholds)
    evaluator = evaluate("test", parameter("eval_config", eval_config, proto_utils.proto_to_json(eval_config)))
    users_evaluator = []
    if users and users.evaluated:
        users_config = eval_config_module.create_users_eval_config(users.max_drop, config.thresholds is not None)
        users_evaluator.append(evaluate(USERS, users_config).with_id(USERS_EVALUATOR))
    demanded = serving_thresholds(asdict(config.thresholds) if config.thresholds else {})
    serving_check = ServingCheck(
        model=model,
        examples=examples,
        images=config.serving_images,
        thresholds=parameter("serving_thresholds", demanded),
        **({"baseline": baseline.outputs["model"]} if config.baseline == "latest" else {}),
    )
    pusher = []
    if config.thresholds:
        pusher.append(
            VersionedPusher(
                model=model,
                model_blessing=evaluator.outputs["blessing"],
                infra_blessing=serving_check.outputs["blessing"],
                users_blessing=users_evaluator[0].outputs["blessing"] if users_evaluator else None,
                users_evaluation=users_evaluator[0].outputs["evaluation"] if users_evaluator else None,
                evaluation=evaluator.outputs["evaluation"],
                examples=examples,
                push_dir=parameter("push_dir", config.push_dir),
                run_id=JOB_NAME if on_kubeflow else None,
            )
        )
    for component, modules in {
        example_gen: ("components.mnist_example_gen.executor", "components.mnist_example_gen.component"),
        anomaly_gate: ("components.anomaly_gate",),
        transform: ("models.preprocessing",),
        **dict.fromkeys([evaluator, *users_evaluator], ("components.evaluation.metrics", eval_config_module.__name__)),
        serving_check: ("components.serving_check",),
        **dict.fromkeys(pusher, ("components.versioned_pusher",)),
    }.items():
        component.exec_properties[CODE_PROPERTY] = digest_code(*modules)  # (the Trainer has `source` instead)
    return Pipeline(
        pipeline_name=PIPELINE_NAME,
        pipeline_root=config.root,
        metadata_connection_config=(
            None if on_kubeflow else metadata.sqlite_metadata_connection_config(config.metadata_path)
        ),
        components=[
            example_gen,
            statistics_gen,
            schema_gen,
            schema_import,
            example_validator,
            anomaly_gate,
            transform,
            trainer,
            *([baseline] if config.baseline == "latest" else []),
            evaluator,
            *users_evaluator,
            serving_check,
            *pusher,
        ],
        enable_cache=config.enable_cache,
        beam_pipeline_args=list(config.beam_args),
    )


def _feedback(config: PipelineConfig) -> dict[str, Any] | None:
    """MnistExampleGen's parameter for users' digits."""
    users = config.users
    return {"folder": users.folder, "trust": users.trust, "digest": users.digest} if users else None


def _trainer_class(training_job: dict[str, Any] | None) -> Any:
    """TFX's Trainer; for several machines, the one that starts a Vertex AI CustomJob and waits for it."""
    if training_job is None:
        return Trainer
    # (Google's client is only in the extra `vertex`, and takes seconds to load)
    from tfx.extensions.google_cloud_ai_platform.trainer.component import Trainer as VertexTrainer  # noqa: PLC0415

    return VertexTrainer


def _create_baseline(candidate: Channel, on_kubeflow: bool) -> Resolver:
    """Finds the model to compare with.

    KubeflowV2DagRunner compiles only TFX's strategies, into queries that Vertex AI answers. Its resolver depends on no
    component, so it runs before this run's model exists. A cached candidate that is the latest blessed model is
    compared with itself, which does not change the verdict; the pusher then finds it already pushed.
    """
    channels = {"model": Channel(type=Model), "model_blessing": Channel(type=ModelBlessing)}
    if on_kubeflow:
        baseline = Resolver(strategy_class=LatestBlessedModelStrategy, **channels)
    else:
        baseline = Resolver(strategy_class=OlderBlessedModelStrategy, candidate=candidate, **channels)
    return baseline.with_id("Baseline")

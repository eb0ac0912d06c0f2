"""The pipeline as a diagram. Runs nothing."""

from __future__ import annotations

from dataclasses import asdict

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
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2
from tfx.types import Channel
from tfx.types.standard_artifacts import Model, ModelBlessing

from components.anomaly_gate import AnomalyGate
from components.baseline import OlderBlessedModelStrategy
from components.mnist_example_gen.component import MnistExampleGen
from components.serving_check import ServingCheck
from components.versioned_pusher import VersionedPusher
from pipeline.config import PIPELINE_NAME, SCHEMA_FILE, PipelineConfig
from pipeline.evaluation import create_eval_config


def create_pipeline(config: PipelineConfig) -> Pipeline:
    """Connects the components.

    Args:
        config: every choice there is.

    Returns:
        The pipeline, for any TFX runner.
    """
    example_gen = MnistExampleGen(input_base=config.data, eval_size=config.eval_size)
    examples = example_gen.outputs["examples"]

    # Sketches count distinct values in a few Beam stages instead of dozens.
    sketches = tfdv.StatsOptions(experimental_use_sketch_based_topk_uniques=True)
    statistics_gen = StatisticsGen(examples=examples, stats_options=sketches)
    statistics = statistics_gen.outputs["statistics"]
    schema_gen = SchemaGen(statistics=statistics, infer_feature_shape=True)  # for review; what counts is imported
    schema_import = ImportSchemaGen(schema_file=str(SCHEMA_FILE))
    schema = schema_import.outputs["schema"]
    example_validator = ExampleValidator(statistics=statistics, schema=schema)
    anomaly_gate = AnomalyGate(anomalies=example_validator.outputs["anomalies"])

    transform = Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="models.preprocessing.preprocessing_fn",
        materialize=False,  # the Trainer transforms while it reads
        disable_analyzer_cache=True,  # nothing is analysed
        disable_statistics=True,
    )
    transform.add_upstream_node(anomaly_gate)

    trainer = Trainer(
        examples=examples,
        transform_graph=transform.outputs["transform_graph"],
        run_fn="models.train.run_fn",
        custom_config=asdict(config.training),
        train_args=trainer_pb2.TrainArgs(splits=["train"]),
        eval_args=trainer_pb2.EvalArgs(splits=["eval"]),
    )
    model = trainer.outputs["model"]

    baseline = Resolver(
        strategy_class=OlderBlessedModelStrategy,
        candidate=model,
        model=Channel(type=Model),
        model_blessing=Channel(type=ModelBlessing),
    ).with_id("Baseline")
    evaluator = Evaluator(
        examples=examples,
        model=model,
        baseline_model=baseline.outputs["model"] if config.baseline == "latest" else None,
        eval_config=create_eval_config(config.thresholds),
        example_splits=["test"],
    )
    serving_check = ServingCheck(model=model, examples=examples, images=config.serving_images)
    pusher = []
    if config.thresholds:
        pusher.append(
            VersionedPusher(
                model=model,
                model_blessing=evaluator.outputs["blessing"],
                infra_blessing=serving_check.outputs["blessing"],
                evaluation=evaluator.outputs["evaluation"],
                examples=examples,
                push_dir=config.push_dir,
            )
        )
    return Pipeline(
        pipeline_name=PIPELINE_NAME,
        pipeline_root=config.root,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(config.metadata_path),
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
            serving_check,
            *pusher,
        ],
        enable_cache=config.enable_cache,
        beam_pipeline_args=list(config.beam_args),
    )

"""The devices that train one network: this machine's, or those of the cluster in TF_CONFIG.

TF_CONFIG, a JSON object with `cluster` and `task`, tells each program of a cluster where the others are and which one
it is. Vertex AI sets it; TensorFlow reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from compat.keras import build_before_fit
from models.training.input_pipeline import Share


class ClusterError(RuntimeError):
    """The cluster cannot be joined from here."""


def computes_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this machine's CPU has instructions for bfloat16 (AVX512_BF16, AMX). Always False except on Linux."""
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return bool({"avx512_bf16", "amx_bf16"} & set(flags))


@dataclass(frozen=True)
class Distribution:
    """Where a network is trained."""

    strategy: tf.distribute.Strategy  # how TensorFlow spreads it
    devices: list[str]  # names of all devices, for the card
    share: Share | None = None  # which part of each step this program draws; None if it is the only one

    @property
    def is_chief(self) -> bool:
        """Whether this program writes the results. The others only train."""
        return self.share is None or self.share.first == 0

    @property
    def replicas(self) -> int:
        """Number of devices that train."""
        return int(self.strategy.num_replicas_in_sync)

    @property
    def has_gpu(self) -> bool:
        """Whether GPUs train."""
        return any("GPU" in device for device in self.devices)

    @property
    def is_fast_in_16_bits(self) -> bool:
        """Whether 16-bit arithmetic is faster than 32-bit: on GPUs, and on CPUs with bfloat16 instructions."""
        return self.has_gpu or computes_bfloat16()

    def distribute(self, batches: Callable[[Share], tf.data.Dataset]) -> tf.data.Dataset:
        """The dataset to fit on: whole batches, or in a cluster the batches of this program's replicas."""
        if self.share is None:
            return batches(Share())
        share = self.share
        return self.strategy.distribute_datasets_from_function(lambda context: batches(share))

    def prepare(self, model: keras.Model, images: tf.Tensor, labels: tf.Tensor) -> None:
        """Prepares a compiled network for `fit` on what `distribute` returns.

        Keras 3 builds metrics and optimizer from the first batch, but cannot read a batch that is spread over programs:
        this builds them from example images, float32 [N, 32, 32, 1], and labels, int64 [N]. Keras also averages the
        replicas' results over an axis that scalars lack: this adds one.
        """
        if self.share is not None:
            with self.strategy.scope():
                build_before_fit(model, images, labels)
            model.train_step, model.test_step = _with_axis(model.train_step), _with_axis(model.test_step)

    def wait_for_all(self) -> None:
        """Returns when every program of the cluster has called it."""
        if self.share is not None:

            @tf.function  # type: ignore[untyped-decorator, unused-ignore]
            def meet() -> tf.Tensor:
                return self.strategy.reduce(tf.distribute.ReduceOp.SUM, self.strategy.run(lambda: tf.ones([])), None)

            meet()


def _with_axis(step: Callable[..., dict[str, tf.Tensor]]) -> Callable[..., dict[str, tf.Tensor]]:
    return lambda data: {name: tf.reshape(value, [1]) for name, value in step(data).items()}


def join_devices(devices: list[str] | None = None) -> Distribution:
    """Joins the cluster in TF_CONFIG, or takes this machine's devices if TF_CONFIG names no other machine.

    Args:
        devices: of this machine; by default all visible GPUs, or the CPU if there is none.

    Raises:
        ClusterError: TF_CONFIG names several machines, but this process has used TensorFlow already.
    """
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    # (TensorFlow's job `evaluator` does not train)
    cluster = {job: tasks for job, tasks in resolver.cluster_spec().as_dict().items() if job in {"chief", "worker"}}
    if sum(len(tasks) for tasks in cluster.values()) < 2:
        devices = devices or [device.name for device in tf.config.list_logical_devices("GPU")]
        strategy = tf.distribute.MirroredStrategy(devices) if len(devices) > 1 else tf.distribute.get_strategy()
        return Distribution(strategy, devices or ["CPU"])
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    except RuntimeError as error:
        raise ClusterError(
            "TF_CONFIG names several machines, but a process can join them only before it uses TensorFlow. Start "
            "the Trainer in a separate process on each machine (docs/scaling.md), or unset TF_CONFIG."
        ) from error
    here = len(strategy.extended.worker_devices)
    position = resolver.task_id + (len(cluster.get("chief", [])) if resolver.task_type == "worker" else 0)
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    total = int(strategy.num_replicas_in_sync)
    return Distribution(strategy, [f"{kind} of {total // here} machines"] * total, Share(position * here, here, total))

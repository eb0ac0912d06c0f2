"""The devices that train one network: this machine's, or those of several machines that TF_CONFIG names.

TF_CONFIG is TensorFlow's way to tell each program of a cluster where the others are and which one it is (a JSON object
with `cluster` and `task`; Vertex AI sets it). TensorFlow itself reads it.
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
    """Whether this machine's CPU has instructions for bfloat16 (AVX512_BF16, AMX). Only Linux says; elsewhere False."""
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return bool({"avx512_bf16", "amx_bf16"} & set(flags))


@dataclass(frozen=True)
class Distribution:
    """Where a network is trained."""

    strategy: tf.distribute.Strategy  # how TensorFlow spreads it
    devices: list[str]  # names of all devices, for the card
    share: Share | None = None  # which part of each step this program draws, None where it is the only one

    @property
    def is_chief(self) -> bool:
        """Whether this program writes what is to be kept. The others only train."""
        return self.share is None or self.share.first == 0

    @property
    def replicas(self) -> int:
        """How many devices train."""
        return int(self.strategy.num_replicas_in_sync)

    @property
    def has_gpu(self) -> bool:
        """Whether GPUs train."""
        return any("GPU" in device for device in self.devices)

    @property
    def is_fast_in_16_bits(self) -> bool:
        """Whether 16 bits are computed faster than 32: on GPUs, and on CPUs with instructions for bfloat16."""
        return self.has_gpu or computes_bfloat16()

    def distribute(self, batches: Callable[[Share], tf.data.Dataset]) -> tf.data.Dataset:
        """What to fit on: the whole batches, or for one of several programs the batches of its own replicas."""
        if self.share is None:
            return batches(Share())
        share = self.share
        return self.strategy.distribute_datasets_from_function(lambda context: batches(share))

    def prepare(self, model: keras.Model, images: tf.Tensor, labels: tf.Tensor) -> None:
        """Makes a compiled network ready for `fit` on what `distribute` returns.

        Keras 3 builds metrics and optimizer from the first batch, but cannot read one that is spread over programs:
        they are built from the shapes of these examples instead, float32 [N, 32, 32, 1] and int64 [N]. And it averages
        what the replicas report of a step over an axis that scalars have not: they get one.
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
    """Joins the cluster that TF_CONFIG names, or takes this machine's devices where it names no other machine.

    Args:
        devices: of this machine; by default all visible GPUs, or the CPU where there is none.

    Raises:
        ClusterError: TF_CONFIG names several machines, but this process has used TensorFlow already.
    """
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    # (an evaluator, which TensorFlow knows too, does not train)
    cluster = {job: tasks for job, tasks in resolver.cluster_spec().as_dict().items() if job in {"chief", "worker"}}
    if sum(len(tasks) for tasks in cluster.values()) < 2:
        devices = devices or [device.name for device in tf.config.list_logical_devices("GPU")]
        strategy = tf.distribute.MirroredStrategy(devices) if len(devices) > 1 else tf.distribute.get_strategy()
        return Distribution(strategy, devices or ["CPU"])
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    except RuntimeError as error:
        raise ClusterError(
            "TF_CONFIG names several machines, but a process can join them only before it has used TensorFlow. Start "
            "the Trainer in a process of its own on each machine (docs/scaling.md), or unset TF_CONFIG."
        ) from error
    here = len(strategy.extended.worker_devices)
    position = resolver.task_id + (len(cluster.get("chief", [])) if resolver.task_type == "worker" else 0)
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    total = int(strategy.num_replicas_in_sync)
    return Distribution(strategy, [f"{kind} of {total // here} machines"] * total, Share(position * here, here, total))

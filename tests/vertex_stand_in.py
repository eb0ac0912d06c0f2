"""Executes a compiled job on this machine like Vertex AI: each container's command as a process.

Follows pipeline_spec.proto of Kubeflow Pipelines (schema 2.1.0): the `{{$}}` placeholder becomes an ExecutorInput, and
a container's outputs are read from its ExecutorOutput. Resolvers query the existing artifacts; a cacheable task does
not run again with the same inputs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from itertools import count
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]
_PLACEHOLDER = re.compile(r"\{\{\$\.inputs\.artifacts\['(\w+)'\]\.metadata\['(\w+)'\]\}\}")


class ContainerError(RuntimeError):
    """A container's process failed; the message has the end of its output."""


@dataclass
class VertexStandIn:
    """Runs jobs one after the other, with one store of artifacts, like a project.

    Attributes:
        folder: the working directory of processes, and place of their logs.
        parallel: number of containers at a time.
    """

    folder: Path
    parallel: int = 2
    _artifacts: list[Json] = field(default_factory=list)
    _cache: dict[str, Json] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    def run(self, job: Json, job_id: str, parameters: Json | None = None) -> dict[str, str]:
        """Runs a job.

        Args:
            job: the compiled job.
            job_id: name of the run.
            parameters: values of runtime parameters that override the job's.

        Returns:
            The outcome of each task: "ran", "cached" or "resolved".
        """
        run = _Run(self, job, job_id, {**job["runtimeConfig"]["parameterValues"], **(parameters or {})})
        sorter = TopologicalSorter({name: task.get("dependentTasks", ()) for name, task in run.tasks.items()})
        for name, task in run.tasks.items():
            for source in task.get("inputs", {}).get("artifacts", {}).values():
                sorter.add(name, source["taskOutputArtifact"]["producerTask"])
        sorter.prepare()
        states = {}
        running: dict[Future[str], str] = {}
        with ThreadPoolExecutor(self.parallel) as pool:
            while sorter.is_active():
                running.update({pool.submit(run.task, name): name for name in sorter.get_ready()})
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    states[name] = future.result()
                    sorter.done(name)
        return states

    def register(self, artifact: Json) -> None:
        """Records an artifact for resolvers."""
        self._artifacts.append(artifact)

    def new_name(self) -> str:
        """A name in Vertex ML Metadata's format."""
        return f"projects/1/locations/here/metadataStores/default/artifacts/{next(self._numbers)}"

    def latest(self, query: str) -> list[Json]:
        """The newest artifact that matches a resolver's filter, if any."""
        conditions = [condition.split("=", 1) for condition in query.split(" AND ")]
        found = [artifact for artifact in self._artifacts if all(_meets(artifact, *each) for each in conditions)]
        return found[-1:]

    def cached(self, key: str) -> Json | None:
        """A task's earlier outputs for the same inputs."""
        return self._cache.get(key)

    def remember(self, key: str, outputs: Json) -> None:
        """Stores a task's outputs."""
        self._cache[key] = outputs


def _meets(artifact: Json, key: str, value: str) -> bool:
    value = value.strip('"')
    if key == "state":
        return value == "LIVE"
    if key == "schema_title":
        return bool(yaml.safe_load(artifact["type"]["instanceSchema"])["title"] == value)
    if key == "name":
        return bool(artifact["name"] == value)
    match = re.fullmatch(r"metadata\.(\w+)\.number_value", key)
    if match is None:
        raise ValueError(f"unknown in a filter: {key}")
    return bool(artifact["metadata"].get(match[1]) == float(value))


class _Run:
    """A job in progress."""

    def __init__(self, service: VertexStandIn, job: Json, job_id: str, parameters: Json):
        spec = job["pipelineSpec"]
        self._service, self._job_id, self._parameters = service, job_id, parameters
        declared = spec["root"]["inputDefinitions"]["parameters"]
        unknown = set(parameters) - set(declared)
        if unknown:
            raise ValueError(f"no parameters of this job: {unknown}")
        self._components = spec["components"]
        self._executors = spec["deploymentSpec"]["executors"]
        self._root = job["runtimeConfig"]["gcsOutputDirectory"]
        self.tasks: dict[str, Json] = spec["root"]["dag"]["tasks"]
        self._outputs: dict[str, Json] = {}

    def task(self, name: str) -> str:
        """Executes a task whose inputs exist."""
        task = self.tasks[name]
        component = self._components[task["componentRef"]["name"]]
        executor = self._executors[component["executorLabel"]]
        artifacts = {
            key: self._outputs[source["taskOutputArtifact"]["producerTask"]][
                source["taskOutputArtifact"]["outputArtifactKey"]
            ]
            for key, source in task.get("inputs", {}).get("artifacts", {}).items()
        }
        if "resolver" in executor:
            queries = executor["resolver"]["outputArtifactQueries"]
            self._outputs[name] = {key: self._resolve(query["filter"], artifacts) for key, query in queries.items()}
            return "resolved"
        values = {key: self._value(source) for key, source in task.get("inputs", {}).get("parameters", {}).items()}
        folder = Path(self._root) / "1" / self._job_id / f"{name}_7"
        executor_input = {
            "inputs": {
                "parameterValues": values,
                "artifacts": {key: {"artifacts": found} for key, found in artifacts.items()},
            },
            "outputs": {
                "artifacts": {
                    key: {"artifacts": [self._new_artifact(folder, key, definition)]}
                    for key, definition in component.get("outputDefinitions", {}).get("artifacts", {}).items()
                },
                "outputFile": str(folder / "executor_output.json"),
            },
        }
        container = executor["container"]
        hook = container.get("lifecycle", {}).get("preCacheCheck")
        if hook:
            self._execute(f"{name} (before the cache)", hook, executor_input)
            self._take_over(executor_input)
        key = json.dumps([container, executor_input["inputs"]], sort_keys=True)
        may_be_cached = task.get("cachingOptions", {}).get("enableCache", False)
        before = self._service.cached(key) if may_be_cached else None
        if before is not None:
            self._outputs[name] = before
            return "cached"
        self._execute(name, container, executor_input)
        self._take_over(executor_input)
        outputs = {key: found["artifacts"] for key, found in executor_input["outputs"]["artifacts"].items()}
        for artifact in (artifact for found in outputs.values() for artifact in found):
            self._service.register(artifact)
        self._service.remember(key, outputs)
        self._outputs[name] = outputs
        return "ran"

    def _value(self, source: Json) -> Any:
        if "componentInputParameter" in source:
            return self._parameters[source["componentInputParameter"]]
        constant = source["runtimeValue"]["constant"]
        return constant.replace("{{$.pipeline_job_name}}", self._job_id) if isinstance(constant, str) else constant

    def _resolve(self, query: str, artifacts: dict[str, list[Json]]) -> list[Json]:
        for match in list(_PLACEHOLDER.finditer(query)):
            if not artifacts[match[1]]:
                return []
            query = query.replace(match[0], artifacts[match[1]][0]["metadata"][match[2]])
        return self._service.latest(query)

    def _new_artifact(self, folder: Path, key: str, definition: Json) -> Json:
        return {
            "name": self._service.new_name(),
            "uri": str(folder / key),
            "type": definition["artifactType"],
            "metadata": definition.get("metadata", {}),
        }

    def _execute(self, name: str, container: Json, executor_input: Json) -> None:
        """Runs the job's command and arguments unchanged, in a folder without the project's sources."""
        text = json.dumps(executor_input)
        command = [*container["command"], *(text if arg == "{{$}}" else arg for arg in container["args"])]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        log = self._service.folder / f"{self._job_id} {name}.log"
        with log.open("wb") as file:
            done = subprocess.run(
                command,
                cwd=self._service.folder,
                env={**os.environ, "PATH": path, "TF_CPP_MIN_LOG_LEVEL": "2"},
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise ContainerError(f"{name} ended with {done.returncode}:\n{log.read_text(errors='replace')[-3000:]}")

    def _take_over(self, executor_input: Json) -> None:
        """Registers a container's outputs."""
        output = json.loads(Path(executor_input["outputs"]["outputFile"]).read_text())
        executor_input["inputs"]["parameterValues"].update(output.get("parameterValues", {}))
        for key, made in output.get("artifacts", {}).items():
            for artifact, facts in zip(
                executor_input["outputs"]["artifacts"][key]["artifacts"], made["artifacts"], strict=True
            ):
                artifact["uri"] = facts["uri"]
                artifact["metadata"] = {**artifact["metadata"], **facts.get("metadata", {})}

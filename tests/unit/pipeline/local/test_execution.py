import itertools
import json

import pytest
from factories import make_training

from pipeline.config import PipelineConfig
from pipeline.local import execution
from pipeline.local.execution import ComponentError, run

BEAM = """Traceback (most recent call last):
  File "apache_beam/runners/common.py", line 1498, in process
    return self.do_fn_invoker.invoke_process(windowed_value)
components.mnist_example_gen.idx.IdxFormatError: /d/t10k-images, offset 12: the file ends inside items 0 to 9 of 10

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "apache_beam/runners/worker/sdk_worker.py", line 311, in _execute
    response = task()
components.mnist_example_gen.idx.IdxFormatError: /d/t10k-images, offset 12: the file ends inside items 0 to 9 of 10 [while running 'Write[test]/Read']
"""  # noqa: E501 (as Beam prints it)


def chain(*errors):
    """The errors, each raised from the next one."""
    for error, cause in itertools.pairwise(errors):
        error.__cause__ = cause
    return errors[0]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("too dark"), "too dark"),
        (chain(RuntimeError("outer"), ValueError("middle"), KeyError("inner")), "'inner'"),
        (chain(RuntimeError("outer"), ValueError("one line\n  and another\n")), "one line\n  and another"),
        (MemoryError(), "MemoryError"),
        (RuntimeError(BEAM), "/d/t10k-images, offset 12: the file ends inside items 0 to 9 of 10"),
        (
            chain(RuntimeError("outer"), RuntimeError(BEAM)),
            "/d/t10k-images, offset 12: the file ends inside items 0 to 9 of 10",
        ),
    ],
    ids=["plain", "nested", "several lines", "no message", "Beam's text", "Beam's text, nested"],
)
def test_the_reason_is_the_innermost_message(error, reason):
    assert execution._reason(error) == reason


def test_a_message_that_resembles_a_type_is_kept():
    assert execution._reason(ValueError("train-images: not an IDX file")) == "train-images: not an IDX file"


def test_a_component_that_fails_is_named_with_its_reason_and_ends_the_run(tmp_path):
    config = PipelineConfig(
        data=str(tmp_path / "data"),
        root=str(tmp_path / "runs"),
        push_dir=str(tmp_path / "pushed"),
        training=make_training(epochs=1),
    )
    (tmp_path / "data").mkdir()
    events = []
    with pytest.raises(ComponentError) as caught:
        run(config, events.append)

    plan, *rest = events
    assert plan["event"] == "plan"
    assert plan["components"][-1] == "VersionedPusher"
    done = [event["component"] for event in rest if event == {**event, "event": "end", "state": "done"}]
    assert set(done) <= {"ImportSchemaGen"}, "nothing else can come before the data"
    assert [event["component"] for event in rest if event["event"] == "start"] == [*done, "MnistExampleGen"]
    assert rest[-1] == {"event": "start", "component": "MnistExampleGen"}
    assert caught.value.component == "MnistExampleGen"
    assert caught.value.reason.startswith(f"no {tmp_path}/data/train-images-idx3-ubyte[.gz]: ")
    assert "Traceback" not in caught.value.reason
    json.dumps(events)


def test_only_one_node_is_run_and_only_the_pusher_is_never_cached(tmp_path):
    config = PipelineConfig(
        data="data",
        root=str(tmp_path / "runs"),
        push_dir="pushed",
        training=make_training(epochs=1),
    )
    ir = execution.Compiler().compile(execution.create_pipeline(config))
    for position, name in enumerate(node.pipeline_node.node_info.id for node in ir.nodes):
        options = [node.pipeline_node.execution_options for node in execution._only(ir, position).nodes]
        assert [index for index, option in enumerate(options) if not option.HasField("skip")] == [position]
        assert options[position].caching_options.enable_cache == (name != "VersionedPusher")
    assert not any(node.pipeline_node.execution_options.HasField("skip") for node in ir.nodes), "it was changed"

from compat.kfp import ResourceSpec


def test_a_node_accepts_an_accelerator():
    spec = ResourceSpec(
        cpu_limit=4.0, memory_limit=15.0, accelerator=ResourceSpec.AcceleratorConfig(type="NVIDIA_TESLA_T4", count=1)
    )

    assert ResourceSpec.FromString(spec.SerializeToString()) == spec

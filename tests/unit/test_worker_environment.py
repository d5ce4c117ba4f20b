"""What a worker inherits."""

from speechhub.worker.process import worker_environment


def test_cuda_numbers_gpus_as_the_hub_does():
    """Whatever order the operator's shell has; which are visible is the operator's word."""
    given = {"CUDA_DEVICE_ORDER": "FASTEST_FIRST", "CUDA_VISIBLE_DEVICES": "1", "LD_LIBRARY_PATH": "/opt"}

    inherited = worker_environment(given | {"SPEECHHUB_HOME": "/h", "PYTHONPATH": "/p", "HF_TOKEN": "hf_x"})

    assert {name: inherited.get(name) for name in given} == given | {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert not {"SPEECHHUB_HOME", "PYTHONPATH", "HF_TOKEN"} & inherited.keys()

"""What health and metrics tell of a GPU."""

import pytest

from tests.fakes.gpus import MB, FakeGpus


@pytest.fixture
def gpus():
    return FakeGpus(total_bytes=1000 * MB, own_bytes=950 * MB)


@pytest.mark.mission("11.3")
async def test_gpus_are_told(http, hub):
    """What the last look found stands in health and in the metrics."""
    hub.observation.sampler.look()

    health = (await http.get("/health")).json()
    metrics = (await http.get("/metrics")).text
    gpu = health["gpus"][0]
    assert (gpu["name"], gpu["used_bytes"], gpu["nearly_full"]) == ("NVIDIA Paper 4000", 950 * MB, True)
    assert (gpu["index"], gpu["uuid"]) == (0, "GPU-0")
    assert health["gpu_problem"] is None
    assert 'speechhub_vram_bytes{gpu="0",kind="free"} 5.24288e+07' in metrics


@pytest.mark.scenario("silent-gpu-driver")
async def test_a_lost_gpu_is_told(http, hub, gpus):
    """A GPU that is gone has no memory to tell, and health says why; the server is well."""
    hub.observation.sampler.look()
    gpus.lost = True
    hub.observation.sampler.look()

    health = (await http.get("/health")).json()

    assert health["gpus"][0]["used_bytes"] is None
    assert "lost" in health["gpu_problem"]
    assert health["status"] == "ok"
    assert "speechhub_vram_bytes{" not in (await http.get("/metrics")).text

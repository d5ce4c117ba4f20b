"""Whether everything holds on a GPU: the real manager, workers, driver and engines, on made-up weights.

``scripts/check_gpu`` runs it; docs/gpu-check.md explains it.
"""

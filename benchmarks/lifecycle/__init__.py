"""Comparison of scheduling policies for one GPU, in virtual time."""

"""Doubles that several categories of tests share."""

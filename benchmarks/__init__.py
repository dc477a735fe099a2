"""Measurements: each compares within one run on one kernel, and is a ratio or a distribution, never a test."""

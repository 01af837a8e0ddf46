"""Benchmarks: scripts that measure pliant, and dated result files named by hardware."""

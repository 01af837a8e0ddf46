"""Keeping a latency while the load changes: steps between subnets of a ladder.

window     the calls of late
steering   when to step, and why: a scripted clock can drive it
governor   a model that is steered while it is called
"""

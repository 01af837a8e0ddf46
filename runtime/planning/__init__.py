"""From a budget in units to a subnet, by what was measured on this machine.

budget     limits, preferences and floors, read from words
choice     the rule: what fits, then the best weighted relative quality, then the cheaper
book       what is known of a suite's subnets here: measured and kept
memory     what a subnet takes of a fresh process
judge      a candidate against a budget, and how far that can be trusted
guessing   whom to measure of many
measuring  what a plan measures, and how long
plan       the answer, with its numbers (`figures`)
deciding   how it is found, with its reasons (`reasons`)
built      whom a plan for TensorRT may choose: those whose engines are built
ladder     what a governor may step to
profiling  all of them measured anew, here or for another process, on a board
"""

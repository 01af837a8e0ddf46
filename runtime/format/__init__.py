"""The suite file: what lies where, and what is checked before anything of it is believed (docs/suite-format.md).

container  safetensors at offsets: bytes of the tensors that are asked for, and no others
ranges     parts of a tensor, and how to read them in few pieces
header     its JSON, bounded; no tensor overlaps another
bounded    JSON that a stranger may have made deep, long or double
manifest   what is inside: tasks, input, subnets, their cost and quality
manifest_reading  from JSON to that, each word checked
tasks      what a task means: kind, classes, colours
record     one subnet's arrays, and what of the shared weights they are
weights    the arrays of a record, read as views; `arena` is where they lie
witness    an input and its answers, which an engine has to give
suite_file all of it, opened
digests    of tensors, against those that the file names
signing    ed25519 over all of it
"""

"""The deployed half: the suite file, plans, sessions and switching. Needs numpy; engines are imported when used.

What a file from a stranger meets, in order: `format` (safetensors at offsets, the manifest, one subnet's arrays and
views) -> `graphs` (our own protobuf reader: check, bound, prune) -> `session` (an engine session, checked by its
witness: `witnessing`) -> `model` (calls and switches). `plannable` is a suite's file with plans, `suite` the front of
all, `opening` the way in, also by address (`remote`). `planning` chooses a subnet for a budget by what is measured
here, `governing` keeps a latency under load, `tensorrt` builds, keeps and runs engines.
"""

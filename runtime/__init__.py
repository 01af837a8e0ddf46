"""The deployed half: the suite file, plans, sessions and switching. Needs numpy; engines are imported when used.

What a file from a stranger meets, in order: `container` (safetensors at offsets) -> `manifest` (what is inside)
-> `record` (one subnet's arrays and views) -> `graph` (our own protobuf reader: check, prune) -> `session`
(an engine session, checked by `witness`) -> `model` (calls and switches). `suite` is the front of all that,
`opening` the way in, also by address (`remote`).
"""

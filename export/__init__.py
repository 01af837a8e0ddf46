"""Supernet + front -> one suite (`pipeline.export_suite`).

deployed   the module that is traced: uint8 images in, raw and decoded outputs out
template   the widest subnet, exported once; `cleaning`, `faster` and `naming` are its passes
narrow     the template with another subnet's dimensions;  identity  the digest of what comes out
feeds      a graph's views into the wide weights, and arrays of its own
engine     sessions for proofs, built as the runtime builds them
parity     against torch;  quality  per task;  witness  for devices to check themselves
wanted     what of a front is exported;  quantized, mixing, rehearsal, noise  precisions below fp32, and what they cost
build      one configuration in each precision;  suite  the file;  report  what was done
"""

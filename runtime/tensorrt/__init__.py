"""TensorRT engines, built on the machine from the suite, kept by what they were made of. None is run yet.

settings   what an engine is built for: engine, GPU, batch, DLA
bindings   TensorRT (10.3 to 11.x) and TensorRT for RTX behind one name
build      graph and arrays to a plan, in a thread that can be stopped, and the proof of its precision
cache      plans under a key of all that decides them; read whole or not at all
engines    the engines of a suite's subnets: found, or built

An engine is a program (NVIDIA's words): none is read from a file that was not made here, none is in a suite.
"""

"""TensorRT engines, built on the machine from the suite, kept by what they were made of, and run there.

settings   what an engine is built for: engine, GPU, batch, DLA
bindings   TensorRT (10.3 to 11.x) and TensorRT for RTX behind one name
build      graph and arrays to a plan, in a thread that can be stopped, and the proof of its precision
cache      plans under a key of all that decides them; read whole or not at all
refit      plans without weights, filled from the suite
inspect    what a built engine says of its precision
timing     what TensorRT measured of its kernels, from build to build
engines    the engines of a suite's subnets: found, or built
cuda       memory and streams of the GPU
execution  an engine in memory, to be run
load       from a subnet to its engine, where it is built
candidates which subnets a plan may choose

An engine is a program (NVIDIA's words): none is read from a file that was not made here, none is in a suite.
"""

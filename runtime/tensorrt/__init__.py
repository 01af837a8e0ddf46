"""TensorRT engines, built on the machine from the suite, kept by what they were made of, and run there.

settings   what an engine is built for: engine, GPU, batch, DLA
bindings   TensorRT (10.3 to 11.x) and TensorRT for RTX behind one name
build      graph and arrays to a plan, in a thread that can be stopped
cache      plans under a key of all that decides them; read whole or not at all
refit      plans without weights, filled from the suite
precision  what a network, and the engine built of it, say of their precision
timing     what TensorRT measured of its kernels, from build to build
engines    the engines of a suite's subnets: found, or built
cuda       memory and streams of the GPU
execution  an engine in memory, to be run
load       from a subnet to its engine, where it is built
parsing    a graph and its arrays, given to NVIDIA's parser or refitter
sources    what an engine is made of, and its key
here       the bindings and the GPU of this machine
making     one engine in the making, proven before it is kept

An engine is a program (NVIDIA's words): none is read from a file that was not made here, none is in a suite.
"""

"""Int8 by pliant and by others: the same trained subnets, the same images, the same run.

    python -m pliant.benchmarks.peers CHECKPOINT [--peer optimum=PYTHON] [--peer modelopt=PYTHON]

Each peer gets a subnet as an ordinary ONNX file and quantizes it by its own defaults, in an interpreter of its own
where its dependencies do not go with ours. What it gives is judged by onnxruntime: quality by task, time, size.

- subnets.py: what all get: subnets of a checkpoint, images to calibrate with and to be judged on
- quantizers.py: what each peer is asked to do; run by the peer's interpreter, it needs nothing of pliant
- judged.py: quality, paired times and size of a model file
- report.py: tables in Markdown, made from the dated file only

    python -m pliant.benchmarks.peers.ranges CHECKPOINT

- ranges.py: only the ranges of activations by others (calibrators.py), all else pliant's
"""

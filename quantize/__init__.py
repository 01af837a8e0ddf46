"""Int8 from an fp32 graph and calibration images (docs/quantization.md).

policy     which layers run on integers
lowering   where Q/DQ pairs stand in the graph
weights    integers that all subnets share, scales and biases that they do not;  arrays  both for a whole subnet
calibrate  what activations were seen;  ranges  the scales and zero points that follow
"""

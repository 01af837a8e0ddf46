"""What subnets achieve, truly measured.

data      the images that are looked at
identity  of what, so that it may be used again
source    in every precision
integers  in int8, by the engine that would run it, and the policies worth searching among
cluster   side by side, on Ray
"""

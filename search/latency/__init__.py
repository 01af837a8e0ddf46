"""What subnets take on a device.

timing    on this machine, through the sessions that a suite's would be
profiled  on another one, by `pliant profile`
memory    of a process, measured too
clock     which of the two
model     of subnets that were not measured
"""

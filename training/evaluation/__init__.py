"""How good a subnet is: batch norm recalibrated for it, and its metrics on a split."""

"""From (budget, preference) to subnets: preferences, true evaluation, the algorithms, the front."""

"""From (budget, preference) to subnets: preferences, true evaluation, the algorithms, the front."""

# Subnets on a front where nobody says how many; here, so that `pliant search --help` need not load the search.
FRONT_SIZE = 24

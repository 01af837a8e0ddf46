"""From (budget, preference) to subnets: preferences, true evaluation, the algorithms, the front.

what is asked    preference, floors, limits;  score, hypervolume, control  how good subnets and choices are
what is known    data  images, archive  true evaluations, log (log_reading)  on disk, identity  of what;  parts  costs
                 sizes  bytes by precision, predictor  quality of others
latency          timing, profiled  measured, pace  all at one, clock  where
                 latency  of others, staircase  by width, confirm  at the end
algorithms       algorithm  their interface;  factorized (knapsack), ecmt and joint (evolution, genes)
the front        selection, assemble, account  what it is worth;  front (entries, provenance)  as JSON
                 plot, page, explain, wording  for people, places  of its files
all of it        run, run_checks  what it refuses
"""

# Subnets on a front where nobody says how many; here, so that `pliant search --help` need not load the search.
FRONT_SIZE = 24

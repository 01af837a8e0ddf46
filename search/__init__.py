"""From (budget, preference) to subnets: preferences, true evaluation, the algorithms, the front.

what is asked    preference, floors, limits;  score  a subnet as one number, control  how far a preference steers
what is known    log (log_reading)  on disk, sizes  bytes by precision, predictor  of what was not measured
pace             one for all that is timed, whatever the machine does
latency/         measured here, or on another machine before, and learned of others
quality/         measured, in fp32 and int8, on this machine or on a cluster
algorithms/      factorized, ecmt and joint, behind one interface
front/           what is kept of what they find, and how it is shown
all of it        run, run_checks  what it refuses, confirm  latency before and after;  places  of its files
                 entries  the subnets of a front as JSON, wording  in words
"""

# Subnets on a front where nobody says how many; here, so that `pliant search --help` need not load the search.
FRONT_SIZE = 24

"""What a search keeps.

assemble   from all that was found: both ends, the answers to budgets, a good spread
exclusion  whom measurements rule out
account    what it is worth
front      as JSON (provenance  how it came to be)
plot, page, explain, staircase   for people
"""

"""How subnets are found.

interface    what an algorithm is given, and gives
archive      what one has measured, and may still measure
factorized   the encoder searched, decoders exact (knapsack)
ecmt         decoders by the rule, the encoder by evolution
joint        everything at once (genes, by evolution)
parts        what subnets cost
hypervolume  how good a set of them is, selection  which of them are not dominated, and well spread
"""

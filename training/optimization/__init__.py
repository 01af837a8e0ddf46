"""A step: which subnets it trains, by which losses and weights of tasks, and how the weights move."""

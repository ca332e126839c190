"""Floor 0: how kernels are compiled, matrix products, threads, random numbers, checks."""

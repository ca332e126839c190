"""What kernels for a GPU stand on: how they are compiled, primitives, scalar functions, the card.

Nothing outside ``cuda`` folders imports from here before a GPU is asked for.
"""

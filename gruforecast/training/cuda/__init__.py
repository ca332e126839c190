"""Training on a GPU: teams of blocks, each of which trains one model after the other.

A team of one block trains a whole model by itself, so that a launch trains as many models as
there are; a team of many shares the windows of every mini-batch of one large model.
"""

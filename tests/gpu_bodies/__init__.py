"""Tests of networks and training on a GPU, for an emulated card and for a real one.

Each class has the tests of one subject; who derives from it says what ``card`` is, and how far its
numbers may lie from those of the naive references.
"""

"""Networks on a GPU: one small machine whose instructions are written by the host.

``program`` turns a specification into instructions on a workspace, ``machine`` carries them out
with all threads of a block, ``layout`` fills up widths to multiples of four, ``inference`` runs
networks over windows.
"""

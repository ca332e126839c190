"""What this machine has, and kernels compiled ahead of their first use."""

"""Floor 3: what a caller brings, made into rows, scales, windows and targets."""

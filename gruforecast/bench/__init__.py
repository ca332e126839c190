"""The speed of training and prediction, beside other libraries where they are installed."""

"""Floor 4: estimators that scikit-learn knows how to use."""

from gruforecast.estimators.classifier import GRUClassifier
from gruforecast.estimators.encoder import GRUEncoder
from gruforecast.estimators.forecaster import RowForecaster

__all__ = ["GRUClassifier", "GRUEncoder", "RowForecaster"]

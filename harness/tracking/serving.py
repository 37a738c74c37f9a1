"""Raw rows in, original labels, values or probabilities out: the form in which MLflow keeps a model.

Pickled by value with the model's own bytes inside, so that neither the harness nor the user's project
need be installed where it is loaded.
"""

# ruff: noqa: ARG002 - MLflow prescribes the signature and reads the annotations
import pickle
from typing import Any

import pandas as pd
from mlflow.pyfunc import PythonModel

METHODS = ("predict", "predict_proba")


class Served(PythonModel):  # type: ignore[misc]
    """A `harness.models.model.Model` behind MLflow's interface."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload

    def load_context(self, context: Any) -> None:
        """Unpickle the model once, when MLflow loads it."""
        self.model = pickle.loads(self.payload)
        self.payload = b""

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        """Return original labels or values, (n,), or a column of probabilities for each label.

        params: {"method": "predict"} (the default) or {"method": "predict_proba"}.
        """
        method = (params or {}).get("method", "predict")
        if method == "predict":
            return self.model.predict(model_input)
        if method == "predict_proba":
            labels = [str(label) for label in self.model.classes or ()]
            shares = self.model.predict_proba(model_input)
            return pd.DataFrame(shares, columns=labels, index=model_input.index)
        raise ValueError(f"method is {method!r}; it is one of {', '.join(METHODS)}")

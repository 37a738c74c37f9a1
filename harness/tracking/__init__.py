"""Records of runs go in, MLflow runs and models come out; the only place that imports mlflow.

Importing it does not import mlflow; a delivery does, if there is anything to deliver.
"""

from harness.tracking.address import check_writable, view_command
from harness.tracking.background import Background
from harness.tracking.courier import Delivery
from harness.tracking.delivery import deliver

__all__ = ["Background", "Delivery", "check_writable", "deliver", "view_command"]

"""The laws of noise, by scipy."""

from scipy import stats

REFERENCE = {"logistic": stats.logistic, "normal": stats.norm, "uniform": stats.uniform(loc=-0.5)}
OTHERS = ["normal", "uniform"]

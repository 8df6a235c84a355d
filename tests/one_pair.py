"""One pair of contestants: its p alone, and scores by seed."""

import numpy as np

from bnrun.report.compare.statistics import max_t


def alone(row):
    return float(max_t(np.asarray(row, np.float64)[:, None]).alone[0])


def scores(values):
    return dict(enumerate(values))

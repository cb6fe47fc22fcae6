"""scikit-learn and SciPy compute with our arrays, found by the array API standard."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import numpy as np, scipy.cluster.vq, scipy.fft, scipy.special, scipy.stats
from sklearn import config_context
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, mean_squared_error, r2_score
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances, rbf_kernel
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, StandardScaler
import mlx_oxide.core as mx

mx.set_default_device(mx.cpu)
X = np.random.default_rng(0).standard_normal((40, 5)).astype(np.float32)
y = (X[:, 0] > 0).astype(np.int32)
calls = {
    "PCA": lambda X, y: PCA(2, svd_solver="full").fit_transform(X),
    "PCA by covariance": lambda X, y: PCA(2, svd_solver="covariance_eigh").fit(X).explained_variance_,
    "StandardScaler": lambda X, y: StandardScaler().fit_transform(X),
    "MinMaxScaler": lambda X, y: MinMaxScaler().fit_transform(X),
    "MaxAbsScaler": lambda X, y: MaxAbsScaler().fit_transform(X),
    "Normalizer": lambda X, y: Normalizer().fit_transform(X),
    "LinearDiscriminantAnalysis": lambda X, y: LinearDiscriminantAnalysis(solver="svd").fit(X, y).predict(X),
    "Ridge": lambda X, y: Ridge(solver="svd").fit(X, X[:, 0]).predict(X),
    "accuracy": lambda X, y: accuracy_score(y, y),
    "confusion": lambda X, y: confusion_matrix(y, y),
    "f1": lambda X, y: f1_score(y, y),
    "squared error": lambda X, y: mean_squared_error(X[:, 0], X[:, 1]),
    "r2": lambda X, y: r2_score(X[:, 0], X[:, 1]),
    "cosine": lambda X, y: cosine_similarity(X),
    "euclidean": lambda X, y: euclidean_distances(X),
    "rbf": lambda X, y: rbf_kernel(X),
    "zscore": lambda X, y: scipy.stats.zscore(X),
    "skew": lambda X, y: scipy.stats.skew(X),
    "ttest": lambda X, y: scipy.stats.ttest_1samp(X, 0.0).statistic,
    "logsumexp": lambda X, y: scipy.special.logsumexp(X, axis=0),
    "softmax": lambda X, y: scipy.special.softmax(X, axis=1),
    "fft": lambda X, y: scipy.fft.fft(X),
    "whiten": lambda X, y: scipy.cluster.vq.whiten(X),
}
for name, call in calls.items():
    expected = np.abs(call(X, y))  # the signs of components are free
    with config_context(array_api_dispatch=True):
        result = call(mx.array(X), mx.array(y))
    assert np.ndim(expected) == 0 or isinstance(result, mx.array), (name, type(result))
    np.testing.assert_allclose(np.abs(np.asarray(result)), expected, rtol=1e-3, atol=1e-4, err_msg=name)
print("done")
"""


def test_scikit_learn_and_scipy_compute_with_our_arrays():
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={
            **os.environ,
            "SCIPY_ARRAY_API": "1",
            "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.stdout.strip() == "done", finished.stderr

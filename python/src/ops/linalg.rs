//! The submodule `linalg`.

use crate::arguments::{ArrayArgument, Axes, list};
use crate::array::{PyArray, wrap};
use crate::dtype::PyDtype;
use crate::error::OrRaise;
use crate::named::NamedTuple;
use mlx_oxide_core::Array;
use mlx_oxide_core::ops;
use mlx_oxide_core::ops::linalg::{self as core, NormOrder};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// An order as callers write it.
#[derive(FromPyObject)]
enum Order {
    Number(f64),
    Name(String),
}

fn order(op: &str, value: Option<Order>) -> PyResult<NormOrder> {
    match value {
        None => Ok(NormOrder::Euclidean),
        Some(Order::Number(p)) => Ok(NormOrder::Order(p)),
        Some(Order::Name(name)) => match name.as_str() {
            "fro" | "f" => Ok(NormOrder::Frobenius),
            "nuc" => Ok(NormOrder::Nuclear),
            _ => Err(PyValueError::new_err(format!(
                "[{op}] ord is {name:?}; expected a number, \"fro\" or \"nuc\""
            ))),
        },
    }
}

/// Whether the lower triangle is meant.
fn lower(op: &str, uplo: &str) -> PyResult<bool> {
    match uplo {
        "L" | "l" => Ok(true),
        "U" | "u" => Ok(false),
        _ => Err(PyValueError::new_err(format!(
            "[{op}] UPLO is {uplo:?}; expected \"L\" or \"U\""
        ))),
    }
}

type Pair = (PyArray, PyArray);
type Triple = (PyArray, PyArray, PyArray);

static QR: NamedTuple = NamedTuple::new("QRResult", &["Q", "R"]);
static EIG: NamedTuple = NamedTuple::new("EigResult", &["eigenvalues", "eigenvectors"]);
static EIGH: NamedTuple = NamedTuple::new("EighResult", &["eigenvalues", "eigenvectors"]);
static SVD: NamedTuple = NamedTuple::new("SVDResult", &["U", "S", "Vh"]);
static SLOGDET: NamedTuple = NamedTuple::new("SlogdetResult", &["sign", "logabsdet"]);

fn wrap_pair(result: mlx_oxide_ir::Result<(Array, Array)>) -> PyResult<Pair> {
    let (first, second) = result.or_raise()?;
    Ok((first.into(), second.into()))
}

/// A pair whose places have names.
fn name_pair(
    py: Python<'_>,
    kind: &NamedTuple,
    result: mlx_oxide_ir::Result<(Array, Array)>,
) -> PyResult<Py<PyAny>> {
    let (first, second) = wrap_pair(result)?;
    kind.of(py, vec![first, second])
}

/// All columns of the orthogonal factor: those of the identity complete those of the matrix.
fn complete_qr(a: &Array) -> mlx_oxide_ir::Result<(Array, Array)> {
    let ndim = a.ndim();
    if ndim < 2 || a.shape()[ndim - 2] <= a.shape()[ndim - 1] {
        return core::qr(a);
    }
    let (rows, columns) = (a.shape()[ndim - 2], a.shape()[ndim - 1]);
    let identity = ops::identity(rows, a.dtype())?;
    let identity = ops::broadcast_to(&identity, a.shape().with(ndim - 1, rows))?;
    let (q, r) = core::qr(&ops::concatenate(&[a, &identity], -1)?)?;
    Ok((q, ops::slice_axis(&r, ndim - 1, 0, columns)?))
}

fn wrap_triple(result: mlx_oxide_ir::Result<(Array, Array, Array)>) -> PyResult<Triple> {
    let (first, second, third) = result.or_raise()?;
    Ok((first.into(), second.into(), third.into()))
}

super::functions! {
    /// A norm of vectors along one axis, of matrices along two, or of the whole array.
    ///
    /// Args:
    ///     a: any array; integers become `float32`.
    ///     ord: `None` for the root of the sum of squares. Of vectors a number `p`, for
    ///         `(Σ |a|ᵖ)^(1/p)`, `inf`, `-inf` or 0. Of matrices `"fro"`, `"nuc"`, ±1, ±2, ±inf.
    ///     axis: one or two axes; all by default.
    ///     keepdims: whether reduced axes stay, with size 1.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: an order that there is not; more than two axes.
    ///
    /// Example:
    ///     >>> mx.linalg.norm(mx.array([3.0, 4.0]))
    ///     array(5, dtype=float32)
    norm[a, /, ord = None, axis = None, keepdims = false, *](
        a: ArrayArgument, ord: Option<Order>, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = {
        let order = order("linalg.norm", ord)?;
        wrap(core::norm(&a.0, order, list(&axis), keepdims))
    };
    /// A norm of vectors along axes, or of the flat array: `(Σ |x|ᵖ)^(1/p)` (array API standard).
    ///
    /// Args:
    ///     x: any array; integers become `float32`.
    ///     axis: one axis or several, which count as one long one; all by default.
    ///     keepdims: whether reduced axes stay, with size 1.
    ///     ord: `p`; `inf` and `-inf` for the greatest and least modulus, 0 for the number of
    ///         elements that are not zero.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///
    /// Example:
    ///     >>> mx.linalg.vector_norm(mx.array([3.0, -4.0]), ord=1)
    ///     array(7, dtype=float32)
    vector_norm[x, /, *, axis = None, keepdims = false, ord = 2.0](
        x: ArrayArgument, axis: Option<Axes>, keepdims: bool, ord: f64
    ) -> PyArray = wrap(core::vector_norm(&x.0, ord, list(&axis), keepdims));
    /// A norm of the matrices along the last two axes (array API standard).
    ///
    /// Args:
    ///     x: an array `(…, m, n)`; integers become `float32`.
    ///     keepdims: whether both axes stay, with size 1.
    ///     ord: `"fro"` for the root of the sum of squares, `"nuc"` for the sum of the singular
    ///         values, 2 and -2 for the greatest and least of them, 1 and -1 for the greatest and
    ///         least column sum, `inf` and `-inf` for that of rows.
    ///
    /// Raises:
    ///     ValueError: fewer than two axes; an order that there is not.
    ///
    /// Example:
    ///     >>> mx.linalg.matrix_norm(mx.array([[3.0, 0.0], [0.0, 4.0]]), ord="nuc")
    ///     array(7, dtype=float32)
    #[pyo3(text_signature = "(x, /, *, keepdims=False, ord='fro', stream=None)")]
    matrix_norm[x, /, *, keepdims = false, ord = Some(Order::Name("fro".to_owned()))](
        x: ArrayArgument, keepdims: bool, ord: Option<Order>
    ) -> PyArray = {
        let order = order("linalg.matrix_norm", ord)?;
        wrap(core::matrix_norm(&x.0, order, (-2, -1), keepdims))
    };
    /// `A = Q·R` of matrices `(…, m, n)`: `Q` `(…, m, k)` with orthonormal columns and the upper
    /// triangle `R` `(…, k, n)`, a named tuple.
    ///
    /// Args:
    ///     a: matrices of a floating or complex dtype.
    ///     mode: `"reduced"` for `k = min(m, n)`, `"complete"` for `k = m`.
    ///
    /// Raises:
    ///     ValueError: fewer than two axes; another dtype or mode.
    ///
    /// Example:
    ///     >>> Q, R = mx.linalg.qr(mx.array([[2.0, 3.0], [1.0, 2.0]]))
    qr[a, *, mode = "reduced"](py: Python<'_>, a: ArrayArgument, mode: &str) -> Py<PyAny> = {
        let factors = match mode {
            "reduced" => core::qr(&a.0),
            "complete" => complete_qr(&a.0),
            _ => return Err(PyValueError::new_err(format!(
                "[linalg.qr] mode is {mode:?}; expected \"reduced\" or \"complete\""
            ))),
        };
        name_pair(py, &QR, factors)
    };
    /// The inverses `A⁻¹` of square matrices `(…, n, n)`.
    ///
    /// Raises:
    ///     ValueError: other shapes or dtypes; at evaluation, a singular matrix.
    ///
    /// Example:
    ///     >>> mx.linalg.inv(mx.array([[2.0, 0.0], [0.0, 4.0]])).tolist()
    ///     [[0.5, 0.0], [0.0, 0.25]]
    inv[a, *](a: ArrayArgument) -> PyArray = wrap(core::inv(&a.0));
    /// The inverses of triangular matrices `(…, n, n)`; what is beside the triangle is not read.
    ///
    /// Args:
    ///     a: matrices of a floating or complex dtype.
    ///     upper: whether the upper triangle is meant, or the lower one.
    ///
    /// Raises:
    ///     ValueError: other shapes or dtypes; at evaluation, a singular matrix.
    ///
    /// Example:
    ///     >>> mx.linalg.tri_inv(mx.array([[2.0, 0.0], [0.0, 4.0]])).tolist()
    ///     [[0.5, 0.0], [0.0, 0.25]]
    tri_inv[a, upper = false, *](a: ArrayArgument, upper: bool) -> PyArray =
        wrap(core::tri_inv(&a.0, upper));
    /// The triangular roots of positive definite Hermitian matrices `(…, n, n)`: the lower
    /// triangle `L` with `A = L·Lᴴ`, or the upper one `U` with `A = Uᴴ·U`.
    ///
    /// Args:
    ///     a: matrices of a floating or complex dtype.
    ///     upper: which of the two.
    ///
    /// Raises:
    ///     ValueError: other shapes or dtypes; at evaluation, a matrix that is not positive
    ///         definite.
    ///
    /// Example:
    ///     >>> mx.linalg.cholesky(mx.array([[4.0, 0.0], [0.0, 9.0]])).tolist()
    ///     [[2.0, 0.0], [0.0, 3.0]]
    cholesky[a, upper = false, *](a: ArrayArgument, upper: bool) -> PyArray =
        wrap(core::cholesky(&a.0, upper));
    /// The inverses of matrices from their triangular roots: `(L·Lᴴ)⁻¹`, or `(Uᴴ·U)⁻¹`.
    ///
    /// Args:
    ///     a: triangles `(…, n, n)` that `cholesky` gave.
    ///     upper: which of the two.
    ///
    /// Raises:
    ///     ValueError: other shapes or dtypes; at evaluation, a singular triangle.
    ///
    /// Example:
    ///     >>> mx.linalg.cholesky_inv(mx.array([[2.0, 0.0], [0.0, 1.0]])).tolist()
    ///     [[0.25, 0.0], [0.0, 1.0]]
    cholesky_inv[a, upper = false, *](a: ArrayArgument, upper: bool) -> PyArray =
        wrap(core::cholesky_inv(&a.0, upper));
    /// The pseudo-inverses of matrices: `(…, m, n)` → `(…, n, m)`.
    ///
    /// Args:
    ///     a: matrices of a floating or complex dtype.
    ///     rtol: singular values up to so many times the greatest count as zero; `10·max(m, n)`
    ///         epsilons by default.
    ///
    /// Raises:
    ///     ValueError: fewer than two axes; another dtype.
    ///
    /// Example:
    ///     >>> mx.linalg.pinv(mx.zeros((3, 2))).shape
    ///     (2, 3)
    pinv[a, *, rtol = None](a: ArrayArgument, rtol: Option<f64>) -> PyArray =
        wrap(core::pinv(&a.0, rtol));
    /// The cross products of vectors of three elements, or two of which the third is zero.
    ///
    /// Args:
    ///     a, b: arrays, which broadcast.
    ///     axis: the axis of the vectors.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: vectors of other sizes; shapes that do not broadcast.
    ///
    /// Example:
    ///     >>> mx.linalg.cross(mx.array([1, 0, 0]), mx.array([0, 1, 0]))
    ///     array([0, 0, 1], dtype=int32)
    #[pyo3(text_signature = "(a, b, axis=-1, *, stream=None)")]
    cross[a, b, axis = -1, *](a: ArrayArgument, b: ArrayArgument, axis: i64) -> PyArray =
        wrap(core::cross(&a.0, &b.0, axis));
    /// The eigenvalues of square matrices `(…, n, n)`, complex, in no particular order.
    ///
    /// Raises:
    ///     ValueError: other shapes or dtypes; at evaluation, NaN or infinities.
    ///
    /// Example:
    ///     >>> mx.linalg.eigvals(mx.array([[2.0, 0.0], [0.0, 3.0]])).shape
    ///     (2,)
    eigvals[a, *](a: ArrayArgument) -> PyArray = wrap(core::eigvals(&a.0));
    /// The eigenvalues `(…, n)` and eigenvectors `(…, n, n)` of square matrices: `A·v = λ·v` of
    /// each column `v`, a named tuple of complex arrays.
    ///
    /// Raises:
    ///     ValueError: other shapes or dtypes; at evaluation, NaN or infinities.
    ///
    /// Example:
    ///     >>> values, vectors = mx.linalg.eig(mx.array([[2.0, 0.0], [0.0, 3.0]]))
    eig[a, *](py: Python<'_>, a: ArrayArgument) -> Py<PyAny> =
        name_pair(py, &EIG, core::eig(&a.0));
    /// The real eigenvalues of Hermitian matrices `(…, n, n)` in ascending order.
    ///
    /// Args:
    ///     a: matrices of a floating or complex dtype.
    ///     UPLO: which triangle is read, `"L"` or `"U"`.
    ///
    /// Raises:
    ///     ValueError: other shapes, dtypes or triangles; at evaluation, NaN or infinities.
    ///
    /// Example:
    ///     >>> mx.linalg.eigvalsh(mx.array([[3.0, 0.0], [0.0, 2.0]]))
    ///     array([2, 3], dtype=float32)
    #[allow(non_snake_case)]
    eigvalsh[a, UPLO = "L", *](a: ArrayArgument, UPLO: &str) -> PyArray = {
        let lower = lower("linalg.eigvalsh", UPLO)?;
        wrap(core::eigvalsh(&a.0, lower))
    };
    /// The real eigenvalues of Hermitian matrices `(…, n, n)` in ascending order, and the
    /// orthonormal eigenvectors as columns, a named tuple.
    ///
    /// Args:
    ///     a: matrices of a floating or complex dtype.
    ///     UPLO: which triangle is read, `"L"` or `"U"`.
    ///
    /// Raises:
    ///     ValueError: other shapes, dtypes or triangles; at evaluation, NaN or infinities.
    ///
    /// Example:
    ///     >>> mx.linalg.eigh(mx.array([[3.0, 0.0], [0.0, 2.0]])).eigenvalues
    ///     array([2, 3], dtype=float32)
    #[allow(non_snake_case)]
    eigh[a, UPLO = "L", *](py: Python<'_>, a: ArrayArgument, UPLO: &str) -> Py<PyAny> = {
        let lower = lower("linalg.eigh", UPLO)?;
        name_pair(py, &EIGH, core::eigh(&a.0, lower))
    };
    /// `A[P] = L·U` of matrices: the order of the rows `P` (`uint32`), the lower triangle `L` with
    /// a unit diagonal, the upper triangle `U`.
    ///
    /// Raises:
    ///     ValueError: fewer than two axes; another dtype.
    ///
    /// Example:
    ///     >>> P, L, U = mx.linalg.lu(mx.array([[0.0, 1.0], [2.0, 3.0]]))
    lu[a, *](a: ArrayArgument) -> Triple = wrap_triple(core::lu(&a.0));
    /// Both triangles of `lu` in one matrix, the unit diagonal left out, and for each row the one
    /// that it was exchanged with.
    ///
    /// Raises:
    ///     ValueError: fewer than two axes; another dtype.
    ///
    /// Example:
    ///     >>> LU, pivots = mx.linalg.lu_factor(mx.array([[0.0, 1.0], [2.0, 3.0]]))
    lu_factor[a, *](a: ArrayArgument) -> Pair = wrap_pair(core::lu_factor(&a.0));
    /// The solutions `x` of `A·x = b`.
    ///
    /// Args:
    ///     a: square matrices `(…, n, n)`.
    ///     b: a vector `(n,)`, or matrices `(…, n, k)` of right sides as columns.
    ///
    /// Raises:
    ///     ValueError: shapes that do not fit; another dtype; at evaluation, a singular matrix.
    ///
    /// Example:
    ///     >>> mx.linalg.solve(mx.array([[2.0, 0.0], [0.0, 4.0]]), mx.array([2.0, 8.0]))
    ///     array([1, 2], dtype=float32)
    solve[a, b, *](a: ArrayArgument, b: ArrayArgument) -> PyArray = wrap(core::solve(&a.0, &b.0));
    /// The solutions `x` of `A·x = b` with triangular matrices, by substitution.
    ///
    /// Args:
    ///     a, b: as of `solve`; what is beside the triangle is not read.
    ///     upper: whether the upper triangle is meant, or the lower one.
    ///
    /// Raises:
    ///     ValueError: shapes that do not fit; another dtype; at evaluation, a singular matrix.
    ///
    /// Example:
    ///     >>> mx.linalg.solve_triangular(mx.array([[2.0, 0.0], [1.0, 4.0]]), mx.array([2.0, 9.0]))
    ///     array([1, 2], dtype=float32)
    solve_triangular[a, b, *, upper = false](
        a: ArrayArgument, b: ArrayArgument, upper: bool
    ) -> PyArray = wrap(core::solve_triangular(&a.0, &b.0, upper));
    /// The determinants of square matrices `(…, n, n)`.
    ///
    /// Raises:
    ///     ValueError: other shapes or dtypes.
    ///
    /// Example:
    ///     >>> mx.linalg.det(mx.array([[2.0, 0.0], [0.0, 4.0]]))
    ///     array(8, dtype=float32)
    det[a, *](a: ArrayArgument) -> PyArray = wrap(core::det(&a.0));
    /// The determinants' signs and the logarithms of their moduli, a named tuple: `det = sign·eˡ`.
    ///
    /// Raises:
    ///     ValueError: other shapes or dtypes.
    ///
    /// Example:
    ///     >>> mx.linalg.slogdet(mx.array([[2.0, 0.0], [0.0, -4.0]])).sign
    ///     array(-1, dtype=float32)
    slogdet[a, *](py: Python<'_>, a: ArrayArgument) -> Py<PyAny> =
        name_pair(py, &SLOGDET, core::slogdet(&a.0));
    /// The singular values of matrices `(…, m, n)` in descending order, `(…, min(m, n))` (array
    /// API standard).
    ///
    /// Raises:
    ///     ValueError: fewer than two axes; another dtype; at evaluation, NaN or infinities.
    ///
    /// Example:
    ///     >>> mx.linalg.svdvals(mx.array([[3.0, 0.0], [0.0, -4.0]]))
    ///     array([4, 3], dtype=float32)
    svdvals[x, /, *](x: ArrayArgument) -> PyArray = wrap(core::svdvals(&x.0));
    /// The ranks of matrices: how many singular values exceed `rtol` times the greatest (array API
    /// standard).
    ///
    /// Args:
    ///     x: matrices `(…, m, n)`.
    ///     rtol: a number; `max(m, n)` epsilons by default.
    ///
    /// Raises:
    ///     ValueError: fewer than two axes; another dtype; at evaluation, NaN or infinities.
    ///
    /// Example:
    ///     >>> mx.linalg.matrix_rank(mx.ones((3, 3)))
    ///     array(1, dtype=int32)
    matrix_rank[x, /, *, rtol = None](x: ArrayArgument, rtol: Option<f64>) -> PyArray =
        wrap(core::matrix_rank(&x.0, rtol));
    /// The powers `Aⁿ` of square matrices by repeated squaring (array API standard); inverses are
    /// taken for negative `n`.
    ///
    /// Raises:
    ///     ValueError: other shapes or dtypes; at evaluation, a singular matrix to a negative power.
    ///
    /// Example:
    ///     >>> mx.linalg.matrix_power(mx.array([[1.0, 1.0], [0.0, 1.0]]), 3).tolist()
    ///     [[1.0, 3.0], [0.0, 1.0]]
    matrix_power[x, n, /, *](x: ArrayArgument, n: i64) -> PyArray =
        wrap(core::matrix_power(&x.0, n));
    /// A diagonal of the matrices along the last two axes: `(…, m, n)` → `(…, k)` (array API
    /// standard).
    ///
    /// Raises:
    ///     ValueError: fewer than two axes.
    ///
    /// Example:
    ///     >>> mx.linalg.diagonal(mx.array([[1, 2], [3, 4]]), offset=1)
    ///     array([2], dtype=int32)
    diagonal[x, /, *, offset = 0](x: ArrayArgument, offset: i64) -> PyArray =
        wrap(core::diagonal(&x.0, offset));
    /// The sums of a diagonal of the matrices along the last two axes (array API standard).
    ///
    /// Args:
    ///     x: matrices `(…, m, n)`.
    ///     offset: the diagonal; those above the main one are positive.
    ///     dtype: what elements are converted to before.
    ///
    /// Raises:
    ///     ValueError: fewer than two axes.
    ///
    /// Example:
    ///     >>> mx.linalg.trace(mx.array([[1, 2], [3, 4]]))
    ///     array(5, dtype=int32)
    trace[x, /, *, offset = 0, dtype = None](
        x: ArrayArgument, offset: i64, dtype: Option<PyDtype>
    ) -> PyArray = wrap(ops::trace(&x.0, offset, -2, -1, dtype.map(|dtype| dtype.0)));
    /// Matrices with rows and columns exchanged: `(…, m, n)` → `(…, n, m)` (array API standard).
    ///
    /// Raises:
    ///     ValueError: fewer than two axes.
    ///
    /// Example:
    ///     >>> mx.linalg.matrix_transpose(mx.zeros((2, 3))).shape
    ///     (3, 2)
    matrix_transpose[x, /, *](x: ArrayArgument) -> PyArray = wrap(ops::swapaxes(&x.0, -1, -2));
    /// All products of an element of one vector and an element of the other (array API standard).
    ///
    /// Example:
    ///     >>> mx.linalg.outer(mx.array([1, 2]), mx.array([3, 4])).tolist()
    ///     [[3, 4], [6, 8]]
    outer[x1, x2, /, *](x1: ArrayArgument, x2: ArrayArgument) -> PyArray =
        wrap(ops::outer(&x1.0, &x2.0));
}

/// `A = U·diag(S)·Vh` of matrices `(…, m, n)`, a named tuple: orthonormal columns `U`, descending
/// singular values `S`, orthonormal rows `Vh`; or the values alone.
///
/// Args:
///     a: matrices of a floating or complex dtype.
///     compute_uv: whether to compute the vectors.
///     full_matrices: whether `U` and `Vh` are square, or have `min(m, n)` columns and rows.
///
/// Raises:
///     ValueError: fewer than two axes; another dtype; at evaluation, NaN or infinities.
///
/// Example:
///     >>> U, S, Vh = mx.linalg.svd(mx.array([[3.0, 0.0], [0.0, 4.0]]))
#[pyfunction]
#[pyo3(signature = (a, compute_uv = true, *, full_matrices = true, stream = None))]
fn svd<'py>(
    py: Python<'py>,
    a: ArrayArgument,
    compute_uv: bool,
    full_matrices: bool,
    stream: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let _scope = crate::device::enter(stream)?;
    if compute_uv {
        let (u, s, vh) = wrap_triple(core::svd(&a.0, full_matrices))?;
        return Ok(SVD.of(py, vec![u, s, vh])?.into_bound(py));
    }
    let values = wrap(core::svdvals(&a.0))?;
    Ok(Bound::new(py, values)?.into_any())
}

/// Adds the submodule.
pub(crate) fn register_all(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = crate::add_submodule(parent, "linalg")?;
    for kind in [&QR, &EIG, &EIGH, &SVD, &SLOGDET] {
        kind.register(parent)?;
    }
    register(&module)?;
    module.add_function(wrap_pyfunction!(svd, &module)?)?;
    // the main module has the general norm under another name
    parent.add("matrix_norm", module.getattr("norm")?)?;
    for name in ["matmul", "vecdot", "tensordot"] {
        module.add(name, parent.getattr(name)?)?;
    }
    Ok(())
}

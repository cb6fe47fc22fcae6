//! The submodule `linalg`.

use crate::arguments::{ArrayArgument, Axes, list};
use crate::array::{PyArray, wrap};
use crate::error::OrRaise;
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

fn wrap_pair(result: mlx_oxide_ir::Result<(Array, Array)>) -> PyResult<Pair> {
    let (first, second) = result.or_raise()?;
    Ok((first.into(), second.into()))
}

fn wrap_triple(result: mlx_oxide_ir::Result<(Array, Array, Array)>) -> PyResult<Triple> {
    let (first, second, third) = result.or_raise()?;
    Ok((first.into(), second.into(), third.into()))
}

super::functions! {
    /// A norm of vectors, matrices or the whole array.
    norm[a, /, ord = None, axis = None, keepdims = false, *](
        a: ArrayArgument, ord: Option<Order>, axis: Option<Axes>, keepdims: bool
    ) -> PyArray = {
        let order = order("linalg.norm", ord)?;
        wrap(core::norm(&a.0, order, list(&axis), keepdims))
    };
    /// A norm of vectors along axes, or of the flat array.
    vector_norm[x, /, *, axis = None, keepdims = false, ord = 2.0](
        x: ArrayArgument, axis: Option<Axes>, keepdims: bool, ord: f64
    ) -> PyArray = wrap(core::vector_norm(&x.0, ord, list(&axis), keepdims));
    /// A norm of the matrices along the last two axes.
    matrix_norm[x, /, *, keepdims = false, ord = Some(Order::Name("fro".to_owned()))](
        x: ArrayArgument, keepdims: bool, ord: Option<Order>
    ) -> PyArray = {
        let order = order("linalg.matrix_norm", ord)?;
        wrap(core::matrix_norm(&x.0, order, (-2, -1), keepdims))
    };
    /// Orthonormal columns times an upper triangle.
    qr[a, *](a: ArrayArgument) -> Pair = wrap_pair(core::qr(&a.0));
    /// The inverse.
    inv[a, *](a: ArrayArgument) -> PyArray = wrap(core::inv(&a.0));
    /// The inverse of a triangle.
    tri_inv[a, upper = false, *](a: ArrayArgument, upper: bool) -> PyArray =
        wrap(core::tri_inv(&a.0, upper));
    /// The triangular root of a positive definite matrix.
    cholesky[a, upper = false, *](a: ArrayArgument, upper: bool) -> PyArray =
        wrap(core::cholesky(&a.0, upper));
    /// The inverse of a matrix from its triangular root.
    cholesky_inv[a, upper = false, *](a: ArrayArgument, upper: bool) -> PyArray =
        wrap(core::cholesky_inv(&a.0, upper));
    /// The pseudo-inverse.
    pinv[a, *](a: ArrayArgument) -> PyArray = wrap(core::pinv(&a.0));
    /// The cross product.
    cross[a, b, axis = -1, *](a: ArrayArgument, b: ArrayArgument, axis: i64) -> PyArray =
        wrap(core::cross(&a.0, &b.0, axis));
    /// Eigenvalues.
    eigvals[a, *](a: ArrayArgument) -> PyArray = wrap(core::eigvals(&a.0));
    /// Eigenvalues and eigenvectors.
    eig[a, *](a: ArrayArgument) -> Pair = wrap_pair(core::eig(&a.0));
    /// Eigenvalues of a Hermitian matrix.
    #[allow(non_snake_case)]
    eigvalsh[a, UPLO = "L", *](a: ArrayArgument, UPLO: &str) -> PyArray = {
        let lower = lower("linalg.eigvalsh", UPLO)?;
        wrap(core::eigvalsh(&a.0, lower))
    };
    /// Eigenvalues and eigenvectors of a Hermitian matrix.
    #[allow(non_snake_case)]
    eigh[a, UPLO = "L", *](a: ArrayArgument, UPLO: &str) -> Pair = {
        let lower = lower("linalg.eigh", UPLO)?;
        wrap_pair(core::eigh(&a.0, lower))
    };
    /// Order of the rows, lower and upper triangle.
    lu[a, *](a: ArrayArgument) -> Triple = wrap_triple(core::lu(&a.0));
    /// Both triangles in one matrix, and the exchanges of rows.
    lu_factor[a, *](a: ArrayArgument) -> Pair = wrap_pair(core::lu_factor(&a.0));
    /// The solution of linear equations.
    solve[a, b, *](a: ArrayArgument, b: ArrayArgument) -> PyArray = wrap(core::solve(&a.0, &b.0));
    /// The solution of linear equations with a triangular matrix.
    solve_triangular[a, b, *, upper = false](
        a: ArrayArgument, b: ArrayArgument, upper: bool
    ) -> PyArray = wrap(core::solve_triangular(&a.0, &b.0, upper));
    /// The determinant.
    det[a, *](a: ArrayArgument) -> PyArray = wrap(core::det(&a.0));
    /// The determinant's sign and the logarithm of its modulus.
    slogdet[a, *](a: ArrayArgument) -> Pair = wrap_pair(core::slogdet(&a.0));
    /// Singular values.
    svdvals[x, /, *](x: ArrayArgument) -> PyArray = wrap(core::svdvals(&x.0));
    /// How many singular values are not negligible.
    matrix_rank[x, /, *, rtol = None](x: ArrayArgument, rtol: Option<f64>) -> PyArray =
        wrap(core::matrix_rank(&x.0, rtol));
    /// A power of a matrix.
    matrix_power[x, n, /, *](x: ArrayArgument, n: i64) -> PyArray =
        wrap(core::matrix_power(&x.0, n));
    /// A diagonal of matrices.
    diagonal[x, /, *, offset = 0](x: ArrayArgument, offset: i64) -> PyArray =
        wrap(core::diagonal(&x.0, offset));
    /// The sum of a diagonal.
    trace[x, /, *, offset = 0](x: ArrayArgument, offset: i64) -> PyArray =
        wrap(core::trace(&x.0, offset));
    /// Matrices with rows and columns exchanged.
    matrix_transpose[x, /, *](x: ArrayArgument) -> PyArray = wrap(ops::swapaxes(&x.0, -1, -2));
    /// All products of an element of one and an element of the other.
    outer[x1, x2, /, *](x1: ArrayArgument, x2: ArrayArgument) -> PyArray =
        wrap(ops::outer(&x1.0, &x2.0));
}

/// Singular vectors and values, or values alone.
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
        let (u, s, vt) = wrap_triple(core::svd(&a.0, full_matrices))?;
        return Ok((u, s, vt).into_pyobject(py)?.into_any());
    }
    let values = wrap(core::svdvals(&a.0))?;
    Ok(Bound::new(py, values)?.into_any())
}

/// Adds the submodule.
pub(crate) fn register_all(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = crate::add_submodule(parent, "linalg")?;
    register(&module)?;
    module.add_function(wrap_pyfunction!(svd, &module)?)?;
    // the main module has the general norm under another name
    parent.add("matrix_norm", module.getattr("norm")?)?;
    for name in ["matmul", "vecdot", "tensordot"] {
        module.add(name, parent.getattr(name)?)?;
    }
    Ok(())
}

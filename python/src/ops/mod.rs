//! Functions of the module, by the families of the Rust library.

mod contract;
mod create;
mod depend;
mod diagonal;
mod difference;
mod einsum;
mod elementwise;
mod fast;
mod fft;
mod gather_product;
mod grid;
mod index;
mod join;
mod linalg;
mod quantized;
mod reduce;
mod sort;
mod unique;
pub(crate) mod view;

use pyo3::prelude::*;

/// Defines Python functions that take a `stream` and registers them.
///
/// `functions! { name(signature)(arguments) -> result = body; }` expands to a `#[pyfunction]`
/// that enters the stream's scope and runs the body, and to `register`. Such functions may look at
/// sizes, unlike the purely elementwise ones, which are defined elsewhere. Among the attributes
/// may be `#[pyo3(name = …, text_signature = …)]`, for names that Rust has taken and for defaults
/// that PyO3 cannot show.
macro_rules! functions {
    ($(
        $(#[$doc:meta])*
        $name:ident[$($signature:tt)*]($($argument:ident: $kind:ty),*) -> $result:ty = $body:expr;
    )*) => {
        $(
            #[pyo3::pyfunction]
            #[pyo3(signature = ($($signature)*, stream = None))]
            $(#[$doc])*
            #[allow(unused_variables)]
            fn $name(
                $($argument: $kind,)*
                stream: Option<&pyo3::Bound<'_, pyo3::PyAny>>,
            ) -> pyo3::PyResult<$result> {
                crate::compile::note_call(stringify!($name));
                let _scope = crate::device::enter(stream)?;
                $body
            }
        )*

        pub(crate) fn register(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
            use pyo3::types::PyModuleMethods;
            $(module.add_function(pyo3::wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}
pub(crate) use functions;

/// Other names of functions.
const ALIASES: [(&str, &str); 17] = [
    ("acos", "arccos"),
    ("acosh", "arccosh"),
    ("asin", "arcsin"),
    ("asinh", "arcsinh"),
    ("atan", "arctan"),
    ("atanh", "arctanh"),
    ("atan2", "arctan2"),
    ("bitwise_left_shift", "left_shift"),
    ("bitwise_right_shift", "right_shift"),
    ("concat", "concatenate"),
    ("conj", "conjugate"),
    ("cumulative_prod", "cumprod"),
    ("cumulative_sum", "cumsum"),
    ("empty", "zeros"),
    ("empty_like", "zeros_like"),
    ("permute_dims", "transpose"),
    ("pow", "power"),
];

/// Adds all functions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    elementwise::register(module)?;
    create::register(module)?;
    view::register(module)?;
    join::register(module)?;
    index::register(module)?;
    reduce::register(module)?;
    sort::register(module)?;
    unique::register(module)?;
    diagonal::register(module)?;
    difference::register(module)?;
    grid::register(module)?;
    contract::register(module)?;
    quantized::register(module)?;
    gather_product::register(module)?;
    einsum::register(module)?;
    depend::register(module)?;
    let fast_module = crate::add_submodule(module, "fast")?;
    fast::register(&fast_module)?;
    crate::kernels::register(&fast_module)?;
    fast::register_core(module)?;
    fft::register(&crate::add_submodule(module, "fft")?)?;
    linalg::register_all(module)?;
    for (alias, name) in ALIASES {
        module.add(alias, module.getattr(name)?)?;
    }
    Ok(())
}

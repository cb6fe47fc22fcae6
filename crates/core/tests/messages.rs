//! What errors say, by family of operations: each names the operation and what does not fit.

use mlx_oxide_core::ops::{self, fast, random};
use mlx_oxide_core::{Array, Dtype, Result, Shape, transforms};
use mlx_oxide_ir::{Combine, Convolution};

/// An array of a dtype and shape.
fn of(dtype: Dtype, shape: impl Into<Shape>) -> Array {
    ops::zeros(shape, dtype).expect("the shape is small")
}

fn floats(shape: impl Into<Shape>) -> Array {
    of(Dtype::Float32, shape)
}

fn integers(shape: impl Into<Shape>) -> Array {
    of(Dtype::Int32, shape)
}

/// The messages of several calls that fail, a line for each.
struct Messages(Vec<String>);

impl Messages {
    fn new() -> Self {
        mlx_oxide_cpu::install();
        mlx_oxide_reference::install();
        Messages(Vec::new())
    }

    /// One more call, which must fail when the graph is built, as a user's mistake.
    fn of<T>(mut self, call: &str, result: Result<T>) -> Self {
        self.0.push(match result {
            Ok(_) => format!("{call}: no error"),
            Err(error) => format!("{call}: {:?}: {error}", error.class()),
        });
        self
    }

    fn finish(self) -> String {
        for message in &self.0 {
            assert!(!message.ends_with("no error"), "{message}");
            assert!(!message.contains("internal error"), "{message}");
        }
        self.0.join("\n")
    }
}

#[test]
fn of_elementwise_operations() {
    let (a, b) = (floats([2, 3]), floats([4]));
    let messages = Messages::new()
        .of("add", ops::add(&a, &b))
        .of("power", ops::power(&a, &b))
        .of("less", ops::less(&a, &b))
        .of("where", ops::select(&of(Dtype::Bool, [3, 3]), &a, &a))
        .of("bitwise_and of floats", ops::bitwise_and(&a, &a))
        .of("left_shift of floats", ops::left_shift(&a, &a))
        .of("bitwise_invert of floats", ops::bitwise_invert(&a))
        .of("remainder of complex", {
            let z = of(Dtype::Complex64, [2]);
            ops::remainder(&z, &z)
        })
        .of("floor of complex", ops::floor(&of(Dtype::Complex64, [2])))
        .of("arctan2 of complex", {
            let z = of(Dtype::Complex64, [2]);
            ops::arctan2(&z, &z)
        });
    insta::assert_snapshot!(messages.finish());
}

#[test]
fn of_views() {
    let a = floats([2, 3]);
    let messages = Messages::new()
        .of("reshape", ops::reshape(&a, &[4, 2]))
        .of("reshape by two unknown sizes", ops::reshape(&a, &[-1, -1]))
        .of("reshape by an unknown size", ops::reshape(&a, &[4, -1]))
        .of("transpose by too few axes", ops::transpose(&a, &[0]))
        .of("transpose by one axis twice", ops::transpose(&a, &[0, 0]))
        .of("swapaxes", ops::swapaxes(&a, 0, 2))
        .of("moveaxis", ops::moveaxis(&a, -3, 0))
        .of("broadcast_to", ops::broadcast_to(&a, [2, 4]))
        .of("broadcast_to fewer axes", ops::broadcast_to(&a, [3]))
        .of("expand_dims", ops::expand_dims(&a, &[4]))
        .of("squeeze", ops::squeeze(&a, Some(&[1])))
        .of("flatten backwards", ops::flatten(&a, 1, 0))
        .of("unflatten", ops::unflatten(&a, 1, &[2, 2]))
        .of("flip", ops::flip(&a, &[2]))
        .of("view", ops::view(&floats([3]), Dtype::Complex64))
        .of(
            "as_strided",
            ops::as_strided(&a, [4, 2], [2, 1].as_slice().into(), 1),
        );
    insta::assert_snapshot!(messages.finish());
}

#[test]
fn of_joining_and_indexing() {
    let (a, b) = (floats([2, 3]), floats([2, 4]));
    let (rows, one) = (integers([2]), Array::scalar(1f32).unwrap());
    let messages = Messages::new()
        .of("concatenate", ops::concatenate(&[&a, &b], 0))
        .of("concatenate nothing", ops::concatenate(&[], 0))
        .of("concatenate along", ops::concatenate(&[&a, &a], 2))
        .of("stack", ops::stack(&[&a, &b], 0))
        .of("split", ops::split(&a, 2, 1))
        .of("pad", ops::pad(&a, &[(1, 1)], &one))
        .of(
            "pad with an array",
            ops::pad(&a, &[(1, 1), (0, 0)], &floats([2])),
        )
        .of("take along", ops::take(&a, &rows, 2))
        .of("take by floats", ops::take(&a, &one, 0))
        .of("take_along_axis", ops::take_along_axis(&a, &rows, 0))
        .of("gather", ops::gather(&a, &[&rows], &[0], [3, 3].into()))
        .of(
            "gather by too few",
            ops::gather(&a, &[&rows], &[0, 1], [1, 1].into()),
        )
        .of(
            "scatter",
            ops::scatter(&a, &[&rows], &floats([2, 1, 4]), &[0], Combine::Add),
        )
        .of("put_along_axis", {
            ops::put_along_axis(&a, &integers([2, 3]), &floats([5, 3]), 0, Combine::Replace)
        })
        .of(
            "dynamic_slice",
            ops::dynamic_slice(&a, &integers([2]), &[0, 1], [3, 3].into()),
        )
        .of("dynamic_slice by too few", {
            ops::dynamic_slice(&a, &integers([1]), &[0, 1], [1, 1].into())
        });
    insta::assert_snapshot!(messages.finish());
}

#[test]
fn of_reductions_scans_and_sorts() {
    let (a, empty) = (floats([2, 3]), floats([0, 3]));
    let messages = Messages::new()
        .of("sum", ops::sum(&a, Some(&[2]), false))
        .of(
            "prod over one axis twice",
            ops::prod(&a, Some(&[0, -2]), false),
        )
        .of("max of nothing", ops::max(&empty, Some(&[0]), false))
        .of("min of nothing", ops::min(&empty, None, false))
        .of("logsumexp", ops::logsumexp(&a, Some(&[-3]), false))
        .of("mean", ops::mean(&a, Some(&[5]), false))
        .of("argmax", ops::argmax(&a, Some(2), false))
        .of("argmin of nothing", ops::argmin(&empty, Some(0), false))
        .of("cumsum", ops::cumsum(&a, Some(2), false, true))
        .of("cumprod", ops::cumprod(&a, Some(-3), false, true))
        .of("logcumsumexp of integers along", {
            ops::logcumsumexp(&a, Some(2), false, true)
        })
        .of("sort", ops::sort(&a, Some(2)))
        .of("argsort", ops::argsort(&a, Some(-3)))
        .of("partition", ops::partition(&a, 3, Some(1)))
        .of("argpartition", ops::argpartition(&a, -4, Some(1)))
        .of("topk", ops::topk(&a, 4, Some(1)))
        .of("searchsorted", ops::searchsorted(&a, &a, false));
    insta::assert_snapshot!(messages.finish());
}

#[test]
fn of_products_and_convolutions() {
    let plain = |groups| Convolution {
        stride: [1].as_slice().into(),
        padding_low: [0].as_slice().into(),
        padding_high: [0].as_slice().into(),
        kernel_dilation: [1].as_slice().into(),
        input_dilation: [1].as_slice().into(),
        groups,
        flip: false,
    };
    let conv = |input: [usize; 3], weight: [usize; 3], groups| {
        ops::conv_general(&floats(input), &floats(weight), plain(groups))
    };
    let messages = Messages::new()
        .of("matmul", ops::matmul(&floats([2, 3]), &floats([4, 5])))
        .of(
            "matmul of a scalar",
            ops::matmul(&floats([]), &floats([4, 5])),
        )
        .of(
            "matmul of stacks",
            ops::matmul(&floats([2, 2, 3]), &floats([3, 3, 2])),
        )
        .of(
            "matmul of integers",
            ops::matmul(&integers([2, 3]), &integers([3, 2])),
        )
        .of(
            "addmm",
            ops::addmm(&floats([3, 3]), &floats([2, 3]), &floats([3, 2]), 1.0, 1.0),
        )
        .of(
            "addmm inside",
            ops::addmm(&floats([2, 2]), &floats([2, 3]), &floats([2, 2]), 1.0, 1.0),
        )
        .of("inner", ops::inner(&floats([3]), &floats([4])))
        .of(
            "tensordot",
            ops::tensordot(&floats([2, 3]), &floats([4, 3]), 1),
        )
        .of("conv of other channels", conv([1, 5, 3], [2, 3, 4], 1))
        .of("conv in groups", conv([1, 5, 3], [2, 3, 3], 2))
        .of(
            "conv with a kernel longer than the input",
            conv([1, 2, 3], [2, 3, 3], 1),
        )
        .of("conv1d of a matrix", {
            ops::conv_general(&floats([5, 3]), &floats([2, 3, 3]), plain(1))
        });
    insta::assert_snapshot!(messages.finish());
}

#[test]
fn of_fast_operations() {
    let a = floats([2, 4, 6]);
    let attention = |queries: [usize; 4], keys: [usize; 4], values: [usize; 4]| {
        let (queries, keys, values) = (floats(queries), floats(keys), floats(values));
        fast::scaled_dot_product_attention(&queries, &keys, &values, 1.0, fast::Mask::None, None)
    };
    let messages = Messages::new()
        .of("softmax", fast::softmax(&a, Some(&[3]), false))
        .of("rms_norm", fast::rms_norm(&a, Some(&floats([5])), 1e-5))
        .of(
            "rms_norm of a scalar",
            fast::rms_norm(&floats([]), None, 1e-5),
        )
        .of(
            "layer_norm",
            fast::layer_norm(&a, Some(&floats([6])), Some(&floats([4])), 1e-5),
        )
        .of(
            "attention with other keys",
            attention([1, 2, 3, 8], [1, 2, 3, 4], [1, 2, 3, 4]),
        )
        .of(
            "attention with other values",
            attention([1, 2, 3, 8], [1, 2, 3, 8], [1, 2, 4, 8]),
        )
        .of("attention with heads that do not divide", {
            attention([1, 3, 3, 8], [1, 2, 3, 8], [1, 2, 3, 8])
        });
    insta::assert_snapshot!(messages.finish());
}

#[test]
fn of_sources_and_random_numbers() {
    let messages = Messages::new()
        .of(
            "arange without a step",
            ops::arange(0.0, 1.0, 0.0, Dtype::Float32),
        )
        .of(
            "arange to infinity",
            ops::arange(0.0, f64::INFINITY, 1.0, Dtype::Float32),
        )
        .of(
            "zeros beyond the address space",
            ops::zeros([1 << 40, 1 << 40], Dtype::Float32),
        )
        .of(
            "array of too few elements",
            Array::from_slice(&[1f32, 2.0], [3]),
        )
        .of(
            "bits of a width",
            random::bits([2], 3, Some(&random::key(0).unwrap())),
        )
        .of(
            "bits of a key that is none",
            random::bits([2], 4, Some(&floats([2]))),
        )
        .of(
            "bits of a key of three",
            random::bits([2], 4, Some(&of(Dtype::Uint32, [3]))),
        );
    insta::assert_snapshot!(messages.finish());
}

#[test]
fn of_reading() {
    let a = floats([2, 3]);
    let place = Array::from_slice(&[0i32, 5], [2]).unwrap();
    let messages = Messages::new()
        .of("item", a.item::<f32>())
        .of("item of another dtype", floats([]).item::<i32>())
        .of("to_vec of another dtype", a.to_vec::<f64>())
        .of(
            "take out of bounds",
            ops::take(&a, &place, 0).and_then(|taken| taken.eval()),
        )
        .of("take_along_axis out of bounds", {
            let places = ops::broadcast_to(&place, [2, 2]).unwrap();
            ops::take_along_axis(&a, &places, 1).and_then(|taken| taken.eval())
        });
    insta::assert_snapshot!(messages.finish());
}

#[test]
fn of_transforms() {
    let (a, one) = (floats([2, 3]), Array::scalar(1f32).unwrap());
    let same = |x: &[Array]| Ok(x.to_vec());
    let (lone, pair) = (std::slice::from_ref(&a), [a.clone(), floats([4, 3])]);
    let messages = Messages::new()
        .of("grad of no scalar", transforms::grad(same, lone, &[0]))
        .of(
            "grad by an argument too many",
            transforms::grad(same, lone, &[1]),
        )
        .of(
            "grad of nothing",
            transforms::grad(|_| Ok(Vec::new()), lone, &[0]),
        )
        .of(
            "vjp with another shape",
            transforms::vjp(same, lone, std::slice::from_ref(&one)),
        )
        .of("vjp with too few", transforms::vjp(same, lone, &[]))
        .of(
            "jvp with another shape",
            transforms::jvp(same, lone, std::slice::from_ref(&one)),
        )
        .of("jvp with too few", transforms::jvp(same, lone, &[]))
        .of(
            "vmap over other sizes",
            transforms::vmap(same, &pair, &[Some(0), Some(0)], &[]),
        )
        .of(
            "vmap over an axis too many",
            transforms::vmap(same, lone, &[Some(2)], &[]),
        )
        .of(
            "vmap over nothing",
            transforms::vmap(same, lone, &[None], &[]),
        )
        .of(
            "vmap with too few axes",
            transforms::vmap(same, &pair, &[Some(0)], &[]),
        )
        .of(
            "vmap into an axis too many",
            transforms::vmap(same, lone, &[Some(0)], &[Some(2)]),
        )
        .of(
            "vmap into no axis",
            transforms::vmap(same, lone, &[Some(0)], &[None]),
        )
        .of("vmap that reads", {
            let read = |x: &[Array]| x[0].to_vec::<f32>().map(|_| x.to_vec());
            transforms::vmap(read, lone, &[Some(0)], &[])
        })
        .of("vmap of what fails inside", {
            let product = |x: &[Array]| ops::matmul(&x[0], &x[0]).map(|product| vec![product]);
            transforms::vmap(product, &[floats([5, 2, 3])], &[Some(0)], &[])
        });
    insta::assert_snapshot!(messages.finish());
}

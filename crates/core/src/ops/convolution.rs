//! Convolutions.

use super::{unary, view};
use crate::array::Array;
use mlx_oxide_ir::{Contract, Convolution, Error, Op, Result, result_type};
use smallvec::{SmallVec, smallvec};

/// The convolution (in the sense of neural networks: no flip unless asked) of an input
/// `(N, spatial…, C_in)` with a weight `(C_out, kernel…, C_in/groups)`.
///
/// # Errors
/// Channels that do not fit the groups, zero strides, a padded input smaller than the kernel.
pub fn conv_general(input: &Array, weight: &Array, convolution: Convolution) -> Result<Array> {
    let dtype = result_type(input.dtype(), weight.dtype());
    let input = unary::astype(input, dtype)?;
    let weight = unary::astype(weight, dtype)?;
    Array::apply(
        Op::Contract(Contract::Convolution(Box::new(convolution))),
        &[&input, &weight],
    )
}

/// A convolution with one stride, padding and dilation per spatial axis.
pub fn convolution(
    input: &Array,
    weight: &Array,
    stride: &[usize],
    padding: &[usize],
    dilation: &[usize],
    groups: usize,
) -> Result<Array> {
    let padding: SmallVec<[isize; 3]> = padding.iter().map(|width| *width as isize).collect();
    conv_general(
        input,
        weight,
        Convolution {
            stride: SmallVec::from_slice(stride),
            padding_low: padding.clone(),
            padding_high: padding,
            kernel_dilation: SmallVec::from_slice(dilation),
            input_dilation: smallvec![1; stride.len()],
            groups,
            flip: false,
        },
    )
}

/// [`convolution`] of `(N, H, W, C_in)` with `(C_out, kH, kW, C_in/groups)`.
pub fn conv2d(
    input: &Array,
    weight: &Array,
    stride: (usize, usize),
    padding: (usize, usize),
    dilation: (usize, usize),
    groups: usize,
) -> Result<Array> {
    expect_spatial("conv2d", input, 2)?;
    let pair = |(first, second): (usize, usize)| [first, second];
    convolution(
        input,
        weight,
        &pair(stride),
        &pair(padding),
        &pair(dilation),
        groups,
    )
}

/// [`convolution`] of `(N, D, H, W, C_in)` with `(C_out, kD, kH, kW, C_in/groups)`.
pub fn conv3d(
    input: &Array,
    weight: &Array,
    stride: [usize; 3],
    padding: [usize; 3],
    dilation: [usize; 3],
    groups: usize,
) -> Result<Array> {
    expect_spatial("conv3d", input, 3)?;
    convolution(input, weight, &stride, &padding, &dilation, groups)
}

/// [`convolution`] of `(N, L, C_in)` with `(C_out, k, C_in/groups)`.
pub fn conv1d(
    input: &Array,
    weight: &Array,
    stride: usize,
    padding: usize,
    dilation: usize,
    groups: usize,
) -> Result<Array> {
    expect_spatial("conv1d", input, 1)?;
    convolution(input, weight, &[stride], &[padding], &[dilation], groups)
}

/// The transpose of a [`convolution`] in its input: `(N, spatial…, C_in)` with
/// `(C_out, kernel…, C_in/groups)`.
///
/// `padding` is that of the convolution which this transposes, and `output_padding` lengthens the
/// far side of each axis of the result.
///
/// # Errors
/// As [`convolution`]; arguments that are not one for each spatial axis.
pub fn convolution_transpose(
    input: &Array,
    weight: &Array,
    stride: &[usize],
    padding: &[usize],
    dilation: &[usize],
    output_padding: &[usize],
    groups: usize,
) -> Result<Array> {
    let spatial = stride.len();
    for (argument, numbers) in [
        ("padding", padding),
        ("dilation", dilation),
        ("output_padding", output_padding),
    ] {
        if numbers.len() != spatial {
            return Err(Error::InvalidArgument {
                op: "conv_transpose",
                argument,
                value: format!("{numbers:?}"),
                expected: "one number for each spatial axis",
            });
        }
    }
    for operand in [input, weight] {
        expect_spatial("conv_transpose", operand, spatial)?;
    }
    let reach = |axis: usize| (weight.shape()[axis + 1].max(1) - 1).saturating_mul(dilation[axis]);
    let low: SmallVec<[isize; 3]> = (0..spatial)
        .map(|axis| reach(axis) as isize - padding[axis] as isize)
        .collect();
    let high = (0..spatial)
        .map(|axis| low[axis].saturating_add(output_padding[axis] as isize))
        .collect();
    conv_general(
        input,
        weight,
        Convolution {
            stride: smallvec![1; spatial],
            padding_low: low,
            padding_high: high,
            kernel_dilation: SmallVec::from_slice(dilation),
            input_dilation: SmallVec::from_slice(stride),
            groups,
            flip: true,
        },
    )
}

macro_rules! transposed {
    ($($name:ident $spatial:literal $formula:literal;)*) => {$(
        #[doc = $formula]
        ///
        /// # Errors
        /// As [`convolution_transpose`].
        pub fn $name(
            input: &Array,
            weight: &Array,
            stride: [usize; $spatial],
            padding: [usize; $spatial],
            dilation: [usize; $spatial],
            output_padding: [usize; $spatial],
            groups: usize,
        ) -> Result<Array> {
            expect_spatial(stringify!($name), input, $spatial)?;
            convolution_transpose(
                input, weight, &stride, &padding, &dilation, &output_padding, groups,
            )
        }
    )*};
}
transposed! {
    conv_transpose1d 1 "[`convolution_transpose`] along one axis.";
    conv_transpose2d 2 "[`convolution_transpose`] along two axes.";
    conv_transpose3d 3 "[`convolution_transpose`] along three axes.";
}

fn expect_spatial(op: &'static str, input: &Array, spatial: usize) -> Result<()> {
    if input.ndim() == spatial + 2 {
        return Ok(());
    }
    Err(Error::ShapeUnsuitable {
        op,
        rule: "the input must be (N, spatial…, C)",
        shape: input.shape().clone(),
    })
}

/// Which part of the whole convolution of two vectors [`convolve`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Every place where they overlap.
    Full,
    /// As many places as the longer has, in the middle.
    Same,
    /// The places where they overlap wholly.
    Valid,
}

/// The convolution `Σᵢ a[i]·v[n - i]` of two vectors.
///
/// # Errors
/// Empty arrays; other than one axis; dtypes that are neither floating nor complex.
pub fn convolve(a: &Array, v: &Array, extent: Extent) -> Result<Array> {
    let mismatch = |rule| {
        Err(Error::ShapeMismatch {
            op: "convolve",
            rule,
            lhs: a.shape().clone(),
            rhs: v.shape().clone(),
        })
    };
    if a.ndim() != 1 || v.ndim() != 1 {
        return mismatch("both arrays must have one axis");
    }
    if a.size() == 0 || v.size() == 0 {
        return mismatch("both arrays must have elements");
    }
    let (input, kernel) = if a.size() < v.size() { (v, a) } else { (a, v) };
    let reach = kernel.size() - 1;
    let (low, high) = match extent {
        Extent::Full => (reach, reach),
        Extent::Same => (reach - reach / 2, reach / 2),
        Extent::Valid => (0, 0),
    };
    let convolution = Convolution {
        stride: smallvec![1],
        padding_low: smallvec![low as isize],
        padding_high: smallvec![high as isize],
        kernel_dilation: smallvec![1],
        input_dilation: smallvec![1],
        groups: 1,
        flip: true,
    };
    let input = view::reshape_to(input, [1, input.size(), 1])?;
    let kernel = view::reshape_to(kernel, [1, kernel.size(), 1])?;
    let result = conv_general(&input, &kernel, convolution)?;
    view::reshape_to(&result, [result.size()])
}

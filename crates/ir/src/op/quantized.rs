//! Matrices of few bits: how they are packed, and operations on them.

use crate::dtype::Dtype;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// What the bits of an element and the scale of its group mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum QuantizationMode {
    /// `scale·q + bias` with an unsigned integer `q`; scales and biases are floats.
    Affine,
    /// OCP microscaling: E2M1 elements, a power of two (E8M0) for each 32.
    Mxfp4,
    /// OCP microscaling: E4M3 elements, a power of two (E8M0) for each 32.
    Mxfp8,
    /// E2M1 elements, an E4M3 scale for each 16.
    Nvfp4,
}

impl QuantizationMode {
    /// Its public name.
    pub const fn name(self) -> &'static str {
        match self {
            QuantizationMode::Affine => "affine",
            QuantizationMode::Mxfp4 => "mxfp4",
            QuantizationMode::Mxfp8 => "mxfp8",
            QuantizationMode::Nvfp4 => "nvfp4",
        }
    }

    /// The mode of a name.
    ///
    /// # Errors
    /// Another name.
    pub fn parse(op: &'static str, name: &str) -> Result<Self> {
        match name {
            "affine" => Ok(QuantizationMode::Affine),
            "mxfp4" => Ok(QuantizationMode::Mxfp4),
            "mxfp8" => Ok(QuantizationMode::Mxfp8),
            "nvfp4" => Ok(QuantizationMode::Nvfp4),
            _ => Err(Error::InvalidArgument {
                op,
                argument: "mode",
                value: format!("{name:?}"),
                expected: "\"affine\", \"mxfp4\", \"mxfp8\" or \"nvfp4\"",
            }),
        }
    }
}

/// How the rows of a matrix are packed into 32-bit words: element after element, `bits` each,
/// from the lowest bit of the first word on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Packing {
    /// What bits and scales mean.
    pub mode: QuantizationMode,
    /// Bits of an element.
    pub bits: usize,
    /// Neighbours in a row that share a scale.
    pub group_size: usize,
}

impl Packing {
    /// The packing of a mode; what is not given takes the mode's default.
    ///
    /// # Errors
    /// Bits or a group size that the mode has not.
    pub fn new(
        op: &'static str,
        mode: QuantizationMode,
        group_size: Option<usize>,
        bits: Option<usize>,
    ) -> Result<Self> {
        let (default_group, default_bits) = match mode {
            QuantizationMode::Affine => (64, 4),
            QuantizationMode::Mxfp4 => (32, 4),
            QuantizationMode::Mxfp8 => (32, 8),
            QuantizationMode::Nvfp4 => (16, 4),
        };
        let packing = Packing {
            mode,
            bits: bits.unwrap_or(default_bits),
            group_size: group_size.unwrap_or(default_group),
        };
        packing.check(op)?;
        Ok(packing)
    }

    /// Fails unless the mode has such bits and groups.
    pub fn check(&self, op: &'static str) -> Result<()> {
        let (groups, bits): (&[usize], &[usize]) = match self.mode {
            QuantizationMode::Affine => (&[32, 64, 128], &[1, 2, 3, 4, 5, 6, 8]),
            QuantizationMode::Mxfp4 => (&[32], &[4]),
            QuantizationMode::Mxfp8 => (&[32], &[8]),
            QuantizationMode::Nvfp4 => (&[16], &[4]),
        };
        let invalid = |argument, value: usize, expected| {
            Err(Error::InvalidArgument {
                op,
                argument,
                value: value.to_string(),
                expected,
            })
        };
        if !groups.contains(&self.group_size) {
            let expected = match self.mode {
                QuantizationMode::Affine => "32, 64 or 128 in mode affine",
                QuantizationMode::Mxfp4 => "32 in mode mxfp4",
                QuantizationMode::Mxfp8 => "32 in mode mxfp8",
                QuantizationMode::Nvfp4 => "16 in mode nvfp4",
            };
            return invalid("group_size", self.group_size, expected);
        }
        if !bits.contains(&self.bits) {
            let expected = match self.mode {
                QuantizationMode::Affine => "1, 2, 3, 4, 5, 6 or 8 in mode affine",
                QuantizationMode::Mxfp4 => "4 in mode mxfp4",
                QuantizationMode::Mxfp8 => "8 in mode mxfp8",
                QuantizationMode::Nvfp4 => "4 in mode nvfp4",
            };
            return invalid("bits", self.bits, expected);
        }
        Ok(())
    }

    /// Whether groups have a bias beside their scale.
    pub fn has_biases(&self) -> bool {
        self.mode == QuantizationMode::Affine
    }

    /// Words of a row of so many elements.
    pub fn words(&self, elements: usize) -> usize {
        elements / 32 * self.bits + elements % 32 * self.bits / 32
    }

    /// Elements of a row of so many words; whole groups only.
    pub fn elements(&self, words: usize) -> usize {
        words * 32 / self.bits
    }

    /// Arrays that describe a packed matrix: words, scales and perhaps biases.
    pub fn parts(&self) -> usize {
        2 + usize::from(self.has_biases())
    }
}

/// An operation on packed matrices or on numbers of eight bits. `packed` stands for the arrays of
/// a matrix `(…, rows, columns)`: words `(…, rows, columns·bits/32)` in `uint32`, scales
/// `(…, rows, columns/group_size)` and, in mode affine, biases of the scales' shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Quantized {
    /// Rows of the input packed; outputs words, scales and, in mode affine, biases.
    ///
    /// In mode affine every step is one of `float32`: of the group's least and greatest element,
    /// `edge` is the one that is greater in modulus, `scale` runs from it to the other in
    /// `2^bits - 1` steps and is then stretched such that zero is a whole number of steps from
    /// `edge`, which is the bias; `q = round((x - bias)/scale)`. With one bit the bias is the least
    /// element and `scale` the distance to the greatest.
    ///
    /// In the other modes the scale is the greatest modulus over the greatest element, rounded up
    /// to a power of two or, in mode nvfp4, to the nearest E4M3 number.
    Quantize {
        /// How.
        packing: Packing,
        /// Whether a second input, one `float32`, gives the greatest modulus of the whole matrix.
        global: bool,
    },
    /// Packed rows as numbers. Inputs: packed, then the scalar of `global` if there is one.
    Dequantize {
        /// How they are packed.
        packing: Packing,
        /// Dtype of the result. In mode affine that of the scales.
        dtype: Dtype,
        /// Whether a last input, one `float32`, gives the greatest modulus of the whole matrix.
        global: bool,
    },
    /// Every element moved to the number that quantizing and dequantizing makes of it. Its
    /// derivative is that of the identity. Inputs as of [`Quantized::Quantize`].
    Requantize {
        /// How.
        packing: Packing,
        /// Whether a second input, one `float32`, gives the greatest modulus of the whole matrix.
        global: bool,
    },
    /// `x × w`, or `x × wᵀ` if `transpose`. Inputs: x `(…, m, k)`, packed w with the same leading
    /// axes.
    Matmul {
        /// How w is packed.
        packing: Packing,
        /// Whether the rows of w are the columns of the product.
        transpose: bool,
    },
    /// As [`Quantized::Matmul`] for the matrices that the last two inputs (`uint32`, of one shape)
    /// pick from the leading axes of x and w, counted in row-major order.
    GatherMatmul {
        /// How w is packed.
        packing: Packing,
        /// Whether the rows of w are the columns of the product.
        transpose: bool,
        /// Whether the indices of w ascend.
        sorted: bool,
    },
    /// The nearest E4M3 numbers, as `uint8`; what is too great becomes the greatest.
    ToFp8,
    /// E4M3 numbers, given as `uint8`, as floats.
    FromFp8 {
        /// Dtype of the result.
        dtype: Dtype,
    },
}

impl Quantized {
    /// Its public name.
    pub const fn name(&self) -> &'static str {
        match self {
            Quantized::Quantize { .. } => "quantize",
            Quantized::Dequantize { .. } => "dequantize",
            Quantized::Requantize { .. } => "qqmm",
            Quantized::Matmul { .. } => "quantized_matmul",
            Quantized::GatherMatmul { .. } => "gather_qmm",
            Quantized::ToFp8 => "to_fp8",
            Quantized::FromFp8 { .. } => "from_fp8",
        }
    }
}

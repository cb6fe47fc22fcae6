//! One element of any dtype.

use crate::dtype::Dtype;
use half::{bf16, f16};
use num_complex::Complex32;
use serde::{Deserialize, Serialize};

/// One element: a dtype and the bits of the value in the low bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scalar {
    dtype: Dtype,
    bits: u64,
}

impl Scalar {
    /// The element of `dtype` nearest to `value`. Integers wrap; `bool` is `value != 0`.
    pub fn new(value: f64, dtype: Dtype) -> Self {
        let bits = match dtype {
            Dtype::Bool => u64::from(value != 0.0),
            Dtype::Float16 => u64::from(f16::from_f64(value).to_bits()),
            Dtype::Bfloat16 => u64::from(bf16::from_f64(value).to_bits()),
            Dtype::Float32 => u64::from((value as f32).to_bits()),
            Dtype::Float64 => value.to_bits(),
            Dtype::Complex64 => u64::from((value as f32).to_bits()),
            Dtype::Uint64 if value >= 0.0 => value as u64,
            Dtype::Uint8
            | Dtype::Uint16
            | Dtype::Uint32
            | Dtype::Uint64
            | Dtype::Int8
            | Dtype::Int16
            | Dtype::Int32
            | Dtype::Int64 => truncate(value as i64, dtype),
        };
        Scalar { dtype, bits }
    }

    /// The element of `dtype` equal to an integer, exactly where it fits, else wrapped.
    pub fn from_integer(value: i64, dtype: Dtype) -> Self {
        if dtype.is_integer() {
            Scalar {
                dtype,
                bits: truncate(value, dtype),
            }
        } else {
            Scalar::new(value as f64, dtype)
        }
    }

    /// A complex element; the imaginary part is lost where `dtype` is real.
    pub fn from_complex(value: Complex32, dtype: Dtype) -> Self {
        if dtype.is_complex() {
            let bits = u64::from(value.re.to_bits()) | (u64::from(value.im.to_bits()) << 32);
            Scalar { dtype, bits }
        } else {
            Scalar::new(f64::from(value.re), dtype)
        }
    }

    /// An element from the bits of its representation.
    pub fn from_bits(bits: u64, dtype: Dtype) -> Self {
        Scalar {
            dtype,
            bits: if dtype.size() == 8 {
                bits
            } else {
                bits & ((1 << (8 * dtype.size())) - 1)
            },
        }
    }

    /// Its dtype.
    pub fn dtype(self) -> Dtype {
        self.dtype
    }

    /// The bits of its representation, in the low bytes.
    pub fn bits(self) -> u64 {
        self.bits
    }

    /// Its bytes, in the order of this machine.
    pub fn bytes(self) -> ([u8; 8], usize) {
        (self.bits.to_le_bytes(), self.dtype.size())
    }

    /// The real part as a double.
    pub fn to_f64(self) -> f64 {
        match self.dtype {
            Dtype::Float16 => f16::from_bits(self.bits as u16).to_f64(),
            Dtype::Bfloat16 => bf16::from_bits(self.bits as u16).to_f64(),
            Dtype::Float32 | Dtype::Complex64 => f64::from(f32::from_bits(self.bits as u32)),
            Dtype::Float64 => f64::from_bits(self.bits),
            Dtype::Bool | Dtype::Uint8 | Dtype::Uint16 | Dtype::Uint32 | Dtype::Uint64 => {
                self.bits as f64
            }
            Dtype::Int8 | Dtype::Int16 | Dtype::Int32 | Dtype::Int64 => self.to_i64() as f64,
        }
    }

    /// The value as a 64-bit integer, sign-extended; `uint64` keeps its bits; floats truncate.
    pub fn to_i64(self) -> i64 {
        match self.dtype {
            Dtype::Int8 => i64::from(self.bits as i8),
            Dtype::Int16 => i64::from(self.bits as i16),
            Dtype::Int32 => i64::from(self.bits as i32),
            Dtype::Int64
            | Dtype::Bool
            | Dtype::Uint8
            | Dtype::Uint16
            | Dtype::Uint32
            | Dtype::Uint64 => self.bits as i64,
            Dtype::Float16
            | Dtype::Bfloat16
            | Dtype::Float32
            | Dtype::Float64
            | Dtype::Complex64 => self.to_f64() as i64,
        }
    }

    /// The value as a complex number.
    pub fn to_complex(self) -> Complex32 {
        if self.dtype.is_complex() {
            Complex32::new(
                f32::from_bits(self.bits as u32),
                f32::from_bits((self.bits >> 32) as u32),
            )
        } else {
            Complex32::new(self.to_f64() as f32, 0.0)
        }
    }
}

fn truncate(value: i64, dtype: Dtype) -> u64 {
    let bits = value as u64;
    if dtype.size() == 8 {
        bits
    } else {
        bits & ((1 << (8 * dtype.size())) - 1)
    }
}

impl std::fmt::Debug for Scalar {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.dtype {
            Dtype::Bool => write!(formatter, "{}", self.bits != 0),
            Dtype::Uint64 => write!(formatter, "{}uint64", self.bits),
            Dtype::Complex64 => write!(formatter, "{}", self.to_complex()),
            dtype if dtype.is_integer() => write!(formatter, "{}{dtype}", self.to_i64()),
            dtype => write!(formatter, "{}{dtype}", self.to_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_wrap_to_their_width() {
        assert_eq!(Scalar::from_integer(-1, Dtype::Uint8).to_i64(), 255);
        assert_eq!(Scalar::from_integer(300, Dtype::Int8).to_i64(), 44);
        assert_eq!(Scalar::from_integer(-1, Dtype::Uint64).bits(), u64::MAX);
    }

    #[test]
    fn values_survive_the_round_trip() {
        for dtype in Dtype::ALL.into_iter().filter(|dtype| *dtype != Dtype::Bool) {
            assert_eq!(Scalar::new(3.0, dtype).to_f64(), 3.0, "{dtype}");
        }
    }
}

//! One element as a number: read from its bytes exactly, written back with one rounding.

use half::{bf16, f16};
use mlx_oxide_ir::Dtype;
use num_complex::{Complex32, Complex64};

/// An element in a type wide enough for every dtype of its kind. Bools are the integers 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    /// Bool and the integers; arithmetic modulo 2¹²⁸ keeps the low bits of every width right.
    Integer(i128),
    /// The real floating dtypes.
    Real(f64),
    /// Complex numbers.
    Complex(Complex64),
}

impl Value {
    /// The element that these bytes, in the order of this machine, represent.
    pub(crate) fn decode(bytes: &[u8], dtype: Dtype) -> Self {
        match dtype {
            Dtype::Bool => Value::Integer(i128::from(bytes[0] != 0)),
            Dtype::Uint8 => Value::Integer(bytes[0].into()),
            Dtype::Uint16 => Value::Integer(bytemuck::pod_read_unaligned::<u16>(bytes).into()),
            Dtype::Uint32 => Value::Integer(bytemuck::pod_read_unaligned::<u32>(bytes).into()),
            Dtype::Uint64 => Value::Integer(bytemuck::pod_read_unaligned::<u64>(bytes).into()),
            Dtype::Int8 => Value::Integer(bytemuck::pod_read_unaligned::<i8>(bytes).into()),
            Dtype::Int16 => Value::Integer(bytemuck::pod_read_unaligned::<i16>(bytes).into()),
            Dtype::Int32 => Value::Integer(bytemuck::pod_read_unaligned::<i32>(bytes).into()),
            Dtype::Int64 => Value::Integer(bytemuck::pod_read_unaligned::<i64>(bytes).into()),
            Dtype::Float16 => Value::Real(bytemuck::pod_read_unaligned::<f16>(bytes).to_f64()),
            Dtype::Float32 => Value::Real(bytemuck::pod_read_unaligned::<f32>(bytes).into()),
            Dtype::Float64 => Value::Real(bytemuck::pod_read_unaligned::<f64>(bytes)),
            Dtype::Bfloat16 => Value::Real(bytemuck::pod_read_unaligned::<bf16>(bytes).to_f64()),
            Dtype::Complex64 => {
                let value = bytemuck::pod_read_unaligned::<Complex32>(bytes);
                Value::Complex(Complex64::new(value.re.into(), value.im.into()))
            }
        }
    }

    /// Writes the nearest element of `dtype`: integers wrap, floats round to the nearest with
    /// ties to even, bool is whether the value differs from zero.
    pub(crate) fn encode(self, dtype: Dtype, bytes: &mut [u8]) {
        match dtype {
            Dtype::Bool => bytes[0] = u8::from(self.is_nonzero()),
            Dtype::Uint8 | Dtype::Int8 => bytes[0] = self.integer() as u8,
            Dtype::Uint16 | Dtype::Int16 => put(bytes, self.integer() as u16),
            Dtype::Uint32 | Dtype::Int32 => put(bytes, self.integer() as u32),
            Dtype::Uint64 | Dtype::Int64 => put(bytes, self.integer() as u64),
            Dtype::Float16 => put(bytes, f16::from_f32(rounded_to_odd(self.real()))),
            Dtype::Float32 => put(bytes, self.real() as f32),
            Dtype::Float64 => put(bytes, self.real()),
            Dtype::Bfloat16 => put(bytes, bf16::from_f32(rounded_to_odd(self.real()))),
            Dtype::Complex64 => {
                let value = self.complex();
                put(bytes, Complex32::new(value.re as f32, value.im as f32));
            }
        }
    }

    /// The value that an element of `dtype` keeps of this one.
    pub(crate) fn rounded(self, dtype: Dtype) -> Self {
        let mut bytes = [0; 8];
        let bytes = &mut bytes[..dtype.size()];
        self.encode(dtype, bytes);
        Value::decode(bytes, dtype)
    }

    /// The value as `astype` converts it to `dtype`, before the rounding to that dtype.
    ///
    /// The imaginary part is lost in a real dtype. Floats lose their fraction in an integer
    /// dtype, saturate at 64 bits, then wrap; NaN becomes 0. What is wider than a 16-bit float
    /// goes by way of `float32`, as in MLX.
    pub(crate) fn cast(self, dtype: Dtype) -> Self {
        match dtype {
            Dtype::Float16 | Dtype::Bfloat16 => Value::Real(f64::from(self.single())),
            Dtype::Float32 => Value::Real(f64::from(self.single())),
            Dtype::Complex64 => Value::Complex(match self {
                Value::Complex(value) => value,
                Value::Integer(_) | Value::Real(_) => Complex64::new(self.single().into(), 0.0),
            }),
            Dtype::Uint64 => Value::Integer(match self {
                Value::Real(value) if value >= 0.0 => i128::from(value as u64),
                Value::Complex(value) if value.re >= 0.0 => i128::from(value.re as u64),
                Value::Integer(_) | Value::Real(_) | Value::Complex(_) => self.integer(),
            }),
            Dtype::Bool
            | Dtype::Uint8
            | Dtype::Uint16
            | Dtype::Uint32
            | Dtype::Int8
            | Dtype::Int16
            | Dtype::Int32
            | Dtype::Int64
            | Dtype::Float64 => self,
        }
    }

    /// Whether it differs from zero; NaN does.
    pub(crate) fn is_nonzero(self) -> bool {
        match self {
            Value::Integer(value) => value != 0,
            Value::Real(value) => value != 0.0,
            Value::Complex(value) => value.re != 0.0 || value.im != 0.0,
        }
    }

    /// Whether it, or a part of it, is no number.
    pub(crate) fn is_nan(self) -> bool {
        match self {
            Value::Integer(_) => false,
            Value::Real(value) => value.is_nan(),
            Value::Complex(value) => value.re.is_nan() || value.im.is_nan(),
        }
    }

    /// The real part.
    pub(crate) fn real(self) -> f64 {
        match self {
            Value::Integer(value) => value as f64,
            Value::Real(value) => value,
            Value::Complex(value) => value.re,
        }
    }

    /// The value as a complex number.
    pub(crate) fn complex(self) -> Complex64 {
        match self {
            Value::Integer(_) | Value::Real(_) => Complex64::new(self.real(), 0.0),
            Value::Complex(value) => value,
        }
    }

    /// The integer itself; of other numbers the real part without its fraction, saturated at 64
    /// bits.
    pub(crate) fn integer(self) -> i128 {
        match self {
            Value::Integer(value) => value,
            Value::Real(value) => i128::from(value as i64),
            Value::Complex(value) => i128::from(value.re as i64),
        }
    }

    fn single(self) -> f32 {
        match self {
            Value::Integer(value) => value as f32,
            Value::Real(value) => value as f32,
            Value::Complex(value) => value.re as f32,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Integer(value.into())
    }
}

fn put<T: bytemuck::NoUninit>(bytes: &mut [u8], value: T) {
    bytes.copy_from_slice(bytemuck::bytes_of(&value));
}

/// The single-precision neighbour with an odd last bit where `value` lies between two: rounding
/// it once more, to 16 bits, gives what rounding `value` itself would.
fn rounded_to_odd(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) == value || !nearest.is_finite() || nearest.to_bits() & 1 == 1 {
        return nearest;
    }
    // sign and magnitude: one more bit is away from zero
    let outward = value.abs() > f64::from(nearest.abs());
    let bits = nearest.to_bits();
    f32::from_bits(if outward { bits + 1 } else { bits - 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(value: f64, dtype: Dtype) -> f64 {
        Value::Real(value).rounded(dtype).real()
    }

    #[test]
    fn doubles_round_to_sixteen_bits_once() {
        let just_above_tie = 1.0 + 2f64.powi(-11) + 2f64.powi(-40);
        assert_eq!(
            rounded(just_above_tie, Dtype::Float16),
            1.0 + 2f64.powi(-10)
        );
        assert_eq!(rounded(1.0 + 2f64.powi(-11), Dtype::Float16), 1.0);
        assert_eq!(
            rounded(-1.0 - 2f64.powi(-8) - 2f64.powi(-40), Dtype::Bfloat16),
            -1.0 - 2f64.powi(-7)
        );
        assert_eq!(rounded(65519.999, Dtype::Float16), 65504.0);
        assert_eq!(rounded(65520.0, Dtype::Float16), f64::INFINITY);
        assert!(rounded(f64::NAN, Dtype::Bfloat16).is_nan());
        assert_eq!(rounded(2f64.powi(-25), Dtype::Float16), 0.0);
        assert_eq!(
            rounded(2f64.powi(-25) * (1.0 + 1e-12), Dtype::Float16),
            2f64.powi(-24)
        );
    }

    #[test]
    fn casts_to_sixteen_bits_go_by_way_of_single_precision_as_in_mlx() {
        let value = Value::Real(1.0 + 2f64.powi(-11) + 2f64.powi(-40));
        assert_eq!(
            value.cast(Dtype::Float16).rounded(Dtype::Float16),
            Value::Real(1.0)
        );
    }

    #[test]
    fn casts_to_integers_truncate_then_wrap() {
        let cast = |value: f64, dtype| Value::Real(value).cast(dtype).rounded(dtype).integer();
        assert_eq!(cast(-1.5, Dtype::Int32), -1);
        assert_eq!(cast(-1.0, Dtype::Uint8), 255);
        assert_eq!(cast(300.7, Dtype::Int8), 44);
        assert_eq!(cast(f64::NAN, Dtype::Int32), 0);
        assert_eq!(cast(1e19, Dtype::Uint64), 10_000_000_000_000_000_000);
        assert_eq!(cast(f64::NAN, Dtype::Bool), 1);
    }

    #[test]
    fn elements_survive_the_round_trip() {
        for (value, dtype) in [
            (Value::Integer(u64::MAX.into()), Dtype::Uint64),
            (Value::Integer(i64::MIN.into()), Dtype::Int64),
            (Value::Integer(-7), Dtype::Int8),
            (Value::Real(-1.5), Dtype::Float16),
            (Value::Real(1e-300), Dtype::Float64),
            (Value::Complex(Complex64::new(1.5, -2.0)), Dtype::Complex64),
        ] {
            assert_eq!(value.rounded(dtype), value);
        }
    }
}

//! Printing.

use super::Array;
use mlx_oxide_ir::{Dtype, Layout, Result, Scalar};
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicI32, Ordering};

/// Digits after the point; -1 for six significant digits.
static PRECISION: AtomicI32 = AtomicI32::new(-1);

/// Axes longer than twice this show that many elements at each end.
const EDGE: usize = 3;

/// How many digits floats are printed with after the point; -1 for six significant ones.
pub fn print_precision() -> i32 {
    PRECISION.load(Ordering::Relaxed)
}

/// Sets [`print_precision`].
pub fn set_print_precision(digits: i32) {
    PRECISION.store(digits, Ordering::Relaxed);
}

/// The elements that are shown, by place in the buffer.
struct Shown<'a> {
    array: &'a Array,
    layout: Layout,
    bytes: &'a [u8],
}

impl Shown<'_> {
    fn element(&self, place: isize, text: &mut String) {
        let width = self.array.itemsize();
        let mut bits = [0; 8];
        bits[..width].copy_from_slice(&self.bytes[place as usize * width..][..width]);
        write_scalar(
            text,
            Scalar::from_bits(u64::from_le_bytes(bits), self.array.dtype()),
        );
    }

    fn write(&self, axis: usize, place: isize, text: &mut String) {
        let Some((&size, &stride)) = self
            .layout
            .shape
            .get(axis)
            .zip(self.layout.strides.get(axis))
        else {
            return self.element(place, text);
        };
        let innermost = axis + 1 == self.layout.shape.ndim();
        let separator = if innermost {
            ", ".to_owned()
        } else {
            format!(",\n{}", " ".repeat(7 + axis))
        };
        text.push('[');
        let (first, last) = match size > 2 * EDGE {
            true => (EDGE, size - EDGE),
            false => (size, size),
        };
        for index in (0..first).chain(last..size) {
            if index == last {
                let _ = write!(text, "{separator}...");
            }
            if index > 0 {
                text.push_str(&separator);
            }
            self.write(axis + 1, place + index as isize * stride, text);
        }
        text.push(']');
    }
}

/// The array as MLX prints it, evaluated.
pub fn format(array: &Array) -> Result<String> {
    let stored = array.to_stored()?;
    let shown = Shown {
        array,
        layout: stored.layout.clone(),
        bytes: stored.buffer.host_bytes()?,
    };
    let mut text = String::from("array(");
    shown.write(0, stored.layout.offset as isize, &mut text);
    let _ = write!(text, ", dtype={})", array.dtype());
    Ok(text)
}

fn write_scalar(text: &mut String, scalar: Scalar) {
    match scalar.dtype() {
        Dtype::Bool => text.push_str(if scalar.bits() != 0 { "True" } else { "False" }),
        Dtype::Uint64 => {
            let _ = write!(text, "{}", scalar.bits());
        }
        Dtype::Complex64 => {
            let value = scalar.to_complex();
            text.push_str(&general(f64::from(value.re)));
            if value.im >= 0.0 || value.im.is_nan() {
                text.push('+');
            }
            text.push_str(&general(f64::from(value.im)));
            text.push('j');
        }
        dtype if dtype.is_integer() => {
            let _ = write!(text, "{}", scalar.to_i64());
        }
        _ => text.push_str(&general(scalar.to_f64())),
    }
}

/// A float with six significant digits, or the set number after the point, as C's `%g` and `%f`.
fn general(value: f64) -> String {
    let precision = print_precision();
    if precision == -1 || !value.is_finite() {
        return significant(value);
    }
    // C takes another negative number for its own default; the standard library's digits are 16 bits
    let digits = u16::try_from(precision).unwrap_or(if precision < 0 { 6 } else { u16::MAX });
    format!("{value:.*}", usize::from(digits))
}

/// A float with six significant digits, as C's `%g`.
pub fn significant(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    const DIGITS: i32 = 6;
    let scientific = format!("{value:.*e}", DIGITS as usize - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..DIGITS).contains(&exponent) {
        let fixed = format!("{value:.*}", (DIGITS - 1 - exponent) as usize);
        return trimmed(&fixed).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
}

fn trimmed(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

impl fmt::Display for Array {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format(self) {
            Ok(text) => formatter.write_str(&text),
            Err(error) => write!(formatter, "array(<{error}>, dtype={})", self.dtype()),
        }
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Array({} {})", self.dtype(), self.shape())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_with_six_significant_digits() {
        for (value, text) in [
            (1.0, "1"),
            (2.5, "2.5"),
            (1e-8, "1e-08"),
            (1e20, "1e+20"),
            (1_234_567.0, "1.23457e+06"),
            (0.0001, "0.0001"),
            (0.00001234, "1.234e-05"),
            (999_999.5, "1e+06"),
            (-0.0, "-0"),
        ] {
            assert_eq!(general(value), text);
        }
    }
}

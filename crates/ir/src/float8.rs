//! Numbers of four and eight bits, as their standards define them: E4M3 and E2M1 elements and
//! E8M0 scales (OCP Microscaling Formats 1.0; OFP8 1.0).

/// The greatest E4M3 number.
pub const E4M3_MAX: f32 = 448.0;
/// The greatest E2M1 number.
pub const E2M1_MAX: f32 = 6.0;

/// The E2M1 numbers by their bits; the highest bit is the sign.
pub const E2M1: [f32; 16] = [
    0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0,
];

/// The bits of the nearest E4M3 number, ties to even; what is greater than the greatest, or no
/// number, becomes the greatest.
pub fn to_e4m3(value: f32) -> u8 {
    let bits = value.to_bits();
    let (sign, modulus) = (
        (bits >> 24) as u8 & 0x80,
        f32::from_bits(bits & 0x7fff_ffff),
    );
    if modulus.is_nan() || modulus >= E4M3_MAX {
        return sign | 0x7e;
    }
    if modulus < 0.015_625 {
        // below 2⁻⁶ numbers are multiples of 2⁻⁹; 2¹⁴ has steps of that size
        return sign | ((modulus + 16_384.0).to_bits() - 16_384f32.to_bits()) as u8;
    }
    let rounded = modulus.to_bits() + 0x7_ffff + (modulus.to_bits() >> 20 & 1);
    sign | ((rounded >> 20) - (120 << 3)) as u8
}

/// The E4M3 number of these bits.
pub fn from_e4m3(bits: u8) -> f32 {
    if bits & 0x7f == 0x7f {
        return f32::NAN;
    }
    // the fields widened have an exponent that is 120 too small
    let modulus = f32::from_bits(u32::from(bits & 0x7f) << 20) * f32::from_bits((120 + 127) << 23);
    if bits & 0x80 == 0 { modulus } else { -modulus }
}

/// The bits of the nearest E2M1 number, of two the smaller; what is none of them at all
/// (infinities, NaN) becomes zero, and so does negative zero.
pub fn to_e2m1(value: f32) -> u8 {
    const MIDDLES: [f32; 7] = [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0];
    if !value.is_finite() {
        return 0;
    }
    let modulus = value.abs();
    let rank = MIDDLES.iter().filter(|middle| modulus > **middle).count() as u8;
    if value < 0.0 && rank > 0 {
        rank | 8
    } else {
        rank
    }
}

/// The E8M0 bits of the least power of two that is no smaller than a positive number; of zero,
/// those of 1.
pub fn to_e8m0(value: f32) -> u8 {
    if value == 0.0 {
        return 127;
    }
    // the logarithm is rounded: a number next to a power of two counts as it
    (value.log2().ceil() as i32).wrapping_add(127) as u8
}

/// The power of two with these E8M0 bits; the greatest is infinite.
pub fn from_e8m0(bits: u8) -> f32 {
    match bits {
        0 => f32::from_bits(1 << 22), // 2⁻¹²⁷ is subnormal
        bits => f32::from_bits(u32::from(bits) << 23),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e4m3_numbers_come_back_as_their_own_bits() {
        for bits in (0..=255u8).filter(|bits| bits & 0x7f != 0x7f) {
            assert_eq!(to_e4m3(from_e4m3(bits)), bits);
        }
        assert!(from_e4m3(0x7f).is_nan() && from_e4m3(0xff).is_nan());
    }

    #[test]
    fn e4m3_ties_go_to_even() {
        for bits in 0..0x7e {
            let middle = (from_e4m3(bits) + from_e4m3(bits + 1)) / 2.0;
            assert_eq!(to_e4m3(middle), bits + bits % 2, "{middle}");
            assert_eq!(to_e4m3(f32::from_bits(middle.to_bits() + 1)), bits + 1);
            assert_eq!(to_e4m3(f32::from_bits(middle.to_bits() - 1)), bits);
        }
    }

    #[test]
    fn what_e4m3_does_not_reach_is_its_greatest_number() {
        for value in [448.0, 465.0, 1e30, f32::INFINITY, f32::NAN] {
            assert_eq!(to_e4m3(value), 0x7e);
        }
        assert_eq!(to_e4m3(-500.0), 0xfe);
    }

    #[test]
    fn e2m1_numbers_come_back_as_their_own_bits_but_for_negative_zero() {
        for bits in 0..16 {
            let back = to_e2m1(E2M1[usize::from(bits)]);
            assert_eq!(back, if bits == 8 { 0 } else { bits });
        }
        assert_eq!(to_e2m1(2.5), 4);
        assert_eq!(to_e2m1(-0.25), 0);
        assert_eq!(to_e2m1(-100.0), 15);
    }

    #[test]
    fn e8m0_numbers_are_powers_of_two() {
        for bits in 1..255u8 {
            assert_eq!(from_e8m0(bits), 2f32.powi(i32::from(bits) - 127));
            assert_eq!(to_e8m0(from_e8m0(bits)), bits);
        }
        assert_eq!(from_e8m0(0), 2f32.powi(-127));
        assert_eq!(from_e8m0(255), f32::INFINITY);
        assert_eq!(to_e8m0(1.1), 128);
    }
}

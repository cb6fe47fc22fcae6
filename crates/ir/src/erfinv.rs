//! The inverse error function of `f32`, whose bits are part of its meaning: normal random numbers
//! are made with it and must be the same on every machine and, from the same key, as MLX's.
//!
//! Sources: the approximation is N. Juffa's ("A fast, compact approximation of the inverse error
//! function", 2014), at most 2.4 units in the last place off; its logarithm is that of ARM's
//! optimized routines (`logf`, MIT licence), which glibc has too.

use std::f64::consts::LN_2;

/// `1/c` and `ln c` for the middles `c` of sixteen parts of an octave.
const INTERVALS: [(f64, f64); 16] = [
    (
        f64::from_bits(0x3FF6_61EC_79F8_F3BE),
        f64::from_bits(0xBFD5_7BF7_808C_AADE),
    ),
    (
        f64::from_bits(0x3FF5_71ED_4AAF_883D),
        f64::from_bits(0xBFD2_BEF0_A7C0_6DDB),
    ),
    (
        f64::from_bits(0x3FF4_9539_F0F0_10B0),
        f64::from_bits(0xBFD0_1EAE_7F51_3A67),
    ),
    (
        f64::from_bits(0x3FF3_C995_B0B8_0385),
        f64::from_bits(0xBFCB_31D8_A682_24E9),
    ),
    (
        f64::from_bits(0x3FF3_0D19_0C88_64A5),
        f64::from_bits(0xBFC6_574F_0AC0_7758),
    ),
    (
        f64::from_bits(0x3FF2_5E22_7B0B_8EA0),
        f64::from_bits(0xBFC1_AA2B_C79C_8100),
    ),
    (
        f64::from_bits(0x3FF1_BB4A_4A1A_343F),
        f64::from_bits(0xBFBA_4E76_CE8C_0E5E),
    ),
    (
        f64::from_bits(0x3FF1_2358_F08A_E5BA),
        f64::from_bits(0xBFB1_973C_5A61_1CCC),
    ),
    (
        f64::from_bits(0x3FF0_953F_4199_00A7),
        f64::from_bits(0xBFA2_52F4_38E1_0C1E),
    ),
    (
        f64::from_bits(0x3FF0_0000_0000_0000),
        f64::from_bits(0x0000_0000_0000_0000),
    ),
    (
        f64::from_bits(0x3FEE_608C_FD9A_47AC),
        f64::from_bits(0x3FAA_A5AA_5DF2_5984),
    ),
    (
        f64::from_bits(0x3FEC_A4B3_1F02_6AA0),
        f64::from_bits(0x3FBC_5E53_AA36_2EB4),
    ),
    (
        f64::from_bits(0x3FEB_2036_576A_FCE6),
        f64::from_bits(0x3FC5_26E5_7720_DB08),
    ),
    (
        f64::from_bits(0x3FE9_C2D1_63A1_AA2D),
        f64::from_bits(0x3FCB_C286_0D22_4770),
    ),
    (
        f64::from_bits(0x3FE8_86E6_0378_41ED),
        f64::from_bits(0x3FD1_058B_C8A0_7EE1),
    ),
    (
        f64::from_bits(0x3FE7_67DC_F553_4862),
        f64::from_bits(0x3FD4_0430_57B6_EE09),
    ),
];

/// `(ln(1 + r) - r)/r²`, the cubic term first.
const LOGARITHM: [f64; 3] = [
    f64::from_bits(0xBFD0_0EA3_48B8_8334),
    f64::from_bits(0x3FD5_575B_0BE0_0B6A),
    f64::from_bits(0xBFDF_FFFE_F20A_4123),
];

/// `ln x` for normal `x` between 0 and 1.
#[inline(always)]
fn log(x: f32) -> f32 {
    const START: u32 = 0x3F33_0000; // the first part of an octave begins at 0.7
    let bits = x.to_bits();
    let place = bits.wrapping_sub(START);
    let (inverse, middle) = INTERVALS[(place >> 19) as usize % INTERVALS.len()];
    let exponent = (place as i32) >> 23;
    let mantissa = f32::from_bits(bits.wrapping_sub(place & 0xFF80_0000));
    let r = f64::from(mantissa).mul_add(inverse, -1.0);
    let line = f64::from(exponent).mul_add(LN_2, middle);
    let curve = LOGARITHM[1].mul_add(r, LOGARITHM[2]);
    let curve = LOGARITHM[0].mul_add(r * r, curve);
    curve.mul_add(r * r, line + r) as f32
}

/// `p(t)` with the highest power first, every step fused.
#[inline(always)]
fn polynomial<const N: usize>(t: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[0];
    let mut index = 1;
    while index < N {
        sum = sum.mul_add(t, coefficients[index]);
        index += 1;
    }
    sum
}

/// `erf⁻¹(x)`: infinite at ±1, NaN beyond.
#[inline(always)]
#[allow(clippy::excessive_precision)] // as published
pub fn erfinv(x: f32) -> f32 {
    let complement = x.mul_add(-x, 1.0);
    let t = log(complement);
    let tail = polynomial(
        t,
        [
            3.036_975_67e-10,
            2.932_431_01e-8,
            1.221_503_34e-6,
            2.841_089_55e-5,
            3.935_529_68e-4,
            3.026_988_12e-3,
            4.831_857_98e-3,
            -2.646_461_43e-1,
            8.400_164_84e-1,
        ],
    );
    let middle = polynomial(
        t,
        [
            5.438_778_32e-9,
            1.432_854_48e-7,
            1.227_747_93e-6,
            1.129_636_26e-7,
            -5.615_307_60e-5,
            -1.476_976_32e-4,
            2.314_686_78e-3,
            1.153_925_81e-2,
            -2.320_154_76e-1,
            8.862_268_92e-1,
        ],
    );
    let inside = x * if t < -6.125 { tail } else { middle };
    let closed = if complement == 0.0 {
        x * f32::INFINITY
    } else {
        inside
    };
    if complement >= 0.0 { closed } else { f32::NAN }
}

#[cfg(test)]
mod tests {
    use super::erfinv;

    #[test]
    fn values_are_mlx_s_bit_for_bit() {
        // from mlx 0.32.4 for Linux
        let table = [
            (f32::from_bits(0x3CC1_AF7D), 0x3CAB_ACA8),
            (f32::from_bits(0x3F66_A32D), 0x3F95_4899),
            (f32::from_bits(0xBF36_30B6), 0xBF40_358F),
            (f32::from_bits(0x3F65_B561), 0x3F93_B3D6),
            (f32::from_bits(0xBEC0_AF41), 0xBEB1_A3D5),
            (f32::from_bits(0xBE1D_0706), 0xBE0C_07A9),
            (f32::from_bits(0x3F27_C8A2), 0x3F2B_1602),
            (f32::from_bits(0xBE39_F5CE), 0xBE26_4091),
            (f32::from_bits(0x3DCB_22C0), 0x3DB4_7D95),
            (f32::from_bits(0xBF71_E3C6), 0xBFAD_97A8),
            (f32::from_bits(0x3F01_CC78), 0x3EF8_3579),
            (f32::from_bits(0x3D9C_3C2A), 0x3D8A_ABDB),
            (f32::from_bits(0xBEAE_5ACF), 0xBE9F_88A9),
            (f32::from_bits(0x3F13_ACED), 0x3F10_FE39),
            (f32::from_bits(0x3F7F_FFC9), 0x4052_8D1F),
            (f32::from_bits(0x3F7F_FEC9), 0x4041_C5E8),
            (f32::from_bits(0x3F7F_FFF8), 0x4063_E05F),
            (f32::from_bits(0x3F7F_FF52), 0x4047_8A9F),
            (f32::from_bits(0x3F7F_FFEF), 0x405D_40B7),
            (f32::from_bits(0x3F7F_FFDE), 0x4056_FEA9),
            (f32::from_bits(0x308C_B567), 0x3079_6645),
            (f32::from_bits(0x1AAB_BDC9), 0x1A98_33A9),
            (f32::from_bits(0x2431_80E8), 0x241D_4EF4),
            (f32::from_bits(0x3B3D_498E), 0x3B27_C07B),
        ];
        for (x, expected) in table {
            assert_eq!(erfinv(x).to_bits(), expected, "{x}");
        }
    }

    #[test]
    fn the_ends_are_infinite_and_beyond_is_no_number() {
        assert_eq!(erfinv(1.0), f32::INFINITY);
        assert_eq!(erfinv(-1.0), f32::NEG_INFINITY);
        assert!(erfinv(1.5).is_nan() && erfinv(f32::INFINITY).is_nan());
        assert!(erfinv(f32::NAN).is_nan());
        assert!(erfinv(-0.0).is_sign_negative());
    }
}

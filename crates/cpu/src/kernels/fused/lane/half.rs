//! 16-bit floats: between elements and lanes, and the loops that need no lanes in memory.

use super::is_half;
use super::real::Real;
use crate::simd::half::{Bfloat16, Float16, Half, Narrow, Round, Widen};
use crate::simd::{Isa, Map1, Map2, Map3, TileFn, map1, map2, map3};
use mlx_oxide_ir::{Binary, Dtype, Unary};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Loops of `f16` by the processor's own conversions.
#[cfg(target_arch = "x86_64")]
mod native {
    use crate::simd::hardware_half::{Arithmetic, arithmetic};
    pub(super) use crate::simd::hardware_half::{narrow, round, widen};
    use crate::simd::{Isa, TileFn};
    use mlx_oxide_ir::Binary;

    pub(super) fn binary(op: Binary, isa: Isa) -> Option<TileFn> {
        const TABLE: [(Binary, Arithmetic); 6] = [
            (Binary::Add, Arithmetic::Add),
            (Binary::Subtract, Arithmetic::Subtract),
            (Binary::Multiply, Arithmetic::Multiply),
            (Binary::Divide, Arithmetic::Divide),
            (Binary::Maximum, Arithmetic::Maximum),
            (Binary::Minimum, Arithmetic::Minimum),
        ];
        let (_, op) = TABLE.into_iter().find(|(binary, _)| *binary == op)?;
        arithmetic(op, isa)
    }

    pub(super) fn clamp(maximum_first: bool, isa: Isa) -> Option<TileFn> {
        crate::simd::hardware_half::clamp(maximum_first, isa)
    }
}

/// There are none for this target.
#[cfg(not(target_arch = "x86_64"))]
mod native {
    use crate::simd::{Isa, TileFn};
    use mlx_oxide_ir::Binary;

    pub(super) fn widen(_isa: Isa) -> Option<TileFn> {
        None
    }
    pub(super) fn narrow(_isa: Isa) -> Option<TileFn> {
        None
    }
    pub(super) fn round(_isa: Isa) -> Option<TileFn> {
        None
    }
    pub(super) fn binary(_op: Binary, _isa: Isa) -> Option<TileFn> {
        None
    }
    pub(super) fn clamp(_maximum_first: bool, _isa: Isa) -> Option<TileFn> {
        None
    }
}

/// The loops between elements of a 16-bit float and single precision.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Halves {
    widen: TileFn,
    narrow: TileFn,
}

impl Halves {
    /// Those of a dtype, if it is a 16-bit float.
    pub(in crate::kernels) fn of(dtype: Dtype, isa: Isa) -> Option<Self> {
        is_half(dtype).then(|| Halves {
            widen: widen(dtype, isa),
            narrow: narrow(dtype, isa),
        })
    }

    /// Elements, given as they lie in memory, as values in single precision.
    #[inline(always)]
    pub(in crate::kernels) fn widened<'v, E, W>(
        &self,
        values: &'v mut [MaybeUninit<W>],
        elements: &[E],
    ) -> &'v mut [W] {
        assert!(values.len() == elements.len() && are_halves_and_singles::<E, W>());
        let (to, from) = (values.as_mut_ptr().cast(), elements.as_ptr().cast());
        // SAFETY: there are as many 16-bit floats as values
        unsafe { (self.widen)(to, from, from, from, elements.len()) };
        // SAFETY: just written
        unsafe { values.assume_init_mut() }
    }

    /// Rounds values in single precision to as many elements.
    #[inline(always)]
    pub(in crate::kernels) fn narrowed<E, W>(&self, elements: &mut [MaybeUninit<E>], values: &[W]) {
        assert!(values.len() == elements.len() && are_halves_and_singles::<E, W>());
        let (to, from) = (elements.as_mut_ptr().cast(), values.as_ptr().cast());
        // SAFETY: there are as many values as 16-bit floats
        unsafe { (self.narrow)(to, from, from, from, values.len()) };
    }
}

/// Whether elements have 16 bits, and values those of single precision.
const fn are_halves_and_singles<E, W>() -> bool {
    size_of::<E>() == size_of::<u16>() && size_of::<W>() == size_of::<f32>()
}

/// The loop that reads elements of a 16-bit float into lanes.
pub(in crate::kernels) fn widen(dtype: Dtype, isa: Isa) -> TileFn {
    if dtype == Dtype::Float16 {
        native::widen(isa).unwrap_or_else(|| map1::<Widen<Float16>>(isa))
    } else {
        map1::<Widen<Bfloat16>>(isa)
    }
}

/// The loop that rounds `f32` to elements of a 16-bit float.
pub(in crate::kernels) fn narrow(dtype: Dtype, isa: Isa) -> TileFn {
    if dtype == Dtype::Float16 {
        native::narrow(isa).unwrap_or_else(|| map1::<Narrow<Float16>>(isa))
    } else {
        map1::<Narrow<Bfloat16>>(isa)
    }
}

/// The loop that rounds `f32` to lanes of a 16-bit float.
pub(in crate::kernels::fused) fn round(dtype: Dtype, isa: Isa) -> TileFn {
    if dtype == Dtype::Float16 {
        native::round(isa).unwrap_or_else(|| map1::<Round<Float16>>(isa))
    } else {
        map1::<Round<Bfloat16>>(isa)
    }
}

/// Kernel: a binary operation on elements, computed in single precision.
struct OnElements<H, const OP: u8>(PhantomData<H>);

impl<H: Half, const OP: u8> Map2 for OnElements<H, OP> {
    type In = u16;
    type Out = u16;
    #[inline(always)]
    fn apply(lhs: u16, rhs: u16) -> u16 {
        let op = const { Binary::ALL[OP as usize] };
        let value = f32::binary(op, H::widen(lhs), H::widen(rhs));
        match super::binary_keeps_rounding(op) {
            true => H::narrow_exact(value),
            false => H::narrow(value),
        }
    }
}

/// Looks through operations: `on_elements!(op, isa, Add …)` expands to
/// `if op == Binary::Add { return Some(map2::<OnElements<Bfloat16, …>>(isa)); }` for each.
macro_rules! on_elements {
    ($name:ident, $isa:ident, $($op:ident)*) => {
        $(if $name == Binary::$op {
            return Some(map2::<OnElements<Bfloat16, { Binary::$op as u8 }>>($isa));
        })*
    };
}

/// The loop of a binary operation from elements to elements; none if there is no such loop.
pub(in crate::kernels::fused) fn half_binary(op: Binary, dtype: Dtype, isa: Isa) -> Option<TileFn> {
    if dtype == Dtype::Float16 {
        return native::binary(op, isa);
    }
    on_elements!(op, isa, Add Subtract Multiply Divide Maximum Minimum);
    None
}

/// Kernel: a binary operation on lanes, rounded.
struct OnLanes<H, const OP: u8>(PhantomData<H>);

impl<H: Half, const OP: u8> Map2 for OnLanes<H, OP> {
    type In = f32;
    type Out = f32;
    #[inline(always)]
    fn apply(lhs: f32, rhs: f32) -> f32 {
        H::round(f32::binary(const { Binary::ALL[OP as usize] }, lhs, rhs))
    }
}

/// The loop of a binary operation from lanes to lanes that are rounded; none if rounding is a loop of
/// its own.
pub(in crate::kernels::fused) fn half_rounded(
    op: Binary,
    dtype: Dtype,
    isa: Isa,
) -> Option<TileFn> {
    macro_rules! on_lanes {
        ($($op:ident)*) => {
            match op {
                $(Binary::$op => Some(map2::<OnLanes<Bfloat16, { Binary::$op as u8 }>>(isa)),)*
                _apart => None,
            }
        };
    }
    match dtype {
        Dtype::Bfloat16 => on_lanes!(Add Subtract Multiply Divide),
        _apart => None,
    }
}

/// Kernel: the magnitude of an element of either format, or the element with the other sign.
struct Sign<const KEPT: u16, const FLIPPED: u16>;

impl<const KEPT: u16, const FLIPPED: u16> Map1 for Sign<KEPT, FLIPPED> {
    type In = u16;
    type Out = u16;
    #[inline(always)]
    fn apply(operand: u16) -> u16 {
        (operand & KEPT) ^ FLIPPED
    }
}

/// The loop of a unary operation from elements to elements; none if there is no such loop.
pub(in crate::kernels::fused) fn half_unary(op: Unary, isa: Isa) -> Option<TileFn> {
    if op == Unary::Abs {
        Some(map1::<Sign<0x7fff, 0>>(isa))
    } else if op == Unary::Negative {
        Some(map1::<Sign<0xffff, 0x8000>>(isa))
    } else {
        None
    }
}

/// Kernel: the greater and the less of elements, in either order.
struct Clamp<H, const MAXIMUM_FIRST: bool>(PhantomData<H>);

impl<H: Half, const MAXIMUM_FIRST: bool> Map3 for Clamp<H, MAXIMUM_FIRST> {
    type First = u16;
    type Rest = u16;
    type Out = u16;
    #[inline(always)]
    fn apply(value: u16, near: u16, far: u16) -> u16 {
        let (first, second) = match MAXIMUM_FIRST {
            true => (Binary::Maximum, Binary::Minimum),
            false => (Binary::Minimum, Binary::Maximum),
        };
        let inner = f32::binary(first, H::widen(value), H::widen(near));
        H::narrow_exact(f32::binary(second, inner, H::widen(far)))
    }
}

/// The loop of `(a first b) second c` from elements to elements, for operations between which
/// nothing is rounded; none if there is no such loop.
pub(in crate::kernels::fused) fn half_clamp(
    first: Binary,
    second: Binary,
    dtype: Dtype,
    isa: Isa,
) -> Option<TileFn> {
    let maximum_first = match (first, second) {
        (Binary::Maximum, Binary::Minimum) => true,
        (Binary::Minimum, Binary::Maximum) => false,
        _other => return None,
    };
    match (dtype, maximum_first) {
        (Dtype::Float16, _) => native::clamp(maximum_first, isa),
        (_, true) => Some(map3::<Clamp<Bfloat16, true>>(isa)),
        (_, false) => Some(map3::<Clamp<Bfloat16, false>>(isa)),
    }
}

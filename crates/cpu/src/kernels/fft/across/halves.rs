//! Real lanes as half as many complex numbers, and back.

use super::register::{Complex, Register, WIDTH};
use super::{Kind, POINT, Plan, load, store};

/// The number with its parts exchanged: the inverse transform is the transform of such numbers.
#[inline(always)]
pub(super) fn exchanged<V>(value: Complex<V>) -> Complex<V> {
    Complex {
        re: value.im,
        im: value.re,
    }
}

/// The conjugate.
#[inline(always)]
fn conjugate<V: Register>(value: Complex<V>) -> Complex<V> {
    Complex {
        re: value.re,
        im: value.im.splat(0.0).sub(value.im),
    }
}

impl Plan {
    /// Makes the points of the transform from what was read.
    ///
    /// # Safety
    /// As [`Plan::transform`].
    #[inline(always)]
    pub(super) unsafe fn prepare<V: Register>(&self, room: *mut f32) {
        match self.kind {
            Kind::Complex { inverse: false } => {}
            Kind::Complex { inverse: true } => {
                for point in 0..self.points {
                    // SAFETY: the room holds the point
                    let value = unsafe { load::<V>(room, point) };
                    // SAFETY: as above
                    unsafe { store(room, point, exchanged(value)) };
                }
            }
            Kind::FromReal if self.halved() => {}
            Kind::FromReal => {
                for point in 0..self.points {
                    let place = room.wrapping_add(point * POINT);
                    // SAFETY: the room holds the point
                    let re = unsafe { V::load(place) };
                    // SAFETY: as above
                    unsafe { re.splat(0.0).store(place.wrapping_add(WIDTH)) };
                }
            }
            // SAFETY: the caller's promise
            Kind::ToReal if self.halved() => unsafe { self.join::<V>(room) },
            // SAFETY: the caller's promise
            Kind::ToReal => unsafe { self.mirror::<V>(room) },
        }
    }

    /// From the transform of half as many complex numbers, the frequencies of the real ones.
    ///
    /// # Safety
    /// As [`Plan::transform`].
    #[inline(always)]
    pub(super) unsafe fn split<V: Register>(&self, room: *mut f32) {
        // SAFETY: the room holds the point
        let first = unsafe { load::<V>(room, 0) };
        let zero = first.re.splat(0.0);
        let (sum, difference) = (first.re.add(first.im), first.re.sub(first.im));
        // SAFETY: as above
        unsafe { store(room, 0, Complex { re: sum, im: zero }) };
        let last = Complex {
            re: difference,
            im: zero,
        };
        // SAFETY: the room holds one point more than the transform has
        unsafe { store(room, self.points, last) };
        for point in 1..self.points / 2 + 1 {
            // SAFETY: the room holds the point
            let low = unsafe { load::<V>(room, point) };
            // SAFETY: as above
            let high = conjugate(unsafe { load::<V>(room, self.points - point) });
            let half = &self.halves[point].scale(0.5);
            let even = low.add(high).scale(0.5);
            let odd = low.sub(high).mul(half);
            // SAFETY: as above
            unsafe { store(room, self.points - point, conjugate(even.add_turned(odd))) };
            // SAFETY: as above
            unsafe { store(room, point, even.sub_turned(odd)) };
        }
    }

    /// The reverse of [`Plan::split`], times two, with the parts exchanged.
    ///
    /// # Safety
    /// As [`Plan::transform`].
    #[inline(always)]
    unsafe fn join<V: Register>(&self, room: *mut f32) {
        // SAFETY: the room holds the point
        let first = unsafe { load::<V>(room, 0) };
        // SAFETY: the room holds one point more than the transform has
        let last = unsafe { load::<V>(room, self.points) };
        let joined = Complex {
            re: first.re.sub(last.re),
            im: first.re.add(last.re),
        };
        // SAFETY: as above
        unsafe { store(room, 0, joined) };
        for point in 1..self.points / 2 + 1 {
            // SAFETY: the room holds the point
            let low = unsafe { load::<V>(room, point) };
            // SAFETY: as above
            let high = conjugate(unsafe { load::<V>(room, self.points - point) });
            let even = low.add(high);
            let odd = low.sub(high).mul(&self.halves[point].conj());
            let mirrored = conjugate(even).add_turned(conjugate(odd));
            // SAFETY: as above
            unsafe { store(room, self.points - point, exchanged(mirrored)) };
            // SAFETY: as above
            unsafe { store(room, point, exchanged(even.add_turned(odd))) };
        }
    }

    /// The frequencies that the given ones determine, all with their parts exchanged.
    ///
    /// # Safety
    /// As [`Plan::transform`].
    #[inline(always)]
    unsafe fn mirror<V: Register>(&self, room: *mut f32) {
        // SAFETY: the room holds the point
        let mut first = unsafe { load::<V>(room, 0) };
        first.im = first.re.splat(0.0);
        // SAFETY: as above
        unsafe { store(room, 0, exchanged(first)) };
        for point in 1..self.points / 2 + 1 {
            // SAFETY: as above
            let value = unsafe { load::<V>(room, point) };
            // SAFETY: as above
            unsafe { store(room, point, exchanged(value)) };
            // SAFETY: as above
            unsafe { store(room, self.points - point, exchanged(conjugate(value))) };
        }
    }
}

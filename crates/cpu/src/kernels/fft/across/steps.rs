//! Transforms of many points as transforms of few, twice: of points a fixed distance apart, then,
//! multiplied by roots, of those side by side (Gentleman and Sande, "Fast Fourier transforms: for
//! fun and profit", 1966). Each of the few stays in the first cache, so that slower memory sees
//! every point once a step. Where lanes lie side by side in an array, the first pass reads them
//! from there and the last one writes them back.

use super::halves::exchanged;
use super::places::Places;
use super::register::{Complex, Register, WIDTH};
use super::{POINT, Pass, passes, root};
use crate::simd::stream;
use num_complex::Complex32;

/// Most points that are transformed in one step: two rooms of them lie in the first cache.
const ONE_STEP: usize = 128;
/// Bytes that come from memory together.
const LINE: usize = 64;

/// How a number of points is transformed, in one step or in two.
pub(super) struct Steps {
    outer: Vec<Pass>,
    inner: Vec<Pass>,
    /// Points of a transform of the first step.
    outer_points: usize,
    /// Points of a transform of the second step; 1 if there is none.
    inner_points: usize,
    /// `outer_points` roots for each transform of the first step.
    twiddles: Vec<Complex32>,
}

/// Where points are read or written.
#[derive(Clone, Copy)]
pub(super) struct Points {
    pub(super) start: *mut f32,
    /// Numbers from a point to the next.
    pub(super) stride: isize,
    /// Whether they are elements of an array, with both parts of each lane side by side, rather
    /// than in a room.
    array: bool,
    /// Whether the parts are exchanged on the way.
    turned: bool,
    /// By what they are multiplied when they are written to an array.
    scale: f32,
}

impl Points {
    /// Points in a room, one behind the other.
    pub(super) fn room(start: *mut f32) -> Self {
        Points {
            start,
            stride: POINT as isize,
            array: false,
            turned: false,
            scale: 1.0,
        }
    }

    /// Elements of two parts of an array, if the lanes of each lie side by side.
    pub(super) fn side_by_side(places: &Places, turned: bool, scale: f32) -> Option<Self> {
        let points = Points {
            start: places.starts[0],
            stride: places.stride,
            array: true,
            turned,
            scale,
        };
        (places.step() == Some(2)).then_some(points)
    }

    /// Every `step`th of them from number `first` on.
    #[inline(always)]
    fn every(self, first: usize, step: usize) -> Self {
        Points {
            start: self.place(first),
            stride: self.stride * step as isize,
            ..self
        }
    }

    #[inline(always)]
    fn place(self, point: usize) -> *mut f32 {
        self.start.wrapping_offset(point as isize * self.stride)
    }

    /// # Safety
    /// The point is valid; the machine has the instructions.
    #[inline(always)]
    pub(super) unsafe fn load<V: Register>(self, point: usize) -> Complex<V> {
        let place = self.place(point);
        // SAFETY: the caller's promise
        let re = unsafe { V::load(place) };
        // SAFETY: the caller's promise
        let im = unsafe { V::load(place.wrapping_add(WIDTH)) };
        if !self.array {
            return Complex { re, im };
        }
        let (re, im) = V::part(re, im);
        let value = Complex { re, im };
        if self.turned { exchanged(value) } else { value }
    }

    /// # Safety
    /// As [`Points::load`]; nobody else uses the point.
    #[inline(always)]
    pub(super) unsafe fn store<V: Register>(self, point: usize, value: Complex<V>) {
        let place = self.place(point);
        let Complex { mut re, mut im } = value;
        if self.array {
            let value = value.scale(self.scale);
            let value = if self.turned { exchanged(value) } else { value };
            (re, im) = V::join(value.re, value.im);
        }
        // SAFETY: the caller's promise
        unsafe { re.store(place) };
        // SAFETY: the caller's promise
        unsafe { im.store(place.wrapping_add(WIDTH)) };
    }

    /// Asks for the first `count` points of an array, which are used soon.
    #[inline(always)]
    fn fetch(self, count: usize) {
        for point in 0..if self.array { count } else { 0 } {
            let start = self.place(point);
            let lines = 1 + usize::from(!start.addr().is_multiple_of(LINE));
            stream::fetch(start, lines * LINE);
        }
    }
}

impl Steps {
    /// The steps for a number of points, if all its factors are small.
    pub(super) fn new(points: usize) -> Option<Self> {
        let divides = |divisor: &usize| points.is_multiple_of(*divisor);
        let inner_points = match points <= ONE_STEP {
            true => 1,
            false => (2..=points.isqrt()).rev().find(divides)?,
        };
        let outer_points = points / inner_points;
        let powers = (0..inner_points).flat_map(|own| (0..outer_points).map(move |k| own * k));
        let powers = if inner_points == 1 {
            None
        } else {
            Some(powers)
        };
        let twiddles = powers.into_iter().flatten();
        Some(Steps {
            outer: passes(outer_points)?,
            inner: passes(inner_points)?,
            outer_points,
            inner_points,
            twiddles: twiddles.map(|power| root(power, points)).collect(),
        })
    }

    /// Points from one transform of the second step to the next in the room between the steps: one
    /// more than there are, for their number is often a power of two.
    fn pitch(&self) -> usize {
        self.inner_points + 1
    }

    /// Numbers of two rooms for the transforms and of the room between the steps.
    pub(super) fn room(&self) -> usize {
        let between = match self.inner_points {
            1 => 0,
            _ => self.outer_points * self.pitch(),
        };
        (between + 2 * self.most()) * POINT
    }

    /// Points of the larger transform.
    fn most(&self) -> usize {
        self.outer_points.max(self.inner_points)
    }

    /// Transforms all points.
    ///
    /// # Safety
    /// All points are valid, the room is as large as [`Steps::room`] says and no part of them, and
    /// the machine has the instructions. Points may be written to where they are read from.
    #[inline(always)]
    pub(super) unsafe fn run<V: Register>(&self, from: Points, to: Points, room: *mut f32) {
        let rooms =
            [0, 1].map(|number| Points::room(room.wrapping_add(number * self.most() * POINT)));
        let between = Points::room(room.wrapping_add(2 * self.most() * POINT));
        let (outer, inner, pitch) = (self.outer_points, self.inner_points, self.pitch());
        let second = if inner == 1 { 0 } else { outer };
        from.every(0, inner).fetch(outer);
        // one loop for both steps, since passes are long code
        for number in 0..inner + second {
            let (passes, mut source, target) = match number.checked_sub(inner) {
                None => {
                    from.every(number + 1, inner).fetch(outer);
                    let target = if second == 0 { Some(to) } else { None };
                    (&self.outer, from.every(number, inner), target)
                }
                Some(own) => {
                    let target = to.every(own, outer);
                    (&self.inner, between.every(own * pitch, 1), Some(target))
                }
            };
            let count = if number < inner { outer } else { inner };
            // SAFETY: the points are valid, and rooms hold those of a transform
            unsafe {
                if source.array || passes.is_empty() {
                    copy::<V>(source, rooms[0], count);
                    source = rooms[0];
                }
                for (place, pass) in passes.iter().enumerate() {
                    let target = target.filter(|to| place + 1 == passes.len() && !to.array);
                    let target = target.unwrap_or(rooms[(place + 1) % 2]);
                    pass.run::<V>(source, target);
                    source = target;
                }
                match target {
                    Some(to) if to.array || passes.is_empty() => copy::<V>(source, to, count),
                    Some(_) => {}
                    None => {
                        let twiddles = &self.twiddles[number * outer..][..outer];
                        turn::<V>(source, between.every(number, pitch), twiddles);
                    }
                }
            }
        }
    }
}

/// # Safety
/// All points are valid; the machine has the instructions.
#[inline(always)]
unsafe fn copy<V: Register>(from: Points, to: Points, count: usize) {
    for point in 0..count {
        // SAFETY: the caller's promise
        unsafe { to.store(point, from.load::<V>(point)) };
    }
}

/// Multiplies each point by a factor.
///
/// # Safety
/// All points are valid; the machine has the instructions.
#[inline(always)]
unsafe fn turn<V: Register>(from: Points, to: Points, factors: &[Complex32]) {
    for (point, factor) in factors.iter().enumerate() {
        // SAFETY: the caller's promise
        unsafe { to.store(point, from.load::<V>(point).mul(factor)) };
    }
}

//! Short transforms of eight lanes at a time, one in each lane of a register: what batches and
//! axes other than the last consist of. Nothing is shuffled between the lanes of a register, so
//! every length of small factors runs at full width.
//!
//! A transform is Stockham's, by decimation in frequency: a pass of radix `R` combines `R` points
//! and leaves their results side by side, from one room into another and back.

mod butterfly;
mod halves;
mod places;
mod register;
mod steps;

use super::lanes::{Lanes, Shared};
use crate::simd::square::Square;
use crate::simd::{Isa, Kernel, square, vectorised};
use butterfly::butterfly;
use halves::exchanged;
use num_complex::Complex32;
use places::{Places, Rows, gather, scatter};
use register::{Complex, Portable, Register, WIDTH};
use std::ops::Range;
use steps::{Points, Steps};

/// Most points: a room of them still lies in the second cache.
const MOST: usize = 2048;
/// Numbers of a point from each lane.
const POINT: usize = 2 * WIDTH;

/// What is transformed into what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Complex { inverse: bool },
    FromReal,
    ToReal,
}

/// One pass over all points.
struct Pass {
    radix: usize,
    /// Transforms of `radix` points that have factors of their own.
    groups: usize,
    /// Transforms that share their factors.
    repeats: usize,
    /// `radix - 1` factors for each group.
    twiddles: Vec<Complex32>,
    /// Powers of the first root of an odd radix.
    roots: Vec<Complex32>,
}

/// How lanes of one length are transformed.
pub(super) struct Plan {
    kind: Kind,
    /// Elements of a lane, of the real one if one is.
    length: usize,
    /// Points of the complex transform: half the length of an even real one.
    points: usize,
    steps: Steps,
    /// Roots by which halves of a real transform are joined.
    halves: Vec<Complex32>,
}

/// `e^(-2πi·power/order)`.
fn root(power: usize, order: usize) -> Complex32 {
    let angle = -std::f64::consts::TAU * (power % order) as f64 / order as f64;
    Complex32::new(angle.cos() as f32, angle.sin() as f32)
}

/// The radices of a number of points, if there are any for it.
fn radices(points: usize) -> Option<Vec<usize>> {
    let mut left = points;
    let mut found = Vec::new();
    for radix in [13, 11, 7, 5, 3] {
        while left.is_multiple_of(radix) {
            found.push(radix);
            left /= radix;
        }
    }
    if !left.is_power_of_two() {
        return None;
    }
    match left.trailing_zeros() {
        1 => found.push(2),
        twos => {
            let eights = twos % 2;
            found.extend(std::iter::repeat_n(4, (twos - 3 * eights) as usize / 2));
            found.extend(std::iter::repeat_n(8, eights as usize));
        }
    }
    Some(found)
}

/// The passes for a number of points, if all its factors are small.
fn passes(points: usize) -> Option<Vec<Pass>> {
    let (mut left, mut repeats) = (points, 1);
    let mut passes = Vec::new();
    for radix in radices(points)? {
        let groups = left / radix;
        let powers = (0..groups).flat_map(|group| (1..radix).map(move |place| group * place));
        passes.push(Pass {
            radix,
            groups,
            repeats,
            twiddles: powers.map(|power| root(power, left)).collect(),
            roots: (0..radix).map(|power| root(power, radix)).collect(),
        });
        (left, repeats) = (groups, repeats * radix);
    }
    Some(passes)
}

impl Plan {
    /// The plan for lanes of a length; none if it has large factors.
    pub(super) fn new(kind: Kind, length: usize) -> Option<Self> {
        let halved = !matches!(kind, Kind::Complex { .. }) && length.is_multiple_of(2);
        let points = if halved { length / 2 } else { length };
        if points > MOST {
            return None;
        }
        let steps = Steps::new(points)?;
        let joined = if halved { 0..points / 2 + 1 } else { 0..0 };
        Some(Plan {
            kind,
            length,
            points,
            steps,
            halves: joined.map(|power| root(power, length)).collect(),
        })
    }

    /// Whether a real lane is transformed as half as many complex numbers.
    fn halved(&self) -> bool {
        self.points != self.length
    }

    /// Numbers of room that a block needs.
    pub(super) fn room(&self) -> usize {
        (self.points + 1) * POINT + self.steps.room()
    }

    /// How elements of the source and of the target become rows.
    fn rows(&self) -> (Rows, Rows) {
        let complex = |elements| Rows {
            elements,
            parts: 2,
            pitch: WIDTH,
        };
        let real = Rows {
            elements: self.length,
            parts: 1,
            pitch: if self.halved() { WIDTH } else { POINT },
        };
        match self.kind {
            Kind::Complex { .. } => (complex(self.length), complex(self.length)),
            Kind::FromReal => (real, complex(self.length / 2 + 1)),
            Kind::ToReal => (complex(self.length / 2 + 1), real),
        }
    }

    /// Transforms a range of lanes and multiplies by `scale`.
    ///
    /// # Safety
    /// The lanes lie inside of the source and the target, nobody else uses them or the room, and
    /// the room is as large as [`Plan::room`] says.
    pub(super) unsafe fn run(
        &self,
        source: Shared<f32>,
        target: Shared<f32>,
        lanes: &Lanes,
        range: Range<usize>,
        room: &mut [f32],
        scale: f32,
    ) {
        debug_assert!(room.len() >= self.room());
        let work = Work {
            plan: self,
            source,
            target,
            lanes,
            range,
            room: room.as_mut_ptr(),
            scale,
        };
        match Isa::best() {
            #[cfg(target_arch = "x86_64")]
            isa @ (Isa::Avx2 | Isa::Avx512) => {
                vectorised(isa, Wide::<register::Avx2, square::Avx2>::new(work));
            }
            isa => vectorised(isa, Wide::<Portable, square::Portable>::new(work)),
        }
    }
}

/// A range of lanes to be transformed.
struct Work<'a> {
    plan: &'a Plan,
    source: Shared<f32>,
    target: Shared<f32>,
    lanes: &'a Lanes,
    range: Range<usize>,
    room: *mut f32,
    scale: f32,
}

/// [`Work`] by the registers and squares of an instruction set.
struct Wide<'a, V, S> {
    work: Work<'a>,
    kind: std::marker::PhantomData<(V, S)>,
}

impl<'a, V, S> Wide<'a, V, S> {
    fn new(work: Work<'a>) -> Self {
        let kind = std::marker::PhantomData;
        Wide { work, kind }
    }
}

impl<V: Register, S: Square<u32>> Kernel for Wide<'_, V, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let work = &self.work;
        let (source_rows, target_rows) = work.plan.rows();
        for first in work.range.clone().step_by(WIDTH) {
            let count = WIDTH.min(work.range.end - first);
            let (from, to) = work.places(first, count, source_rows.parts, target_rows.parts);
            from.fetch_next(source_rows);
            to.fetch_next(target_rows);
            let room = Points::room(work.room);
            let (mut input, mut output) = (None, None);
            if let Kind::Complex { inverse } = work.plan.kind {
                input = Points::side_by_side(&from, inverse, 1.0);
                output = Points::side_by_side(&to, inverse, work.scale);
            }
            // SAFETY: as `Plan::run` was promised
            unsafe {
                if input.is_none() {
                    gather::<V, S>(&from, source_rows, work.room);
                    work.plan.prepare::<V>(work.room);
                }
                let (input, target) = (input.unwrap_or(room), output.unwrap_or(room));
                work.plan.transform::<V>(input, target, work.room);
                if output.is_none() {
                    work.plan.finish::<V>(work.room, work.scale);
                    scatter::<V, S>(&to, target_rows, work.room);
                }
            }
        }
    }
}

impl Work<'_> {
    /// Where a block of lanes lies in the source and in the target.
    fn places(
        &self,
        first: usize,
        count: usize,
        source_parts: usize,
        target_parts: usize,
    ) -> (Places, Places) {
        let lanes = self.lanes;
        let mut starts = [0; super::lanes::BLOCK];
        lanes.targets(first, count, &mut starts);
        let mut offsets = [0; WIDTH];
        lanes.offsets.read(first, &mut offsets[..count]);
        for lane in count..WIDTH {
            (offsets[lane], starts[lane]) = (offsets[0], starts[0]);
        }
        let from = Places {
            starts: std::array::from_fn(|place| {
                self.source.at((offsets[place] * source_parts) as isize)
            }),
            count,
            stride: lanes.source_stride * source_parts as isize,
        };
        let to = Places {
            starts: std::array::from_fn(|place| {
                self.target.at((starts[place] * target_parts) as isize)
            }),
            count,
            stride: (lanes.inner * target_parts) as isize,
        };
        (from, to)
    }
}

/// A point of each lane.
///
/// # Safety
/// The point is valid; the machine has the instructions.
#[inline(always)]
unsafe fn load<V: Register>(room: *const f32, point: usize) -> Complex<V> {
    let place = room.wrapping_add(point * POINT);
    Complex {
        // SAFETY: the caller's promise
        re: unsafe { V::load(place) },
        // SAFETY: the caller's promise
        im: unsafe { V::load(place.wrapping_add(WIDTH)) },
    }
}

/// # Safety
/// As [`load`].
#[inline(always)]
unsafe fn store<V: Register>(room: *mut f32, point: usize, value: Complex<V>) {
    let place = room.wrapping_add(point * POINT);
    // SAFETY: the caller's promise
    unsafe { value.re.store(place) };
    // SAFETY: the caller's promise
    unsafe { value.im.store(place.wrapping_add(WIDTH)) };
}

impl Plan {
    /// Transforms points from where they are to where they go.
    ///
    /// # Safety
    /// The room is as large as [`Plan::room`] says, all points are valid, and the machine has the
    /// instructions.
    #[inline(always)]
    unsafe fn transform<V: Register>(&self, from: Points, to: Points, room: *mut f32) {
        let other = room.wrapping_add((self.points + 1) * POINT);
        // SAFETY: behind the points is as much room as the steps want
        unsafe { self.steps.run::<V>(from, to, other) };
    }

    /// Makes what is written from the points of the transform.
    ///
    /// # Safety
    /// As [`Plan::transform`].
    #[inline(always)]
    unsafe fn finish<V: Register>(&self, room: *mut f32, scale: f32) {
        let inverse = matches!(self.kind, Kind::Complex { inverse: true } | Kind::ToReal);
        let split = self.kind == Kind::FromReal && self.halved();
        if split {
            // SAFETY: the room holds one point more than the transform has
            unsafe { self.split::<V>(room) };
        }
        if inverse || scale != 1.0 {
            for point in 0..self.points + usize::from(split) {
                // SAFETY: the room holds the point
                let value = unsafe { load::<V>(room, point) };
                let value = if inverse { exchanged(value) } else { value };
                // SAFETY: as above
                unsafe { store(room, point, value.scale(scale)) };
            }
        }
    }
}

impl Pass {
    /// # Safety
    /// All points are in rooms, and none is read from where another was written; the machine has
    /// the instructions.
    #[inline(always)]
    unsafe fn run<V: Register>(&self, from: Points, to: Points) {
        // SAFETY: the caller's promise
        unsafe {
            match self.radix {
                2 => self.combine::<2, V>(from, to),
                3 => self.combine::<3, V>(from, to),
                4 => self.combine::<4, V>(from, to),
                5 => self.combine::<5, V>(from, to),
                7 => self.combine::<7, V>(from, to),
                8 => self.combine::<8, V>(from, to),
                11 => self.combine::<11, V>(from, to),
                _ => self.combine::<13, V>(from, to),
            }
        }
    }

    /// # Safety
    /// As [`Pass::run`].
    #[inline(always)]
    unsafe fn combine<const R: usize, V: Register>(&self, from: Points, to: Points) {
        debug_assert!(self.radix == R);
        let (repeats, apart) = (self.repeats as isize, (self.repeats * self.groups) as isize);
        let steps = (from.stride * apart, to.stride * repeats);
        for group in 0..self.groups {
            let twiddles = &self.twiddles[group * (R - 1)..][..R - 1];
            let turned = group != 0; // the factors of the first group are 1
            let mut input = from
                .start
                .wrapping_offset(group as isize * repeats * from.stride);
            let mut output = to.start.wrapping_offset((group * R) as isize * steps.1);
            for _ in 0..repeats {
                // SAFETY: one of all points
                let mut points = [unsafe { load::<V>(input, 0) }; R];
                let mut place = input;
                for point in &mut points[1..] {
                    place = place.wrapping_offset(steps.0);
                    // SAFETY: one of all points
                    *point = unsafe { load(place, 0) };
                }
                let results = butterfly(points, &self.roots);
                let mut place = output;
                for (number, mut result) in results.into_iter().enumerate() {
                    if number != 0 && turned {
                        result = result.mul(&twiddles[number - 1]);
                    }
                    // SAFETY: one of all points
                    unsafe { store(place, 0, result) };
                    place = place.wrapping_offset(steps.1);
                }
                input = input.wrapping_offset(from.stride);
                output = output.wrapping_offset(to.stride);
            }
        }
    }
}

#[cfg(test)]
mod tests;

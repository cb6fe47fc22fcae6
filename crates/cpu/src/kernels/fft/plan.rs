//! Plans: the twiddle factors and algorithm for one length, kept while they are in use.

use super::across::{self, Kind};
use super::lanes::Transform;
use num_complex::Complex32;
use parking_lot::Mutex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

/// The plans of one kind that were used last, the latest at the end.
struct Cache<P: ?Sized>(Mutex<Vec<(usize, Arc<P>)>>);

/// How many plans of a kind are kept.
const KEPT: usize = 16;
/// How many elements they transform together: bounds the memory of their factors.
const KEPT_ELEMENTS: usize = 1 << 23;

impl<P: ?Sized> Cache<P> {
    const fn new() -> Self {
        Cache(Mutex::new(Vec::new()))
    }

    fn get(&self, length: usize, make: impl FnOnce() -> Arc<P>) -> Arc<P> {
        let mut kept = self.0.lock();
        let place = kept.iter().position(|(size, _)| *size == length);
        let plan = match place {
            Some(place) => kept.remove(place).1,
            None => make(),
        };
        kept.push((length, plan.clone()));
        let elements = |kept: &[(usize, Arc<P>)]| kept.iter().map(|(size, _)| *size).sum::<usize>();
        while kept.len() > KEPT || (kept.len() > 1 && elements(&kept) > KEPT_ELEMENTS) {
            kept.remove(0);
        }
        plan
    }
}

/// Complex lanes to complex lanes, without a factor or with one.
pub(super) struct Complex {
    plan: Arc<dyn Fft<f32>>,
    across: Arc<Option<across::Plan>>,
    scale: f32,
}

impl Complex {
    pub(super) fn new(length: usize, inverse: bool, scale: f32) -> Self {
        static FORWARD: Cache<dyn Fft<f32>> = Cache::new();
        static INVERSE: Cache<dyn Fft<f32>> = Cache::new();
        let plan = match inverse {
            false => FORWARD.get(length, || FftPlanner::new().plan_fft_forward(length)),
            true => INVERSE.get(length, || FftPlanner::new().plan_fft_inverse(length)),
        };
        static ACROSS: [Cache<Option<across::Plan>>; 2] = [Cache::new(), Cache::new()];
        let across = ACROSS[usize::from(inverse)].get(length, || {
            Arc::new(across::Plan::new(Kind::Complex { inverse }, length))
        });
        Complex {
            plan,
            across,
            scale,
        }
    }
}

/// Whether lanes of a length are worth turning: those that are short, but for whose factors one
/// lane's transform has no code that fills registers.
fn turning_pays(length: usize) -> bool {
    let filled = length >= 64 && length.is_multiple_of(8);
    if !(10..=128).contains(&length) || filled {
        return false;
    }
    let without = |length: usize, factor: usize| {
        let powers = std::iter::successors(Some(length), |left| Some(left / factor));
        let mut powers = powers.skip_while(|left| left.is_multiple_of(factor));
        powers.next().unwrap_or(1)
    };
    [2, 3, 11].into_iter().fold(length, without) > 1
}

impl Transform for Complex {
    type Input = Complex32;
    type Output = Complex32;

    fn across(&self, inner: usize) -> Option<(&across::Plan, f32)> {
        // lanes one behind the other have to be turned, twice
        let pays = inner > 1 || turning_pays(self.plan.len());
        let plan = self.across.as_ref().as_ref().filter(|_| pays);
        plan.map(|plan| (plan, self.scale))
    }

    fn scratch_length(&self) -> usize {
        let lengths = [
            self.plan.get_outofplace_scratch_len(),
            self.plan.get_immutable_scratch_len(),
        ];
        lengths[0].max(lengths[1])
    }

    fn transform_untouched(
        &self,
        input: &[Complex32],
        output: &mut [Complex32],
        scratch: &mut [Complex32],
    ) -> bool {
        self.plan
            .process_immutable_with_scratch(input, output, scratch);
        if self.scale != 1.0 {
            output.iter_mut().for_each(|value| *value *= self.scale);
        }
        true
    }

    fn transform(
        &self,
        input: &mut [Complex32],
        output: &mut [Complex32],
        scratch: &mut [Complex32],
    ) {
        self.plan
            .process_outofplace_with_scratch(input, output, scratch);
        if self.scale != 1.0 {
            output.iter_mut().for_each(|value| *value *= self.scale);
        }
    }
}

/// Real lanes to the frequencies that determine the others.
pub(super) struct FromReal {
    across: Arc<Option<across::Plan>>,
    plan: Arc<dyn RealToComplex<f32>>,
    scale: f32,
}

impl FromReal {
    pub(super) fn new(length: usize, scale: f32) -> Self {
        static PLANS: Cache<dyn RealToComplex<f32>> = Cache::new();
        let plan = PLANS.get(length, || RealFftPlanner::new().plan_fft_forward(length));
        static ACROSS: Cache<Option<across::Plan>> = Cache::new();
        let across = ACROSS.get(length, || {
            Arc::new(across::Plan::new(Kind::FromReal, length))
        });
        FromReal {
            plan,
            across,
            scale,
        }
    }
}

impl Transform for FromReal {
    type Input = f32;
    type Output = Complex32;

    fn across(&self, _inner: usize) -> Option<(&across::Plan, f32)> {
        let plan = self.across.as_ref().as_ref();
        plan.map(|plan| (plan, self.scale))
    }

    fn scratch_length(&self) -> usize {
        self.plan.get_scratch_len()
    }

    fn transform(&self, input: &mut [f32], output: &mut [Complex32], scratch: &mut [Complex32]) {
        let done = self.plan.process_with_scratch(input, output, scratch);
        debug_assert!(done.is_ok(), "the lanes have the plan's lengths");
        if self.scale != 1.0 {
            output.iter_mut().for_each(|value| *value *= self.scale);
        }
    }
}

/// Frequencies that determine the others to real lanes.
pub(super) struct ToReal {
    across: Arc<Option<across::Plan>>,
    plan: Arc<dyn ComplexToReal<f32>>,
    scale: f32,
}

impl ToReal {
    pub(super) fn new(length: usize, scale: f32) -> Self {
        static PLANS: Cache<dyn ComplexToReal<f32>> = Cache::new();
        let plan = PLANS.get(length, || RealFftPlanner::new().plan_fft_inverse(length));
        static ACROSS: Cache<Option<across::Plan>> = Cache::new();
        let across = ACROSS.get(length, || Arc::new(across::Plan::new(Kind::ToReal, length)));
        ToReal {
            plan,
            across,
            scale,
        }
    }
}

impl Transform for ToReal {
    type Input = Complex32;
    type Output = f32;

    fn across(&self, _inner: usize) -> Option<(&across::Plan, f32)> {
        let plan = self.across.as_ref().as_ref();
        plan.map(|plan| (plan, self.scale))
    }

    fn scratch_length(&self) -> usize {
        self.plan.get_scratch_len()
    }

    fn transform(&self, input: &mut [Complex32], output: &mut [f32], scratch: &mut [Complex32]) {
        // these imaginary parts do not count, but the plan would complain
        input[0].im = 0.0;
        if output.len().is_multiple_of(2) {
            input[output.len() / 2].im = 0.0;
        }
        let done = self.plan.process_with_scratch(input, output, scratch);
        debug_assert!(done.is_ok(), "the lanes have the plan's lengths");
        if self.scale != 1.0 {
            output.iter_mut().for_each(|value| *value *= self.scale);
        }
    }
}

//! Registers of one number from each of eight lanes, and complex numbers made of two of them.

/// How many lanes are transformed side by side.
pub(super) const WIDTH: usize = 8;

/// One number from each lane. A value can only be loaded where the machine has its instructions, so
/// arithmetic on values is safe.
pub(super) trait Register: Copy {
    /// # Safety
    /// [`WIDTH`] numbers are valid; the machine has the instructions.
    unsafe fn load(from: *const f32) -> Self;

    /// # Safety
    /// There is room for [`WIDTH`] numbers.
    unsafe fn store(self, to: *mut f32);

    /// The same number for each lane.
    fn splat(self, value: f32) -> Self;

    /// The same number for each lane, from memory: both parts of a complex number would otherwise
    /// be loaded together and have to be taken apart.
    fn broadcast(self, value: &f32) -> Self;

    /// `self + other`.
    fn add(self, other: Self) -> Self;

    /// `self - other`.
    fn sub(self, other: Self) -> Self;

    /// `self · other`.
    fn mul(self, other: Self) -> Self;

    /// `self · factor + addend`.
    fn mul_add(self, factor: Self, addend: Self) -> Self;

    /// `addend - self · factor`.
    fn mul_sub_from(self, factor: Self, addend: Self) -> Self;

    /// The first and the second numbers of pairs, of which `low` and `high` hold four each.
    fn part(low: Self, high: Self) -> (Self, Self);

    /// Undoes [`Register::part`].
    fn join(first: Self, second: Self) -> (Self, Self);
}

/// Arrays that the compiler turns into whatever registers the target has.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(super) struct Portable([f32; WIDTH]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, combine: impl Fn(f32, f32) -> f32) -> Self {
        Portable(std::array::from_fn(|lane| {
            combine(self.0[lane], other.0[lane])
        }))
    }
}

impl Register for Portable {
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise
        Portable(unsafe { from.cast::<[f32; WIDTH]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise
        unsafe { to.cast::<[f32; WIDTH]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self {
        Portable([value; WIDTH])
    }

    #[inline(always)]
    fn broadcast(self, value: &f32) -> Self {
        self.splat(*value)
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        self.mul(factor).add(addend)
    }

    #[inline(always)]
    fn mul_sub_from(self, factor: Self, addend: Self) -> Self {
        addend.sub(self.mul(factor))
    }

    #[inline(always)]
    fn part(low: Self, high: Self) -> (Self, Self) {
        let number = |place: usize| match place < WIDTH {
            true => low.0[place],
            false => high.0[place - WIDTH],
        };
        (
            Portable(std::array::from_fn(|lane| number(2 * lane))),
            Portable(std::array::from_fn(|lane| number(2 * lane + 1))),
        )
    }

    #[inline(always)]
    fn join(first: Self, second: Self) -> (Self, Self) {
        let number = |place: usize| match place % 2 {
            0 => first.0[place / 2],
            _ => second.0[place / 2],
        };
        (
            Portable(std::array::from_fn(number)),
            Portable(std::array::from_fn(|place| number(place + WIDTH))),
        )
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::Register;
    use std::arch::x86_64::*;

    /// A register of AVX2 with FMA. Made only by `load`, whose caller promises the instructions.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2(__m256);

    impl Register for Avx2 {
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the caller's promise
            Avx2(unsafe { _mm256_loadu_ps(from) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: the caller's promise
            unsafe { _mm256_storeu_ps(to, self.0) }
        }

        #[inline(always)]
        fn splat(self, value: f32) -> Self {
            // SAFETY: `self` exists, so the machine has the instruction
            Avx2(unsafe { _mm256_set1_ps(value) })
        }

        #[inline(always)]
        fn broadcast(self, value: &f32) -> Self {
            // SAFETY: as in `splat`
            Avx2(unsafe { _mm256_broadcast_ss(value) })
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: as in `splat`
            Avx2(unsafe { _mm256_add_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            // SAFETY: as in `splat`
            Avx2(unsafe { _mm256_sub_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            // SAFETY: as in `splat`
            Avx2(unsafe { _mm256_mul_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn mul_add(self, factor: Self, addend: Self) -> Self {
            // SAFETY: as in `splat`
            Avx2(unsafe { _mm256_fmadd_ps(self.0, factor.0, addend.0) })
        }

        #[inline(always)]
        fn mul_sub_from(self, factor: Self, addend: Self) -> Self {
            // SAFETY: as in `splat`
            Avx2(unsafe { _mm256_fnmadd_ps(self.0, factor.0, addend.0) })
        }

        #[inline(always)]
        fn part(low: Self, high: Self) -> (Self, Self) {
            (
                Avx2(quarters(shuffle::<0x88>(low.0, high.0))),
                Avx2(quarters(shuffle::<0xdd>(low.0, high.0))),
            )
        }

        #[inline(always)]
        fn join(first: Self, second: Self) -> (Self, Self) {
            let (first, second) = (quarters(first.0), quarters(second.0));
            // SAFETY: as in `splat`
            let low = unsafe { _mm256_unpacklo_ps(first, second) };
            // SAFETY: as in `splat`
            let high = unsafe { _mm256_unpackhi_ps(first, second) };
            (Avx2(low), Avx2(high))
        }
    }

    #[inline(always)]
    fn shuffle<const WHICH: i32>(a: __m256, b: __m256) -> __m256 {
        // SAFETY: called with the contents of values of `Avx2`, so the machine has the instruction
        unsafe { _mm256_shuffle_ps::<WHICH>(a, b) }
    }

    /// Exchanges the second and the third quarter.
    #[inline(always)]
    fn quarters(value: __m256) -> __m256 {
        // SAFETY: as in `shuffle`
        let value = unsafe { _mm256_castps_pd(value) };
        // SAFETY: as in `shuffle`
        let value = unsafe { _mm256_permute4x64_pd::<0xd8>(value) };
        // SAFETY: as in `shuffle`
        unsafe { _mm256_castpd_ps(value) }
    }
}

/// A complex number from each lane.
#[derive(Clone, Copy)]
pub(super) struct Complex<V> {
    pub(super) re: V,
    pub(super) im: V,
}

impl<V: Register> Complex<V> {
    #[inline(always)]
    pub(super) fn add(self, other: Self) -> Self {
        Complex {
            re: self.re.add(other.re),
            im: self.im.add(other.im),
        }
    }

    #[inline(always)]
    pub(super) fn sub(self, other: Self) -> Self {
        Complex {
            re: self.re.sub(other.re),
            im: self.im.sub(other.im),
        }
    }

    /// `self · factor` for a factor that all lanes share.
    #[inline(always)]
    pub(super) fn mul(self, factor: &num_complex::Complex32) -> Self {
        let (re, im) = (self.re.broadcast(&factor.re), self.re.broadcast(&factor.im));
        Complex {
            re: self.im.mul_sub_from(im, self.re.mul(re)),
            im: self.re.mul_add(im, self.im.mul(re)),
        }
    }

    /// `self · factor` for a real factor that all lanes share.
    #[inline(always)]
    pub(super) fn scale(self, factor: f32) -> Self {
        let factor = self.re.splat(factor);
        Complex {
            re: self.re.mul(factor),
            im: self.im.mul(factor),
        }
    }

    /// `self · factor + addend` for a real factor that all lanes share.
    #[inline(always)]
    pub(super) fn scale_add(self, factor: f32, addend: Self) -> Self {
        let factor = self.re.splat(factor);
        Complex {
            re: self.re.mul_add(factor, addend.re),
            im: self.im.mul_add(factor, addend.im),
        }
    }

    /// `self + i · other`.
    #[inline(always)]
    pub(super) fn add_turned(self, other: Self) -> Self {
        Complex {
            re: self.re.sub(other.im),
            im: self.im.add(other.re),
        }
    }

    /// `self - i · other`.
    #[inline(always)]
    pub(super) fn sub_turned(self, other: Self) -> Self {
        Complex {
            re: self.re.add(other.im),
            im: self.im.sub(other.re),
        }
    }
}

//! Plain loops compiled for several instruction sets.

/// Compiles an inlined function for every instruction set and chooses among them at run time:
/// `compiled! { /// … fn pack<T: Element>(from: *const T, count: usize) by pack_loop }` makes
/// `unsafe fn pack<T: Element>(isa: Isa, from: *const T, count: usize)`, which calls
/// `pack_loop(from, count)` inside of functions with the features. It may be called where
/// `pack_loop` may, on machines that have the instruction set.
macro_rules! compiled {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident $(<$generic:ident: $bound:path>)?
        ($($argument:ident: $type:ty),* $(,)?) by $body:path) => {
        $(#[$doc])*
        $visibility unsafe fn $name $(<$generic: $bound>)? (
            isa: $crate::simd::Isa, $($argument: $type),*
        ) {
            #[cfg(avx512)]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
            unsafe fn avx512 $(<$generic: $bound>)? ($($argument: $type),*) {
                // SAFETY: the caller's promise is the same
                unsafe { $body($($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            unsafe fn avx2 $(<$generic: $bound>)? ($($argument: $type),*) {
                // SAFETY: the caller's promise is the same
                unsafe { $body($($argument),*) }
            }
            // SAFETY: the caller's promise is the same
            unsafe {
                match isa {
                    #[cfg(avx512)]
                    $crate::simd::Isa::Avx512 => avx512($($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::simd::Isa::Avx2 => avx2($($argument),*),
                    _ => $body($($argument),*),
                }
            }
        }
    };
}

pub(crate) use compiled;

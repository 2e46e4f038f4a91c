//! Run-time choice of the instruction set for loops that the compiler vectorises.
//!
//! A hot loop is written once as an `#[inline(always)]` function with a `const ISA: u8`
//! parameter; [`vectorised!`] compiles it for AVX-512, for AVX2 with FMA and for the baseline, and
//! calls the best copy that the processor has.

/// Baseline of the target: no fused multiply-add.
pub(crate) const BASELINE: u8 = 0;
/// AVX2 with FMA: four lanes.
#[cfg(all(target_arch = "x86_64", not(debug_assertions)))]
pub(crate) const AVX2: u8 = 1;
/// AVX-512 F, VL and DQ: eight lanes.
pub(crate) const AVX512: u8 = 2;

/// a b + c, fused where the instruction set has it.
///
/// NUMERICS: without FMA `mul_add` is a library call some twenty times slower.
#[inline(always)]
pub(crate) fn fma<const ISA: u8>(a: f64, b: f64, c: f64) -> f64 {
    if ISA == BASELINE { a * b + c } else { a.mul_add(b, c) }
}

/// Defines `fn name(args)` that runs `body::<ISA>(args)` with the best instruction set available.
///
/// `[const K]` or `[const K, const L]` before the arguments adds const parameters that are passed on to the body.
macro_rules! vectorised {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident $([$(const $K:ident),+])? ($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:ident
    ) => {
        $(#[$meta])*
        $vis fn $name $(<$(const $K: usize),+>)? ($($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx2,fma")]
                fn avx512 $(<$(const $K: usize),+>)? ($($arg: $ty),*) $(-> $ret)? {
                    $body::<{ $crate::math::dispatch::AVX512 } $($(, $K)+)?>($($arg),*)
                }
                // Builds with debug assertions leave this copy out, so that tests do not wait for the compiler.
                #[cfg(not(debug_assertions))]
                #[target_feature(enable = "avx2,fma")]
                fn avx2 $(<$(const $K: usize),+>)? ($($arg: $ty),*) $(-> $ret)? {
                    $body::<{ $crate::math::dispatch::AVX2 } $($(, $K)+)?>($($arg),*)
                }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("fma")
                {
                    // SAFETY: the processor has every feature that the callee is compiled for.
                    return unsafe { avx512 $(::<$($K),+>)? ($($arg),*) };
                }
                #[cfg(not(debug_assertions))]
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has every feature that the callee is compiled for.
                    return unsafe { avx2 $(::<$($K),+>)? ($($arg),*) };
                }
            }
            $body::<{ $crate::math::dispatch::BASELINE } $($(, $K)+)?>($($arg),*)
        }
    };
}
pub(crate) use vectorised;

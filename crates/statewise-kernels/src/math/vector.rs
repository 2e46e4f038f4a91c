//! Exponential and logarithm over arrays, several lanes at a time.
//!
//! exp x = 2ⁿ eʳ with n = round(x / ln 2) and |r| ≤ ln 2 / 2, eʳ by its Taylor polynomial of degree
//! 13 in Estrin form; ln x = n ln 2 + ln m with m in [√½, √2), ln m by the series in s = f/(2 + f),
//! f = m − 1. Plain arithmetic on bits, so that the compiler can vectorise the loops.
//!
//! # Source
//! Coefficients of ln: FreeBSD msun `e_log.c` (Sun Microsystems, 1993).

use super::dispatch::{fma, vectorised};

/// 1.5 · 2⁵²: adding it rounds to an integer that then sits in the low bits of the sum.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// ln 2 = `LN2_HIGH` + `LN2_LOW`; n · `LN2_HIGH` is exact for |n| < 2²⁰.
const LN2_HIGH: f64 = 6.931_471_803_691_238_164_90e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_700_02e-10;
/// Below it exp is flushed to zero, so that no result is subnormal.
const EXP_LOWEST: f64 = -708.0;
/// Above it exp overflows.
const EXP_HIGHEST: f64 = 709.782_712_893_384;

vectorised! {
    /// Replaces each x by exp x: within 1 ulp, 0 below −708, NaN kept.
    pub fn exp_slice(values: &mut [f64]) = exp_slice_body
}

#[inline(always)]
fn exp_slice_body<const ISA: u8>(values: &mut [f64]) {
    for x in values {
        *x = exp_lane::<ISA>(*x);
    }
}

vectorised! {
    /// Replaces each x by ln x: within 1 ulp, ln 0 = −∞, NaN for x < 0, NaN kept.
    pub fn ln_slice(values: &mut [f64]) = ln_slice_body
}

#[inline(always)]
fn ln_slice_body<const ISA: u8>(values: &mut [f64]) {
    for x in values {
        *x = ln_lane::<ISA>(*x);
    }
}

/// exp x without branches.
#[inline(always)]
pub(crate) fn exp_lane<const ISA: u8>(x: f64) -> f64 {
    let clamped = if x > EXP_LOWEST { x } else { EXP_LOWEST };
    let clamped = if clamped < EXP_HIGHEST { clamped } else { EXP_HIGHEST };
    let shifted = fma::<ISA>(clamped, std::f64::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fma::<ISA>(-n, LN2_LOW, fma::<ISA>(-n, LN2_HIGH, clamped));
    let p = exp_polynomial::<ISA>(r);
    // 2^(n-1) and not 2^n: n reaches 1024, which has no finite power of two.
    let power = f64::from_bits((shifted.to_bits() << 52).wrapping_add(1022 << 52));
    let y = (p + p) * power;
    let y = if x < EXP_LOWEST { 0.0 } else { y };
    let y = if x > EXP_HIGHEST { f64::INFINITY } else { y };
    // NUMERICS: the clamp turns NaN into −708; without this line it would come out as 3e-308.
    if x.is_nan() { x } else { y }
}

/// Σ_{n≤13} rⁿ/n! in Estrin form; 1 + r are added last, as the largest terms.
#[inline(always)]
fn exp_polynomial<const ISA: u8>(r: f64) -> f64 {
    let r2 = r * r;
    let r4 = r2 * r2;
    let r8 = r4 * r4;
    let p23 = fma::<ISA>(r, 1.0 / 6.0, 0.5);
    let p45 = fma::<ISA>(r, 1.0 / 120.0, 1.0 / 24.0);
    let p67 = fma::<ISA>(r, 1.0 / 5040.0, 1.0 / 720.0);
    let p89 = fma::<ISA>(r, 1.0 / 362_880.0, 1.0 / 40_320.0);
    let p1011 = fma::<ISA>(r, 1.0 / 39_916_800.0, 1.0 / 3_628_800.0);
    let p1213 = fma::<ISA>(r, 1.0 / 6_227_020_800.0, 1.0 / 479_001_600.0);
    let high = fma::<ISA>(p1213, r4, fma::<ISA>(p1011, r2, p89));
    let middle = fma::<ISA>(p67, r2, p45);
    let tail = fma::<ISA>(high, r8, middle * r4);
    (fma::<ISA>(p23, r2, tail) + r) + 1.0
}

/// ln x without branches.
#[inline(always)]
pub(crate) fn ln_lane<const ISA: u8>(x: f64) -> f64 {
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    let subnormal = x < f64::MIN_POSITIVE;
    let normal = if subnormal { x * 18_014_398_509_481_984.0 } else { x }; // 2⁵⁴
    let bits = normal.to_bits();
    let n = (bits.wrapping_sub(SQRT_HALF) as i64) >> 52;
    let m = f64::from_bits(bits.wrapping_sub((n as u64) << 52));
    // PERF: AVX2 has no conversion from i64; the integer is read back from the low bits instead.
    let n = f64::from_bits((n as u64).wrapping_add(ROUND.to_bits())) - ROUND;
    let n = if subnormal { n - 54.0 } else { n };
    let y = ln_mantissa::<ISA>(m, n);
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    let y = if x < 0.0 { f64::NAN } else { y };
    let y = if x == f64::INFINITY { x } else { y };
    if x.is_nan() { x } else { y }
}

/// n ln 2 + ln m for m in [√½, √2).
#[inline(always)]
fn ln_mantissa<const ISA: u8>(m: f64, n: f64) -> f64 {
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = fma::<ISA>(w, 1.531383769920937332e-01, 2.222219843214978396e-01);
    let even = w * fma::<ISA>(w, even, 3.999999999940941908e-01);
    let odd = fma::<ISA>(w, 1.479819860511658591e-01, 1.818357216161805012e-01);
    let odd = fma::<ISA>(w, odd, 2.857142874366239149e-01);
    let odd = z * fma::<ISA>(w, odd, 6.666666666666735130e-01);
    let half_square = 0.5 * f * f;
    let correction = fma::<ISA>(n, LN2_LOW, s * (half_square + (odd + even)));
    n * LN2_HIGH - ((half_square - correction) - f)
}

/// Replaces each row of log-likelihoods x by exp(x − max x) and writes the maxima into `shift`.
///
/// * `rows` – in and out, shape \[len, K\]; `shift` – out, shape \[len\].
///
/// A row with a NaN or with only −∞ gets a shift that is not finite.
pub fn exp_shifted_rows(rows: &mut [f64], shift: &mut [f64]) {
    shifted_rows(None, rows, shift);
}

/// [`exp_shifted_rows`] of `values`, written into `rows`.
pub(crate) fn exp_shifted_rows_from(values: &[f64], rows: &mut [f64], shift: &mut [f64]) {
    shifted_rows(Some(values), rows, shift);
}

fn shifted_rows(values: Option<&[f64]>, rows: &mut [f64], shift: &mut [f64]) {
    if rows.is_empty() || shift.is_empty() {
        return;
    }
    let width = rows.len() / shift.len();
    match width {
        1 => shift_rows::<1>(values, rows, shift),
        2 => shift_rows::<2>(values, rows, shift),
        3 => shift_rows::<3>(values, rows, shift),
        4 => shift_rows::<4>(values, rows, shift),
        5 => shift_rows::<5>(values, rows, shift),
        6 => shift_rows::<6>(values, rows, shift),
        7 => shift_rows::<7>(values, rows, shift),
        _ => shift_wide_rows(values, rows, shift),
    }
    if exp_finds_nan(rows) {
        for (row, shift) in rows.chunks_exact(width).zip(shift) {
            if shift.is_finite() && row.iter().any(|x| x.is_nan()) {
                *shift = f64::NAN;
            }
        }
    }
}

vectorised! {
    /// Subtracts from each row of K entries its maximum.
    fn shift_rows[const K](values: Option<&[f64]>, rows: &mut [f64], shift: &mut [f64]) = shift_rows_body
}

#[inline(always)]
fn shift_rows_body<const ISA: u8, const K: usize>(
    values: Option<&[f64]>,
    rows: &mut [f64],
    shift: &mut [f64],
) {
    let (rows, _) = rows.as_chunks_mut::<K>();
    match values {
        None => {
            for (row, shift) in rows.iter_mut().zip(shift) {
                *shift = largest(row);
                *row = row.map(|x| x - *shift);
            }
        }
        Some(values) => {
            let (values, _) = values.as_chunks::<K>();
            for ((row, values), shift) in rows.iter_mut().zip(values).zip(shift) {
                *shift = largest(values);
                *row = values.map(|x| x - *shift);
            }
        }
    }
}

vectorised! {
    /// Subtracts from each row its maximum.
    fn shift_wide_rows(values: Option<&[f64]>, rows: &mut [f64], shift: &mut [f64]) = shift_wide_rows_body
}

#[inline(always)]
fn shift_wide_rows_body<const ISA: u8>(values: Option<&[f64]>, rows: &mut [f64], shift: &mut [f64]) {
    let width = rows.len() / shift.len();
    for (row, shift) in values.unwrap_or(rows).chunks_exact(width).zip(shift.iter_mut()) {
        *shift = largest(row);
    }
    match values {
        None => {
            for (row, shift) in rows.chunks_exact_mut(width).zip(shift) {
                row.iter_mut().for_each(|x| *x -= *shift);
            }
        }
        Some(values) => {
            let values = values.chunks_exact(width);
            for ((row, values), shift) in rows.chunks_exact_mut(width).zip(values).zip(shift) {
                row.iter_mut().zip(values).for_each(|(x, value)| *x = value - *shift);
            }
        }
    }
}

vectorised! {
    /// [`exp_slice`] that says whether any result is a NaN.
    fn exp_finds_nan(values: &mut [f64]) -> bool = exp_finds_nan_body
}

#[inline(always)]
fn exp_finds_nan_body<const ISA: u8>(values: &mut [f64]) -> bool {
    let mut nan = false;
    for x in values {
        *x = exp_lane::<ISA>(*x);
        nan |= x.is_nan();
    }
    nan
}

/// max_k x_k, NaN left out of account.
#[inline(always)]
fn largest(row: &[f64]) -> f64 {
    const LANES: usize = 8;
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut max = rest.iter().fold(f64::NEG_INFINITY, |m, &x| larger(x, m));
    if let Some((first, chunks)) = chunks.split_first() {
        let mut lanes = *first;
        for chunk in chunks {
            for l in 0..LANES {
                lanes[l] = larger(chunk[l], lanes[l]);
            }
        }
        let four: [f64; 4] = std::array::from_fn(|l| larger(lanes[l], lanes[l + 4]));
        let two = [larger(four[0], four[2]), larger(four[1], four[3])];
        max = larger(max, larger(two[0], two[1]));
    }
    max
}

/// The larger of two; the second if one is NaN, as the processor's instruction does.
#[inline(always)]
fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

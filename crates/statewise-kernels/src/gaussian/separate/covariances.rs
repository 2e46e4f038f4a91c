//! Covariances and gains of a step, as [`Riccati`](crate::gaussian::Riccati) has them for one series.

use super::forward::Sums;
use super::matrix::{Part, dot, plain, product, turned};
use super::{Entry, SeparateScratch};
use crate::gaussian::dense::Into;
use crate::gaussian::lanes::{Lane, OCTET};
use crate::gaussian::riccati::{ILL_CONDITIONED, LN_2_PI, PRECISE};
use crate::gaussian::system::{Noise, System};
use crate::math::dispatch::fma;
use crate::math::ln_lane;

/// A P Aᵀ + Q into the entry to come.
#[inline(always)]
pub(super) fn predict<const ISA: u8, const D: usize>(
    system: &System<'_>,
    t: usize,
    scratch: &mut SeparateScratch,
) {
    let SeparateScratch { entry, last, squares: [half, ..], .. } = scratch;
    let start = if t == 0 { system.initial_cov } else { system.transition_cov.at(t) };
    for (out, start) in entry.predicted.iter_mut().zip(start) {
        *out = [*start; OCTET];
    }
    if t == 0 {
        return;
    }
    let a = system.transition.at(t);
    product::<ISA, D, _, _>([D, D], plain(a, D), plain(&last.filtered, D), half, Into::Set, Part::All);
    product::<ISA, D, _, _>(
        [D, D],
        plain(half, D),
        turned(a, D),
        &mut entry.predicted,
        Into::Add,
        Part::Lower,
    );
}

/// Completes the entry to come from its predicted covariance.
#[inline(always)]
pub(super) fn update<const ISA: u8, const D: usize, const M: usize>(
    system: &System<'_>,
    t: usize,
    in_block: usize,
    scratch: &mut SeparateScratch,
    sums: &mut Sums,
) {
    let SeparateScratch { entry, gain, factor, blocks, .. } = scratch;
    let Entry { predicted, filtered, w, inverse, masked, log_norm } = entry;
    let h = system.emission.at(t);
    let y = &blocks[0][in_block * M..(in_block + 1) * M];
    let mut observed = [[1.0; OCTET]; M];
    let mut count = [0.0; OCTET];
    for i in 0..M {
        for l in 0..OCTET {
            observed[i][l] = if y[i][l].is_nan() { 0.0 } else { 1.0 };
            count[l] += observed[i][l];
        }
    }
    let gaps = count != [M as f64; OCTET];

    product::<ISA, D, _, _>([M, D], plain(h, D), plain(predicted, D), gain, Into::Set, Part::All);
    if gaps {
        for i in 0..M {
            for j in 0..D {
                let x = &mut gain[i * D + j];
                for l in 0..OCTET {
                    x[l] = if observed[i][l] != 0.0 { x[l] } else { 0.0 };
                }
            }
        }
    }
    for i in 0..M {
        for j in 0..=i {
            let mut s = dot::<ISA, D>(&gain[i * D..(i + 1) * D], &h[j * D..(j + 1) * D]);
            let r = noise(&system.emission_cov, t, M, i, j);
            if let Some(r) = r {
                for l in 0..OCTET {
                    s[l] += r;
                }
            }
            if i == j {
                let r = PRECISE * r.unwrap_or(0.0);
                for l in 0..OCTET {
                    sums.doubt[l] = if observed[i][l] != 0.0 && s[l] > r { 1.0 } else { sums.doubt[l] };
                }
            }
            if gaps {
                let missing = if i == j { 1.0 } else { 0.0 };
                for l in 0..OCTET {
                    s[l] = if observed[i][l] * observed[j][l] != 0.0 { s[l] } else { missing };
                }
            }
            factor[i * M + j] = s;
        }
    }
    let product_of_pivots = factorise::<ISA, M>(factor, inverse, &mut sums.doubt);
    for l in 0..OCTET {
        let log_det = ln_lane::<ISA>(product_of_pivots[l]);
        log_norm[0][l] = (0.0 - log_det) - 0.5 * count[l] * LN_2_PI;
    }
    for i in 0..M {
        for p in 0..=i {
            for l in 0..OCTET {
                masked[i * M + p][l] = if observed[p][l] != 0.0 { inverse[i * M + p][l] } else { 0.0 };
            }
        }
    }
    product::<ISA, M, _, _>([M, D], plain(inverse, M), plain(gain, D), w, Into::Set, Part::All);
    filtered.copy_from_slice(predicted);
    product::<ISA, M, _, _>([D, D], turned(w, D), plain(w, D), filtered, Into::Subtract, Part::Lower);
    for i in 0..D {
        let variance = &mut filtered[i * D + i];
        for l in 0..OCTET {
            // NUMERICS: a variance that rounding took below zero is zero; NaN stays.
            variance[l] = if variance[l] < 0.0 { 0.0 } else { variance[l] };
        }
    }
}

/// R_ij; `None` off the diagonal of a diagonal R.
#[inline(always)]
fn noise(noise: &Noise<'_>, t: usize, m: usize, i: usize, j: usize) -> Option<f64> {
    match noise {
        Noise::Diagonal(r) => (i == j).then(|| r.at(t)[i]),
        Noise::Full(r) => Some(r.at(t)[i * m + j]),
    }
}

/// Factors S = L Lᵀ in place (lower triangle) and writes L⁻¹; answers det L. Marks lanes in which pivots are
/// at the mercy of rounding.
#[inline(always)]
fn factorise<const ISA: u8, const M: usize>(
    s: &mut [Lane],
    inverse: &mut [Lane],
    doubt: &mut Lane,
) -> Lane {
    let mut determinant = [1.0; OCTET];
    inverse.fill([0.0; OCTET]);
    for i in 0..M {
        for j in 0..i {
            let mut sum = [0.0; OCTET];
            for k in 0..j {
                for l in 0..OCTET {
                    sum[l] = fma::<ISA>(s[j * M + k][l], s[i * M + k][l], sum[l]);
                }
            }
            let (pivot, mut x) = (s[j * M + j], s[i * M + j]);
            for l in 0..OCTET {
                x[l] = (x[l] - sum[l]) / pivot[l];
            }
            s[i * M + j] = x;
        }
        let mut sum = [0.0; OCTET];
        for k in 0..i {
            let x = s[i * M + k];
            for l in 0..OCTET {
                sum[l] = fma::<ISA>(x[l], x[l], sum[l]);
            }
        }
        let diagonal = s[i * M + i];
        let (mut root, mut scale) = ([0.0; OCTET], [0.0; OCTET]);
        for l in 0..OCTET {
            let pivot = diagonal[l] - sum[l];
            doubt[l] = if pivot > ILL_CONDITIONED * diagonal[l] { doubt[l] } else { 1.0 };
            root[l] = pivot.sqrt();
            scale[l] = 1.0 / root[l];
        }
        s[i * M + i] = root;
        for j in 0..i {
            let x = s[i * M + j];
            for k in 0..=j {
                let (mut out, y) = (inverse[i * M + k], inverse[j * M + k]);
                for l in 0..OCTET {
                    out[l] -= x[l] * y[l];
                }
                inverse[i * M + k] = out;
            }
        }
        inverse[i * M + i] = [1.0; OCTET];
        for k in 0..=i {
            let mut out = inverse[i * M + k];
            for l in 0..OCTET {
                out[l] *= scale[l];
            }
            inverse[i * M + k] = out;
        }
        for l in 0..OCTET {
            determinant[l] *= root[l];
            // Beyond this range the pass over one series takes logarithms apart.
            let fine = (1e-100..1e100).contains(&determinant[l]);
            doubt[l] = if fine { doubt[l] } else { 1.0 };
        }
    }
    determinant
}

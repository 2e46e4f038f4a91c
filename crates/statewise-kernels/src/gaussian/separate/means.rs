//! Means of a step, as [`advance_means`](crate::gaussian::advance_means) has them for one series.

use super::SeparateScratch;
use super::forward::Sums;
use super::matrix::{Part, plain, product, turned};
use crate::gaussian::dense::Into;
use crate::gaussian::lanes::offsets::{subtract_emission, transition};
use crate::gaussian::lanes::{OCTET, add_exactly};
use crate::gaussian::system::{Series, System};
use crate::math::dispatch::fma;

/// The means of a step, from the gains of `last`.
#[inline(always)]
pub(super) fn means<const ISA: u8, const D: usize, const M: usize>(
    system: &System<'_>,
    series: &[&Series<'_>; OCTET],
    offsets: bool,
    t: usize,
    in_block: usize,
    scratch: &mut SeparateScratch,
    sums: &mut Sums,
) {
    let SeparateScratch {
        last: entry, blocks, state: [mean, predicted], emission: [residual, white], ..
    } = scratch;
    if t == 0 {
        predicted.copy_from_slice(mean);
    } else {
        predicted.fill([0.0; OCTET]);
        if offsets {
            transition(series, t, predicted);
        }
        let a = system.transition.at(t);
        product::<ISA, D, _, _>([D, 1], plain(a, D), plain(mean, 1), predicted, Into::Add, Part::All);
    }
    residual.copy_from_slice(&blocks[0][in_block * M..(in_block + 1) * M]);
    if offsets {
        subtract_emission(series, t, residual);
    }
    let h = system.emission.at(t);
    product::<ISA, D, _, _>([M, 1], plain(h, D), plain(predicted, 1), white, Into::Set, Part::All);
    for i in 0..M {
        for l in 0..OCTET {
            let difference = residual[i][l] - white[i][l];
            residual[i][l] = if difference.is_nan() { 0.0 } else { difference };
        }
    }
    product::<ISA, M, _, _>(
        [M, 1],
        plain(&entry.inverse, M),
        plain(residual, 1),
        white,
        Into::Set,
        Part::All,
    );
    mean.copy_from_slice(predicted);
    product::<ISA, M, _, _>([D, 1], turned(&entry.w, D), plain(white, 1), mean, Into::Add, Part::All);
    let mut square = [0.0; OCTET];
    for i in 0..M {
        for l in 0..OCTET {
            square[l] = fma::<ISA>(white[i][l], white[i][l], square[l]);
        }
    }
    let mut term = [0.0; OCTET];
    for l in 0..OCTET {
        term[l] = entry.log_norm[0][l] - 0.5 * square[l];
        sums.check[l] += 0.0 * square[l];
    }
    add_exactly(&mut sums.evidence, &mut sums.lost, &term);
}

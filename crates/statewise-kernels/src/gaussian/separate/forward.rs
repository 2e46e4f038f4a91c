//! The filter over lanes: covariances and means of a step, eight series at a time.

use super::matrix::{Part, distance, dot, keep, lower_len, pack, plain, product, turned};
use super::{Entry, OUTDATED, SeparateRows, SeparateScratch, Settling, by_size, lengths};
use crate::gaussian::dense::Into;
use crate::gaussian::lanes::exchange::{gather, scatter};
use crate::gaussian::lanes::offsets::{subtract_emission, transition};
use crate::gaussian::lanes::{BLOCK, Lane, OCTET, add_exactly};
use crate::gaussian::riccati::{ILL_CONDITIONED, LN_2_PI, PRECISE};
use crate::gaussian::settling::SETTLING_INTERVAL;
use crate::gaussian::system::{Noise, Series, System};
use crate::math::dispatch::{BASELINE, fma, vectorised};
use crate::math::ln_lane;

/// Runs over all steps of all series; answers log p(y_{1:T}) of each.
pub(super) fn run(
    system: &System<'_>,
    series: &[Series<'_>],
    steady_state: bool,
    keep_history: bool,
    rows: &mut SeparateRows<'_>,
    scratch: &mut SeparateScratch,
) -> [Option<f64>; OCTET] {
    let (d, m) = (system.state_dim, system.emission_dim);
    by_size!(d, m, filter(system, series, steady_state, keep_history, rows, scratch)).unwrap_or_default()
}

vectorised! {
    fn filter[const D, const M](
        system: &System<'_>,
        series: &[Series<'_>],
        steady_state: bool,
        keep_history: bool,
        rows: &mut SeparateRows<'_>,
        scratch: &mut SeparateScratch,
    ) -> [Option<f64>; OCTET] = filter_body
}

#[inline(always)]
fn filter_body<const ISA: u8, const D: usize, const M: usize>(
    system: &System<'_>,
    series: &[Series<'_>],
    steady_state: bool,
    keep_history: bool,
    rows: &mut SeparateRows<'_>,
    scratch: &mut SeparateScratch,
) -> [Option<f64>; OCTET] {
    if OUTDATED && ISA == BASELINE {
        return Default::default();
    }
    let lengths = lengths(series, M);
    let num_steps = lengths.into_iter().fold(0, usize::max);
    let all: [&Series<'_>; OCTET] = std::array::from_fn(|l| series.get(l).unwrap_or(&series[0]));
    let emissions: [&[f64]; OCTET] = std::array::from_fn(|l| &all[l].emissions[..lengths[l] * M]);
    let offsets = all[0].transition_offset.is_some() || all[0].emission_offset.is_some();
    let steady_state = steady_state && system.is_fixed();
    let mut answers = [None; OCTET];
    let mut sums = Sums::default();
    let mut settling = Settling::new();
    let mut pattern = [f64::NAN; OCTET];
    let mut finished = [false; OCTET];
    for (i, mean) in scratch.state[0].iter_mut().enumerate() {
        *mean = [system.initial_mean[i]; OCTET];
    }
    for t in 0..=num_steps {
        if lengths.contains(&t) {
            for l in (0..OCTET).filter(|l| lengths[*l] == t) {
                finished[l] = true;
                answers[l] = sums.loglik(l).filter(|_| t > 0 && is_finite(scratch, l));
            }
        }
        if t == num_steps {
            break;
        }
        let in_block = t % BLOCK;
        if in_block == 0 {
            // Lanes that have come to their end go on with zeros.
            let place = t * M..num_steps.min(t + BLOCK) * M;
            gather(&emissions, place, 0.0, &mut scratch.blocks[0]);
        }
        let mut now = [0.0; OCTET];
        for i in 0..M {
            let y = &scratch.blocks[0][in_block * M + i];
            for l in 0..OCTET {
                now[l] += if y[l].is_nan() { (1 << i) as f64 } else { 0.0 };
            }
        }
        let changed: [bool; OCTET] = std::array::from_fn(|l| now[l] != pattern[l] && !finished[l]);
        pattern = now;
        for l in (0..OCTET).filter(|l| changed[*l]) {
            settling.restart(l);
        }
        let mut fresh = !settling.is_complete(&finished);
        if fresh {
            predict::<ISA, D>(system, t, scratch);
            if steady_state && t.is_multiple_of(SETTLING_INTERVAL) && t > 0 {
                let change = distance(D, &scratch.entry.predicted, &scratch.last.predicted);
                settling.look(&changed.map(|changed| !changed), &change);
                fresh = !settling.is_complete(&finished);
            }
        }
        if fresh {
            update::<ISA, D, M>(system, t, in_block, scratch, &mut sums);
            if settling.settled.contains(&true) {
                let SeparateScratch { entry, last, .. } = scratch;
                for (new, old) in entry.parts_mut().into_iter().zip(last.parts_mut()) {
                    keep(&settling.settled, old, new);
                }
            }
            std::mem::swap(&mut scratch.entry, &mut scratch.last);
        }
        // The entry of this step is `last` from here on.
        means::<ISA, D, M>(system, &all, offsets, t, in_block, scratch, &mut sums);

        let SeparateScratch { last: entry, blocks, state: [mean, predicted], emission, history, .. } =
            scratch;
        let SeparateRows { predicted_means, predicted_covs, filtered_means, filtered_covs, .. } = rows;
        for (out, values) in [(predicted_covs, &entry.predicted), (filtered_covs, &entry.filtered)] {
            if out.iter().any(|row| !row.is_empty()) {
                write::<D>(values, fresh, t, out);
            }
        }
        blocks[1][in_block * D..(in_block + 1) * D].copy_from_slice(predicted);
        blocks[2][in_block * D..(in_block + 1) * D].copy_from_slice(mean);
        if in_block + 1 == BLOCK || t + 1 == num_steps {
            let place = (t - in_block) * D..(t + 1) * D;
            for (out, block) in [(predicted_means, &blocks[1]), (filtered_means, &blocks[2])] {
                if out.iter().any(|row| !row.is_empty()) {
                    scatter(block, place.clone(), out);
                }
            }
        }
        if keep_history {
            if fresh {
                history.index.push((history.entries.len() / entry_len(D, M)) as u32);
                pack(D, &entry.predicted, &mut history.entries);
                pack(D, &entry.filtered, &mut history.entries);
                history.entries.extend_from_slice(&entry.w);
                pack(M, &entry.masked, &mut history.entries);
            } else {
                history.index.push(history.index[history.index.len() - 1]);
            }
            history.same.push(settling.bits());
            history.means.extend_from_slice(mean);
            history.means.extend_from_slice(&emission[1]);
        }
    }
    answers
}

/// Lanes of an entry of the history.
pub(super) const fn entry_len(d: usize, m: usize) -> usize {
    2 * lower_len(d) + m * d + lower_len(m)
}

/// Sums over steps.
#[derive(Default)]
struct Sums {
    evidence: Lane,
    lost: Lane,
    /// Stays 0 as long as all is finite.
    check: Lane,
    /// Not 0 where a step needs a closer look.
    doubt: Lane,
}

impl Sums {
    fn loglik(&self, l: usize) -> Option<f64> {
        (self.check[l] == 0.0 && self.doubt[l] == 0.0).then(|| self.evidence[l] + self.lost[l])
    }
}

/// Whether mean and variances of lane l after the last step are finite.
fn is_finite(scratch: &SeparateScratch, l: usize) -> bool {
    let d = scratch.state[0].len();
    let variances = scratch.last.filtered.iter().step_by(d + 1);
    scratch.state[0].iter().chain(variances).all(|x| x[l].is_finite())
}

/// A P Aᵀ + Q into the entry to come.
#[inline(always)]
fn predict<const ISA: u8, const D: usize>(system: &System<'_>, t: usize, scratch: &mut SeparateScratch) {
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
fn update<const ISA: u8, const D: usize, const M: usize>(
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

/// The means of a step, from the gains of `last`.
#[inline(always)]
fn means<const ISA: u8, const D: usize, const M: usize>(
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

/// Writes matrices of step t; where they are those of the step before, from there.
#[inline(always)]
pub(super) fn write<const D: usize>(
    values: &[Lane],
    fresh: bool,
    t: usize,
    rows: &mut [&mut [f64]; OCTET],
) {
    let size = D * D;
    if fresh {
        scatter(values, t * size..(t + 1) * size, rows);
        return;
    }
    for row in rows.iter_mut().filter(|row| row.len() >= (t + 1) * size) {
        let (before, now) = row[(t - 1) * size..(t + 1) * size].split_at_mut(size);
        now.copy_from_slice(before);
    }
}

//! The filter over lanes: covariances and means of a step, eight series at a time.

use super::covariances::{predict, update};
use super::matrix::{distance, keep, lower_len, pack, write};
use super::means::means;
use super::{OUTDATED, SeparateRows, SeparateScratch, Settling, by_size, lengths};
use crate::gaussian::lanes::exchange::{gather, scatter};
use crate::gaussian::lanes::{BLOCK, Lane, OCTET};
use crate::gaussian::settling::SETTLING_INTERVAL;
use crate::gaussian::system::{Series, System};
use crate::math::dispatch::{BASELINE, vectorised};

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
                // Step 0 is always fresh.
                write::<D>(values, fresh, t, t.saturating_sub(1), out);
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
pub(super) struct Sums {
    pub(super) evidence: Lane,
    /// What rounding took from the evidence.
    pub(super) lost: Lane,
    /// Stays 0 as long as all is finite.
    pub(super) check: Lane,
    /// Not 0 where a step needs a closer look.
    pub(super) doubt: Lane,
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

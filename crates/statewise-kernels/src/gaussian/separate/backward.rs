//! The smoother over lanes: Bryson and Frazier's recursion backwards, eight series at a time.

use super::forward::entry_len;
use super::matrix::{Part, distance, keep, lower_len, plain, product, turned, unpack, write};
use super::{OUTDATED, SeparateRows, SeparateScratch, Settling, by_size};
use crate::gaussian::dense::Into;
use crate::gaussian::lanes::exchange::scatter;
use crate::gaussian::lanes::{BLOCK, OCTET};
use crate::gaussian::settling::SETTLING_INTERVAL;
use crate::gaussian::smoothing::ILL_CONDITIONED;
use crate::gaussian::system::System;
use crate::math::dispatch::{BASELINE, vectorised};

/// Runs backwards over all steps of the history; answers which lanes need no closer look.
pub(super) fn run(
    system: &System<'_>,
    lengths: &[usize; OCTET],
    rows: &mut SeparateRows<'_>,
    scratch: &mut SeparateScratch,
) -> [bool; OCTET] {
    let (d, m) = (system.state_dim, system.emission_dim);
    by_size!(d, m, smooth(system, lengths, rows, scratch)).unwrap_or_default()
}

vectorised! {
    fn smooth[const D, const M](
        system: &System<'_>,
        lengths: &[usize; OCTET],
        rows: &mut SeparateRows<'_>,
        scratch: &mut SeparateScratch,
    ) -> [bool; OCTET] = smooth_body
}

#[inline(always)]
fn smooth_body<const ISA: u8, const D: usize, const M: usize>(
    system: &System<'_>,
    lengths: &[usize; OCTET],
    rows: &mut SeparateRows<'_>,
    scratch: &mut SeparateScratch,
) -> [bool; OCTET] {
    if OUTDATED && ISA == BASELINE {
        return Default::default();
    }
    let SeparateScratch { entry, u, squares, backward, state, emission, blocks, history, .. } = scratch;
    let [x, y, j, ahead] = squares;
    let [now, after] = backward;
    let [q, r] = state;
    let [a, _] = emission;
    let SeparateRows { smoothed_means, smoothed_covs, lag_one_covs, .. } = rows;
    let lag_one = lag_one_covs.iter().any(|row| !row.is_empty());
    let fixed = system.is_fixed();
    let num_steps = history.index.len();
    let mut settling = Settling::new();
    let mut doubt = [false; OCTET];
    let mut current = u32::MAX;
    // Lanes whose last step is yet to come; those without a series wait for ever.
    let mut waiting = [true; OCTET];
    for t in (0..num_steps).rev() {
        if lengths.contains(&(t + 1)) {
            // Nothing comes after the last step of a lane.
            for l in (0..OCTET).filter(|l| lengths[*l] == t + 1) {
                waiting[l] = false;
                doubt[l] = false;
                settling.restart(l);
                after[1].iter_mut().for_each(|x| x[l] = 0.0);
                r.iter_mut().for_each(|x| x[l] = 0.0);
            }
        }
        let bit = |at: usize, l: usize| history.same.get(at).is_some_and(|bits| *bits >> l & 1 == 1);
        let alike: [bool; OCTET] =
            std::array::from_fn(|l| fixed && t + 2 < lengths[l] && bit(t + 1, l) && bit(t + 2, l));
        for l in (0..OCTET).filter(|l| !alike[*l] && !waiting[*l]) {
            settling.restart(l);
        }
        let last_step = t + 1 == num_steps;
        let mut fresh = !settling.is_complete(&waiting);
        if fresh {
            if history.index[t] != current {
                current = history.index[t];
                let len = entry_len(D, M);
                let values = &history.entries[current as usize * len..(current as usize + 1) * len];
                let (predicted, rest) = values.split_at(lower_len(D));
                let (filtered, rest) = rest.split_at(lower_len(D));
                let (w, masked) = rest.split_at(M * D);
                ahead.copy_from_slice(&entry.predicted);
                unpack(D, predicted, false, &mut entry.predicted);
                unpack(D, filtered, false, &mut entry.filtered);
                entry.w.copy_from_slice(w);
                unpack(M, masked, true, &mut entry.masked);
                let h = system.emission.at(t);
                product::<ISA, M, _, _>(
                    [M, D],
                    plain(&entry.masked, M),
                    plain(h, D),
                    u,
                    Into::Set,
                    Part::All,
                );
            } else {
                ahead.copy_from_slice(&entry.predicted);
            }
            let [lambda, n, cov, lag] = now.each_mut();
            let [_, next_n, _, _] = after.each_ref();
            if last_step {
                lambda.fill([0.0; OCTET]);
            } else {
                let a = system.transition.at(t + 1);
                product::<ISA, D, _, _>([D, D], plain(next_n, D), plain(a, D), x, Into::Set, Part::All);
                product::<ISA, D, _, _>([D, D], turned(a, D), plain(x, D), lambda, Into::Set, Part::Lower);
                if t.is_multiple_of(SETTLING_INTERVAL) && alike.contains(&true) {
                    let change = distance(D, lambda, &after[0]);
                    settling.look(&alike, &change);
                    fresh = !settling.is_complete(&waiting);
                }
            }
            if fresh {
                let p = &entry.filtered;
                product::<ISA, D, _, _>([D, D], plain(lambda, D), plain(p, D), x, Into::Set, Part::All);
                cov.copy_from_slice(p);
                product::<ISA, D, _, _>([D, D], plain(p, D), plain(x, D), cov, Into::Subtract, Part::Lower);
                for i in 0..D {
                    let (variance, filtered) = (&mut cov[i * D + i], &p[i * D + i]);
                    for l in 0..OCTET {
                        doubt[l] |= variance[l] < ILL_CONDITIONED * filtered[l];
                        // NUMERICS: a variance that rounding took below zero is zero.
                        variance[l] = if variance[l] < 0.0 { 0.0 } else { variance[l] };
                    }
                }
                if lag_one && !last_step {
                    let a = system.transition.at(t + 1);
                    product::<ISA, D, _, _>(
                        [D, D],
                        plain(next_n, D),
                        plain(ahead, D),
                        x,
                        Into::Set,
                        Part::All,
                    );
                    for i in 0..D {
                        for k in 0..D {
                            y[k * D + i] = [a[i * D + k]; OCTET];
                        }
                    }
                    product::<ISA, D, _, _>(
                        [D, D],
                        turned(a, D),
                        plain(x, D),
                        y,
                        Into::Subtract,
                        Part::All,
                    );
                    product::<ISA, D, _, _>([D, D], plain(p, D), plain(y, D), lag, Into::Set, Part::All);
                }
                if lag_one && lengths.contains(&(t + 1)) {
                    for l in (0..OCTET).filter(|l| lengths[*l] == t + 1) {
                        lag.iter_mut().for_each(|x| x[l] = 0.0);
                    }
                }
                j.fill([0.0; OCTET]);
                (0..D).for_each(|i| j[i * D + i] = [1.0; OCTET]);
                product::<ISA, M, _, _>(
                    [D, D],
                    turned(u, D),
                    plain(&entry.w, D),
                    j,
                    Into::Subtract,
                    Part::All,
                );
                product::<ISA, D, _, _>([D, D], plain(j, D), plain(lambda, D), x, Into::Set, Part::All);
                product::<ISA, D, _, _>([D, D], plain(x, D), turned(j, D), n, Into::Set, Part::Lower);
                product::<ISA, M, _, _>([D, D], turned(u, D), plain(u, D), n, Into::Add, Part::Lower);
                if settling.settled.contains(&true) {
                    for (new, old) in now.iter_mut().zip(&*after) {
                        keep(&settling.settled, old, new);
                    }
                }
                std::mem::swap(now, after);
            }
        }
        // Precisions and covariances of this step are in `after` from here on.
        for (out, values) in [(&mut *smoothed_covs, &after[2]), (&mut *lag_one_covs, &after[3])] {
            if out.iter().any(|row| !row.is_empty()) {
                write::<D>(values, fresh, t, t + 1, out);
            }
        }

        if last_step {
            q.fill([0.0; OCTET]);
        } else {
            let a = system.transition.at(t + 1);
            product::<ISA, D, _, _>([D, 1], turned(a, D), plain(r, 1), q, Into::Set, Part::All);
        }
        let in_block = t % BLOCK;
        let means = &history.means[t * (D + M)..(t + 1) * (D + M)];
        let out = &mut blocks[1][in_block * D..(in_block + 1) * D];
        out.copy_from_slice(&means[..D]);
        product::<ISA, D, _, _>([D, 1], plain(&entry.filtered, D), plain(q, 1), out, Into::Add, Part::All);
        a.copy_from_slice(&means[D..]);
        product::<ISA, D, _, _>([M, 1], plain(&entry.w, D), plain(q, 1), a, Into::Subtract, Part::All);
        r.copy_from_slice(q);
        product::<ISA, M, _, _>([D, 1], turned(u, D), plain(a, 1), r, Into::Add, Part::All);
        if in_block == 0 && smoothed_means.iter().any(|row| !row.is_empty()) {
            scatter(&blocks[1], t * D..num_steps.min(t + BLOCK) * D, smoothed_means);
        }
    }
    doubt.map(|doubt| !doubt)
}

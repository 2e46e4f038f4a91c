//! The gradient with respect to H and R from that with respect to H* and R*: the terms of covariances.
//!
//! With W = L⁻ᵀ Q, and ∂H*, ∂R* the terms of the collapsed system of one step and series:
//!
//! ∂H = W ∂H*;  ∂R = W ∂R* Wᵀ − ½ (R⁻¹ − W Wᵀ)
//!
//! Terms of the data need nothing of the kind: [`SystemGradient::add_means`] takes the original system and
//! the adjoints that [`Collapse::expand_adjoints`] answers.

use super::Collapse;
use crate::gaussian::small::{add, apply, inner, times, transposed};
use crate::gaussian::{Noise, System, SystemGradient};

impl Collapse {
    /// Adds to `gradient`, of `system`, what `collapsed`, of [`Collapse::system`], holds of the terms of
    /// covariances. `weight` is the one with which these were added.
    pub fn expand_gradient(
        &self,
        system: &System<'_>,
        collapsed: &SystemGradient,
        weight: f64,
        gradient: &mut SystemGradient,
    ) {
        add(&mut gradient.initial_mean, 1.0, &collapsed.initial_mean);
        add(&mut gradient.initial_cov, 1.0, &collapsed.initial_cov);
        add(&mut gradient.transition, 1.0, &collapsed.transition);
        add(&mut gradient.transition_cov, 1.0, &collapsed.transition_cov);
        if self.fixed {
            // All steps that observe anything share a projection, and their terms a sum.
            let seen = |i: &&usize| self.projections[**i].rank > 0;
            if let Some(index) = self.index.iter().find(seen) {
                let count = self.index.iter().filter(|i| *i == index).count();
                self.expand_step(system, 0, *index, collapsed, weight * count as f64, gradient);
            }
        } else {
            for (t, index) in self.index.iter().enumerate() {
                self.expand_step(system, t, *index, collapsed, weight, gradient);
            }
        }
    }

    fn expand_step(
        &self,
        system: &System<'_>,
        t: usize,
        index: usize,
        collapsed: &SystemGradient,
        weight: f64,
        gradient: &mut SystemGradient,
    ) {
        let (d, m) = (self.d, self.m);
        let projection = &self.projections[index];
        let (n, p, observed) = (projection.observed.len(), projection.rank, &projection.observed);
        if p == 0 {
            return;
        }
        let block = if self.fixed { 0 } else { t * d * d };
        let (own_emission, own_noise) =
            (&collapsed.emission[block..block + d * d], &collapsed.emission_cov[block..block + d * d]);
        let weights = projection.weights();
        let out = &mut gradient.emission[system.emission.range(t)];
        for (i, row) in observed.iter().zip(weights.chunks_exact(p)) {
            own_emission
                .chunks_exact(d)
                .zip(row)
                .for_each(|(x, w)| add(&mut out[i * d..(i + 1) * d], *w, x));
        }
        let unexplained = projection.unexplained(&weights);
        let noise: Vec<f64> =
            own_noise.chunks_exact(d).take(p).flat_map(|row| &row[..p]).copied().collect();
        let out = &mut gradient.emission_cov[system.emission_cov.steps().range(t)];
        match system.emission_cov {
            Noise::Diagonal(_) => {
                for ((i, w), rest) in observed.iter().zip(weights.chunks_exact(p)).zip(&unexplained) {
                    out[*i] += inner(w, &apply(p, &noise, w)) - 0.5 * weight * rest;
                }
            }
            Noise::Full(_) => {
                let half = times([n, p, p], &weights, &noise);
                let whole = times([n, p, n], &half, &transposed([n, p], &weights));
                for (i, (whole, rest)) in
                    observed.iter().zip(whole.chunks_exact(n).zip(unexplained.chunks_exact(n)))
                {
                    for ((j, x), rest) in observed.iter().zip(whole).zip(rest) {
                        out[i * m + j] += x - 0.5 * weight * rest;
                    }
                }
            }
        }
    }
}

//! The gradient of the diffuse evidence: its terms without data. Those with data are
//! [`SystemGradient::add_means`] over all steps, as in the proper case.
//!
//! For each κ the gradient is the proper one; its limit keeps the terms of order κ⁰:
//!
//! ∂A_t: −N⁰ A P* − N¹ A P∞ with P filtered at t−1;  ∂Q_t: −½ N⁰;  ∂P*: −½ N⁰ at the start;
//! ∂H_t: −X⁰ᵀ P* − X¹ᵀ P∞ with P predicted;  ∂R_t: −½ C⁰
//!
//! where X = Cov(r, u) before the step and C = Cov(u) are those of the adjoints over data drawn from the model.
//! With N after scalar j of a step, c = 1/F + Kᵀ N K and x = h c − N K give C_jj = c and, going back
//! through the scalars i < j of the step, C_ij = −K_iᵀ x; x += h_i C_ij; X_j is x before all of them.

use super::gains::{DiffuseGains, Step};
use super::smoothing::{DiffuseSmoothing, Orders};
use crate::gaussian::small::{add, apply, inner, times, transposed_times};
use crate::gaussian::{Noise, System, SystemGradient};

impl DiffuseSmoothing {
    /// Adds the terms of covariances of steps 0..s and of the step into z_s, `weight` times (the weights of
    /// all series that share them). The ordinary terms leave these out if their gains begin at s.
    pub fn add_covariances(
        &self,
        gradient: &mut SystemGradient,
        system: &System<'_>,
        gains: &DiffuseGains,
        weight: f64,
    ) {
        let (d, m) = (gains.d, gains.m);
        let zero = vec![0.0; d * d];
        for t in 0..=self.steps.len() {
            let n: [&[f64]; 2] = match self.steps.get(t) {
                Some(step) => [&step.predicted_precision[0], &step.predicted_precision[1]],
                None if self.after.is_empty() || t == 0 => break,
                None => [&self.after, &zero],
            };
            if t == 0 {
                add(&mut gradient.initial_cov, -0.5 * weight, n[0]);
                continue;
            }
            let (a, before) = (system.transition.at(t), &gains.steps[t - 1].filtered);
            let out = &mut gradient.transition[system.transition.range(t)];
            for (n, p) in n.into_iter().zip([&before.finite, &before.diffuse]) {
                add(out, -weight, &times([d; 3], n, &times([d; 3], a, p)));
            }
            add(&mut gradient.transition_cov[system.transition_cov.range(t)], -0.5 * weight, n[0]);
        }
        for (t, (step, smoothed)) in gains.steps.iter().zip(&self.steps).enumerate() {
            let (mut emission, mut noise) = step.emission_terms([m, d], &smoothed.filtered_precision);
            if !step.inverse.is_empty() {
                emission = transposed_times([m, m, d], &step.inverse, &emission);
                noise = transposed_times([m; 3], &step.inverse, &times([m; 3], &noise, &step.inverse));
            }
            add(&mut gradient.emission[system.emission.range(t)], -weight, &emission);
            let out = &mut gradient.emission_cov[system.emission_cov.steps().range(t)];
            match system.emission_cov {
                Noise::Full(_) => add(out, -0.5 * weight, &noise),
                Noise::Diagonal(_) => {
                    out.iter_mut().enumerate().for_each(|(i, x)| *x -= 0.5 * weight * noise[i * m + i]);
                }
            }
        }
    }
}

impl Step {
    /// X⁰ᵀ P* + X¹ᵀ P∞, \[M, D\], and C⁰, \[M, M\], of the scalars.
    fn emission_terms(&self, [m, d]: [usize; 2], lambda: &Orders) -> (Vec<f64>, Vec<f64>) {
        let (mut emission, mut noise) = (vec![0.0; m * d], vec![0.0; m * m]);
        let mut n = lambda.clone();
        for (j, update) in self.updates.iter().enumerate().rev() {
            if update.is_certain() {
                continue;
            }
            let [gain, first] = &update.gain;
            let mut nk = [apply(d, &n[0], gain), apply(d, &n[1], gain)];
            add(&mut nk[1], 1.0, &apply(d, &n[0], first));
            let c = [
                update.precision[0] + inner(gain, &nk[0]),
                update.precision[1] + inner(gain, &nk[1]) + inner(first, &nk[0]),
            ];
            noise[update.entry * (m + 1)] = c[0];
            let mut x = nk.map(|nk| nk.iter().map(|x| -x).collect::<Vec<f64>>());
            x.iter_mut().zip(c).for_each(|(x, c)| add(x, c, &update.h));
            for earlier in self.updates[..j].iter().rev() {
                let [gain, first] = &earlier.gain;
                let c = [-inner(gain, &x[0]), -inner(gain, &x[1]) - inner(first, &x[0])];
                x.iter_mut().zip(c).for_each(|(x, c)| add(x, c, &earlier.h));
                noise[update.entry * m + earlier.entry] = c[0];
                noise[earlier.entry * m + update.entry] = c[0];
            }
            let out = &mut emission[update.entry * d..(update.entry + 1) * d];
            add(out, 1.0, &apply(d, &self.predicted.finite, &x[0]));
            add(out, 1.0, &apply(d, &self.predicted.diffuse, &x[1]));
            update.precede(&mut n);
        }
        (emission, noise)
    }
}

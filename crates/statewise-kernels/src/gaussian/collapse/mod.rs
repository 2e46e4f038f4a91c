//! Many sensors, few states: observations reduced to as many numbers as there are states, exactly.
//!
//! With R = L Lᵀ over the n entries observed and L⁻¹ H = Q H* (Q of shape \[n, p\] with orthonormal columns,
//! p = min(n, D)), w = L⁻¹ (y − d) splits into y* = Qᵀ w, which alone depends on the state, and the rest:
//!
//! y* = H* z + N(0, I);  log p(y) = log p(y*) − ½ |w − Q y*|² − log det L − ½ (n − p) log 2π
//!
//! A [`Collapse`] is computed for one pattern of missing entries and makes a [`System`] of emission
//! dimension D that every engine takes as it is. Filtered and smoothed states are the same; the evidence
//! has a correction per series ([`Collapse::emissions`]), and gradients with respect to H, R, d and y come
//! back through Q ([`Collapse::expand_adjoints`], [`Collapse::expand_gradient`]).
//!
//! R must be positive definite. Rounding is that of an orthogonal factorisation of L⁻¹ H: no normal
//! equations, no rank to decide. Variances that differ by more than some ten orders of magnitude within
//! one R cost digits of the less precise sensors.
//!
//! # Source
//! Jungbacker and Koopman (2008; 2015), who factor Hᵀ R⁻¹ H; the orthogonal factor is our own choice.

mod data;
mod gradient;
mod projection;
mod thin_qr;

use std::collections::BTreeMap;

pub use data::CollapsedRows;
use projection::Projection;

use super::system::{Noise, Steps, System};

/// Observations of one system and one pattern of missing entries, reduced to D numbers per step.
#[derive(Clone, Debug, Default)]
pub struct Collapse {
    d: usize,
    m: usize,
    projections: Vec<Projection>,
    /// The projection of each step.
    index: Vec<usize>,
    /// H*, \[D, D\] or \[T, D, D\]; rows from p on are zero.
    emission: Vec<f64>,
    /// I, as often as H*.
    noise: Vec<f64>,
    /// 0 where y* has an entry, NaN where not, \[T, D\].
    pattern: Vec<f64>,
    fixed: bool,
}

impl Collapse {
    /// Whether a collapse is likely to pay for series with the missing entries of `emissions`, \[T, M\]:
    /// M ≥ 3 D and M ≥ 12, and, where R is full, fixed H and R with few steps that miss some entries only.
    ///
    /// Measured with `examples/time_collapse.rs`: filters of many series with one pattern gain 1.3 at
    /// D = 4, M = 16, 3.2 at D = 4, M = 40, 5.7 at D = 16, M = 64 and 28 at D = 16, M = 160 with a diagonal
    /// R, and 1.2, 2.3, 4.3 and 5.9 with a full one; up to M = 2 D they mostly lose. One series with gaps
    /// at random, so that each step has a factorisation of its own, gains 1.4, 4.2, 2.4 and 15 with a
    /// diagonal R and loses with a full one.
    pub fn pays(system: &System<'_>, emissions: &[f64]) -> bool {
        let (d, m) = (system.state_dim, system.emission_dim);
        if m < 3 * d || m < 12 {
            return false;
        }
        match system.emission_cov {
            Noise::Diagonal(_) => true,
            Noise::Full(r) => {
                let partly = |y: &[f64]| y.iter().any(|y| y.is_nan()) && !y.iter().all(|y| y.is_nan());
                let gaps = emissions.chunks_exact(m).filter(|y| partly(y)).count();
                r.is_fixed() && system.emission.is_fixed() && 16 * gaps * m <= emissions.len()
            }
        }
    }

    /// Computes the collapse for series with the missing entries of `emissions`, \[T, M\]. Answers whether
    /// there is one: not if R over the observed entries of some step is not positive definite.
    pub fn compute(&mut self, system: &System<'_>, emissions: &[f64]) -> bool {
        let (d, m) = (system.state_dim, system.emission_dim);
        *self = Collapse { d, m, ..Default::default() };
        let unchanging = system.emission.is_fixed() && system.emission_cov.steps().is_fixed();
        let mut known = BTreeMap::new();
        for (t, y) in emissions.chunks_exact(m).enumerate() {
            let observed: Vec<usize> = (0..m).filter(|i| !y[*i].is_nan()).collect();
            let key = (if unchanging { 0 } else { t }, observed);
            let index = match known.get(&key) {
                Some(index) => *index,
                None => {
                    let Some(projection) = Projection::of(system, t, &key.1) else {
                        return false;
                    };
                    self.projections.push(projection);
                    known.insert(key, self.projections.len() - 1);
                    self.projections.len() - 1
                }
            };
            self.index.push(index);
            let rank = self.projections[index].rank;
            self.pattern.extend((0..d).map(|i| if i < rank { 0.0 } else { f64::NAN }));
        }
        // Steps without observations need no H* of their own.
        let some: Vec<&Projection> = self.projections.iter().filter(|p| p.rank > 0).collect();
        self.fixed = unchanging && some.len() <= 1;
        if self.fixed {
            self.emission = some.first().map_or(vec![0.0; d * d], |p| p.emission.clone());
        } else {
            self.emission =
                self.index.iter().flat_map(|i| &self.projections[*i].emission).copied().collect();
        }
        self.noise = vec![0.0; self.emission.len()];
        for unit in self.noise.chunks_exact_mut(d * d) {
            unit.iter_mut().step_by(d + 1).for_each(|x| *x = 1.0);
        }
        true
    }

    /// The system with H* and R* = I. It is fixed over time if `system` is and all steps that observe
    /// anything observe the same entries; the covariance recursion can then settle.
    pub fn system<'a>(&'a self, system: &System<'a>) -> System<'a> {
        let size = self.d * self.d;
        let steps = |values: &'a [f64]| match self.fixed {
            true => Steps::fixed(values),
            false => Steps::per_step(values, size),
        };
        System {
            emission_dim: self.d,
            emission: steps(&self.emission),
            emission_cov: Noise::Full(steps(&self.noise)),
            ..*system
        }
    }

    /// D, the dimension of collapsed emissions.
    pub fn emission_dim(&self) -> usize {
        self.d
    }

    /// Emissions with the pattern of missing entries of all series, \[T, D\]: what covariance recursions read.
    pub fn pattern(&self) -> &[f64] {
        &self.pattern
    }
}

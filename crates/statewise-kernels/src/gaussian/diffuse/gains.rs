//! The covariance recursion while the state is diffuse.
//!
//! With row h and variance r of a scalar observation, M* = P* h, M∞ = P∞ h, F* = hᵀ M* + r, F∞ = hᵀ M∞:
//!
//! where F∞ > 0: K = M∞/F∞ and P∞ loses the direction, else K = M*/F* and P∞ stays; with L = I − K hᵀ
//! either way P* becomes L P* Lᵀ + r K Kᵀ. The gain is K + K¹/κ, K¹ = M*/F∞ − M∞ F*/F∞² where F∞ > 0.

use super::decorrelate::Scalars;
use super::infinite::{Infinite, Rounding};
use crate::gaussian::dense::mirror;
use crate::gaussian::small::{add, add_outer, apply, congruence, inner};
use crate::gaussian::system::{GaussianError, System};

/// Covariances and gains of the steps before which the state is diffuse.
///
/// The phase ends at the first step s whose predicted covariance has no diffuse part, or with the series.
/// The evidence of the phase is defined in either case: the limit of log p_κ(y) + (n/2) log κ, with n the
/// number of scalar observations that pinned a direction down ([`DiffuseGains::num_diffuse_entries`]).
#[derive(Clone, Debug, Default)]
pub struct DiffuseGains {
    pub(super) d: usize,
    pub(super) m: usize,
    pub(super) steps: Vec<Step>,
    after: Vec<f64>,
    rank: usize,
}

/// One step.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) predicted: Moments,
    pub(super) filtered: Moments,
    /// C⁻¹, \[M, M\]; empty if it is the identity.
    pub(super) inverse: Vec<f64>,
    /// One per entry that is observed, in order.
    pub(super) updates: Vec<Update>,
}

/// A covariance P* + κ P∞.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    pub(super) finite: Vec<f64>,
    pub(super) diffuse: Vec<f64>,
}

/// One scalar observation.
#[derive(Clone, Debug)]
pub(super) struct Update {
    /// Which entry of y'.
    pub(super) entry: usize,
    pub(super) h: Vec<f64>,
    /// K and K¹.
    pub(super) gain: [Vec<f64>; 2],
    /// The terms of order κ⁰, κ⁻¹ and κ⁻² of 1/F; all zero if the observation has no variance.
    pub(super) precision: [f64; 3],
    /// −½ log 2π F with F∞ where it is positive; 0 if the observation has no variance.
    pub(super) log_norm: f64,
}

impl Update {
    /// Whether it pins a diffuse direction down.
    pub(super) fn is_diffuse(&self) -> bool {
        self.precision[1] > 0.0
    }

    /// Whether earlier observations determine it.
    pub(super) fn is_certain(&self) -> bool {
        self.precision == [0.0; 3]
    }
}

impl DiffuseGains {
    /// Runs until no direction is diffuse. `emissions`, \[T, M\], are those of one of the series; only
    /// which entries are missing counts. Without a diffuse part there are no steps.
    ///
    /// # Errors
    /// P∞ or R not positive semi-definite; a covariance that is not finite.
    pub fn compute(system: &System<'_>, emissions: &[f64]) -> Result<Self, GaussianError> {
        let (d, m) = (system.state_dim, system.emission_dim);
        let mut finite = Finite::of(system.initial_cov, d);
        let mut infinite = match system.initial_diffuse {
            Some(diffuse) => Infinite::of(diffuse, d)?,
            None => Infinite::of(&vec![0.0; d * d], d)?,
        };
        let mut gains = DiffuseGains { d, m, ..Default::default() };
        for (t, y) in emissions.chunks_exact(m).enumerate() {
            if t > 0 {
                infinite.predict(system.transition.at(t));
                finite.predict(system.transition.at(t), system.transition_cov.at(t));
            }
            if infinite.is_zero() {
                gains.after = finite.cov;
                return Ok(gains);
            }
            gains.steps.push(Step::take(system, t, y, &mut finite, &mut infinite)?);
        }
        gains.rank = infinite.rank();
        Ok(gains)
    }

    /// s, the number of steps before which the state is diffuse.
    pub fn num_steps(&self) -> usize {
        self.steps.len()
    }

    /// Cov(z_s | y_{1:s-1}), \[D, D\], from which the ordinary recursion goes on; `None` if the phase lasts
    /// as long as the series.
    pub fn predicted_cov_after(&self) -> Option<&[f64]> {
        (!self.after.is_empty()).then_some(&self.after[..])
    }

    /// Directions that are diffuse after the last step of the series; 0 if the phase ended before.
    pub fn remaining_rank(&self) -> usize {
        self.rank
    }

    /// Whether the observations pin the state down, so that the last filtered state is proper.
    ///
    /// # Errors
    /// [`GaussianError::NotIdentified`] if they don't. Evidence and finite parts are defined all the same.
    pub fn identified(&self) -> Result<(), GaussianError> {
        match self.rank {
            0 => Ok(()),
            rank => Err(GaussianError::NotIdentified { num_steps: self.steps.len(), rank }),
        }
    }

    /// Scalar observations that pinned a direction down, n.
    pub fn num_diffuse_entries(&self) -> usize {
        self.diffuse_updates().count()
    }

    /// What those n add to the evidence, −½ Σ log 2π F∞. Without it, what is left is the likelihood of the
    /// later entries given these: the one that programs with a burn-in report.
    pub fn diffuse_log_norm(&self) -> f64 {
        self.diffuse_updates().map(|u| u.log_norm).sum()
    }

    fn diffuse_updates(&self) -> impl Iterator<Item = &Update> {
        self.steps.iter().flat_map(|s| &s.updates).filter(|u| u.is_diffuse())
    }

    /// P* of Cov(z_t | y_{1:t-1}) = P* + κ P∞, \[D, D\], t < s.
    pub fn predicted_cov(&self, t: usize) -> &[f64] {
        &self.steps[t].predicted.finite
    }

    /// P∞ of Cov(z_t | y_{1:t-1}), \[D, D\], t < s.
    pub fn predicted_diffuse(&self, t: usize) -> &[f64] {
        &self.steps[t].predicted.diffuse
    }

    /// P* of Cov(z_t | y_{1:t}), \[D, D\], t < s.
    pub fn filtered_cov(&self, t: usize) -> &[f64] {
        &self.steps[t].filtered.finite
    }

    /// P∞ of Cov(z_t | y_{1:t}), \[D, D\], t < s.
    pub fn filtered_diffuse(&self, t: usize) -> &[f64] {
        &self.steps[t].filtered.diffuse
    }
}

impl Step {
    fn take(
        system: &System<'_>,
        t: usize,
        y: &[f64],
        finite: &mut Finite,
        infinite: &mut Infinite,
    ) -> Result<Self, GaussianError> {
        let d = system.state_dim;
        let predicted = Moments { finite: finite.cov.clone(), diffuse: infinite.cov() };
        let observed: Vec<bool> = y.iter().map(|y| !y.is_nan()).collect();
        let scalars = Scalars::of(system, t, &observed)?;
        let mut updates = Vec::new();
        for entry in (0..y.len()).filter(|i| observed[*i]) {
            let h = &scalars.emission[entry * d..(entry + 1) * d];
            updates.push(observe(entry, h, scalars.variances[entry], finite, infinite));
        }
        let filtered = Moments { finite: finite.cov.clone(), diffuse: infinite.cov() };
        if filtered.finite.iter().chain(&filtered.diffuse).any(|x| !x.is_finite()) {
            return Err(GaussianError::NotFinite { t });
        }
        Ok(Step { predicted, filtered, inverse: scalars.inverse, updates })
    }
}

/// Takes one scalar observation.
fn observe(entry: usize, h: &[f64], r: f64, finite: &mut Finite, infinite: &mut Infinite) -> Update {
    let d = h.len();
    let m_finite = apply(d, &finite.cov, h);
    let f_finite = inner(h, &m_finite) + r;
    let scaled = |x: &[f64], by: f64| x.iter().map(|x| x * by).collect::<Vec<f64>>();
    let log_norm = |f: f64| -0.5 * (2.0 * std::f64::consts::PI * f).ln();
    let seen = infinite.seen_by(h);
    let update = if let Some((g, f)) = &seen {
        let m_diffuse = infinite.times(g);
        let mut first = scaled(&m_finite, 1.0 / f);
        add(&mut first, -f_finite / (f * f), &m_diffuse);
        Update {
            entry,
            h: h.to_vec(),
            gain: [scaled(&m_diffuse, 1.0 / f), first],
            precision: [0.0, 1.0 / f, -f_finite / (f * f)],
            log_norm: log_norm(*f),
        }
    } else if r > 0.0 || f_finite > finite.rounding.along(h, &finite.deviations()) {
        Update {
            entry,
            h: h.to_vec(),
            gain: [scaled(&m_finite, 1.0 / f_finite), vec![0.0; d]],
            precision: [1.0 / f_finite, 0.0, 0.0],
            log_norm: log_norm(f_finite),
        }
    } else {
        let gain = [vec![0.0; d], vec![0.0; d]];
        return Update { entry, h: h.to_vec(), gain, precision: [0.0; 3], log_norm: 0.0 };
    };
    let map = complement(&update.gain[0], h);
    if let Some((g, _)) = &seen {
        infinite.observe(g, &map);
    }
    finite.observe(&map, &update.gain[0], r);
    update
}

/// I − K hᵀ.
pub(super) fn complement(gain: &[f64], h: &[f64]) -> Vec<f64> {
    let d = h.len();
    let mut out = vec![0.0; d * d];
    (0..d).for_each(|i| out[i * d + i] = 1.0);
    add_outer(&mut out, -1.0, gain, h);
    out
}

/// P*.
struct Finite {
    d: usize,
    cov: Vec<f64>,
    rounding: Rounding,
}

impl Finite {
    fn of(cov: &[f64], d: usize) -> Self {
        Finite { d, cov: cov.to_vec(), rounding: Rounding::of_covariance(d) }
    }

    fn deviations(&self) -> Vec<f64> {
        (0..self.d).map(|i| self.cov[i * self.d + i].max(0.0).sqrt()).collect()
    }

    fn predict(&mut self, a: &[f64], q: &[f64]) {
        self.rounding.carry(a, &self.deviations());
        self.cov = congruence(self.d, a, &self.cov);
        add(&mut self.cov, 1.0, q);
        mirror::<0>(self.d, &mut self.cov);
    }

    fn observe(&mut self, map: &[f64], gain: &[f64], r: f64) {
        self.rounding.carry(map, &self.deviations());
        self.cov = congruence(self.d, map, &self.cov);
        add_outer(&mut self.cov, r, gain, gain);
    }
}

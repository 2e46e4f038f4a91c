//! What a stretch of steps says of the state before it, and how that state acts on its end.
//!
//! With gains fixed, Ψ carries an error of the predicted mean at the stretch's first step to later ones:
//!
//! X_t = U_t Ψ_t;  Φ_t = Ψ_t − W_tᵀ X_t = (I − K_t H_t) Ψ_t;  Ψ_{t+1} = A_{t+1} Φ_t
//!
//! J = Σ X_tᵀ X_t and η = Σ X_tᵀ w_t are the precision and the score that the stretch gives of it. A
//! filter forgets: as a rule Φ vanishes after a few dozen steps, and with it all further terms.

use super::dense::{Into, Left, product};
use super::gains::Gains;
use super::riccati::identity;
use super::system::System;
use crate::math::dispatch::vectorised;

/// Entries of Φ below which what was known before a stretch no longer matters at its end, whatever the
/// units: a state would have to be 10²⁴ standard deviations of rounding away to be felt.
pub(super) const FORGOTTEN: f64 = 1e-40;

/// The recursion over a stretch.
#[derive(Clone, Debug)]
pub(super) struct Transfer {
    /// Ψ of the step to come, \[D, D\]; zero once forgotten.
    pub(super) psi: Vec<f64>,
    /// Φ of the last step, \[D, D\]; zero once forgotten.
    pub(super) phi: Vec<f64>,
    /// J, \[D, D\].
    pub(super) precision: Vec<f64>,
    /// η, \[D\].
    pub(super) score: Vec<f64>,
    /// Whether Φ has vanished; J and η are then final.
    pub(super) forgotten: bool,
    x: Vec<f64>,
}

impl Transfer {
    /// Starts with Ψ of the first step.
    pub(super) fn start(system: &System<'_>, psi: Vec<f64>) -> Self {
        let (d, m) = (system.state_dim, system.emission_dim);
        let phi = psi.clone();
        let (precision, score) = (vec![0.0; d * d], vec![0.0; d]);
        Transfer { psi, phi, precision, score, forgotten: false, x: vec![0.0; m * d] }
    }

    /// Starts with Ψ = I.
    pub(super) fn unit(system: &System<'_>) -> Self {
        let mut unit = vec![0.0; system.state_dim * system.state_dim];
        identity(system.state_dim, &mut unit);
        Transfer::start(system, unit)
    }

    /// The largest |Φ_ij|.
    pub(super) fn size(&self) -> f64 {
        self.phi.iter().fold(0.0, |a: f64, x| a.max(x.abs()))
    }

    /// Takes the steps of `gains` with their innovations w, \[steps, M\]. With `is_last`, Ψ is not carried
    /// past the last of them. O(D² (D + M)) time a step, until it is forgotten.
    pub(super) fn advance(
        &mut self,
        system: &System<'_>,
        gains: &Gains,
        innovations: &[f64],
        is_last: bool,
    ) {
        if !self.forgotten {
            super::by_dim!(system.state_dim, advance(self, system, gains, innovations, is_last));
        }
    }
}

vectorised! {
    fn advance[const K](
        transfer: &mut Transfer,
        system: &System<'_>,
        gains: &Gains,
        innovations: &[f64],
        is_last: bool,
    ) = advance_body
}

#[inline(always)]
fn advance_body<const ISA: u8, const K: usize>(
    transfer: &mut Transfer,
    system: &System<'_>,
    gains: &Gains,
    innovations: &[f64],
    is_last: bool,
) {
    let d = if K > 0 { K } else { system.state_dim };
    let m = system.emission_dim;
    let Transfer { psi, phi, precision, score, forgotten, x } = transfer;
    let last = gains.num_steps() - 1;
    for (s, w) in innovations.chunks_exact(m).enumerate() {
        let parts = gains.parts(gains.index[s] as usize);
        product::<ISA, K>([m, d, d], Left::plain(parts.u, d), psi, x, Into::Set);
        product::<ISA, K>([d, m, d], Left::transposed(x, d), x, precision, Into::Add);
        for (x, w) in x.chunks_exact(d).zip(w) {
            score.iter_mut().zip(x).for_each(|(score, x)| *score += x * w);
        }
        phi.copy_from_slice(psi);
        product::<ISA, K>([d, m, d], Left::transposed(parts.w, d), x, phi, Into::Subtract);
        if phi.iter().all(|x| x.abs() < FORGOTTEN) {
            phi.fill(0.0);
            psi.fill(0.0);
            *forgotten = true;
            return;
        }
        if !(is_last && s == last) {
            let a = system.transition.at(gains.first + s + 1);
            product::<ISA, K>([d, d, d], Left::plain(a, d), phi, psi, Into::Set);
        }
    }
}

//! The pass over the data of one series while δ counts.
//!
//! Given δ = 0 it is the ordinary one, with innovations w_t. Each is a row W δ = w + N(0, 1) of least squares:
//! its rotations turn (z, w) into the new z and a residual e, and log p(y_t | y_{1:t-1}) = log_norm − ½ Σ e²
//! over rows that pin no direction down.

use super::table::{DiffuseTable, Row};
use crate::gaussian::gains::Gains;
use crate::gaussian::means::{MeanRows, MeanScratch, MeanState, advance_means};
use crate::gaussian::system::{GaussianError, Series, System};

/// Where a pass writes; each as many rows as the table has steps, or empty.
#[derive(Debug, Default)]
pub struct DiffuseRows<'a> {
    /// E(z_t | y_{1:t-1}), \[T, D\]; open directions count as δ = 0 in these means.
    pub predicted: &'a mut [f64],
    /// E(z_t | y_{1:t}), \[T, D\].
    pub filtered: &'a mut [f64],
    /// E(y_t | y_{1:t-1}), \[T, M\], likewise.
    pub emissions: &'a mut [f64],
    /// w_t given δ = 0, \[T, M\]; 0 where missing.
    pub given_zero: &'a mut [f64],
}

impl DiffuseTable {
    /// Takes the steps of the table; `series` has their rows of emissions, and offsets by the absolute step.
    ///
    /// * `gains` – those of the proper start.
    /// * `state` – m_t given δ = 0, and the evidence with δ; moved on.
    /// * `estimate` – z_t, empty at the start; moved on.
    /// * `is_last` – [`super::Directions::is_forgotten`] after the table: `state` is then that of the
    ///   ordinary recursions.
    ///
    /// # Errors
    /// As [`advance_means`].
    #[allow(clippy::too_many_arguments)]
    pub fn advance_means(
        &self,
        system: &System<'_>,
        series: &Series<'_>,
        gains: &Gains,
        (state, estimate): (&mut MeanState, &mut Vec<f64>),
        is_last: bool,
        rows: DiffuseRows<'_>,
        scratch: &mut MeanScratch,
    ) -> Result<(), GaussianError> {
        let (d, m, steps) = (system.state_dim, system.emission_dim, self.range());
        let DiffuseRows { predicted, filtered, emissions, given_zero } = rows;
        let mut own = [Vec::new(), Vec::new()];
        let [own_predicted, own_white] = &mut own;
        let predicted = room(predicted, own_predicted, steps.len() * d, !emissions.is_empty());
        let white = room(given_zero, own_white, steps.len() * m, true);
        let (evidence, lost) = (state.evidence, state.lost);
        let given =
            MeanRows { predicted: &mut *predicted, filtered: &mut *filtered, innovations: &mut *white };
        advance_means(system, series, steps.clone(), gains, state, given, scratch)?;
        (state.evidence, state.lost) = (evidence, lost);
        for (s, (t, step)) in steps.zip(&self.steps).enumerate() {
            if !emissions.is_empty() {
                let out = &mut emissions[s * m..(s + 1) * m];
                series.emission_mean(system, t, &predicted[s * d..(s + 1) * d], out);
                step.emission.add_mean(estimate, out);
            }
            if !predicted.is_empty() {
                step.predicted.add_mean(estimate, &mut predicted[s * d..(s + 1) * d]);
            }
            let mut square = 0.0;
            for (row, w) in step.rows.iter().zip(&white[s * m..(s + 1) * m]) {
                square += row.take(*w, estimate);
            }
            state.add(step.log_norm - 0.5 * square);
            if !filtered.is_empty() {
                step.filtered.add_mean(estimate, &mut filtered[s * d..(s + 1) * d]);
            }
        }
        if let (true, Some(step)) = (is_last, self.steps.last()) {
            step.filtered.add_mean(estimate, &mut state.mean);
        }
        Ok(())
    }
}

impl Row {
    /// Takes w into z; answers the square of what is left.
    fn take(&self, w: f64, estimate: &mut Vec<f64>) -> f64 {
        let mut left = w;
        for (z, [c, s]) in estimate.iter_mut().zip(&self.turns) {
            (*z, left) = (c * *z + s * left, c * left - s * *z);
        }
        match self.pins {
            Some(sign) => {
                estimate.push(sign * left);
                0.0
            }
            None => left * left,
        }
    }
}

/// The rows of the caller, or `own` ones where they are `needed`.
fn room<'b>(rows: &'b mut [f64], own: &'b mut Vec<f64>, len: usize, needed: bool) -> &'b mut [f64] {
    if rows.is_empty() && needed {
        own.resize(len, 0.0);
        return own;
    }
    rows
}

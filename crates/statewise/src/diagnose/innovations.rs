//! One-step innovations: what each observation adds to what was predicted, and how surprising it is.
//!
//! v_t = y_t − E(y_t | y_{1:t-1});  S_t = H_t P_{t|t-1} H_tᵀ + R_t = L Lᵀ;  e_t = L⁻¹ v_t;  NIS_t = v_tᵀ S_t⁻¹ v_t
//!
//! If the model is right, e_t are independent N(0, I) and NIS_t ~ χ² with as many degrees of freedom as entries
//! are observed. Missing entries are left out of S_t and stay NaN, as are those that a direction of a diffuse
//! start moves which no observation has seen before: they pin it down and tell nothing else. Others are
//! ordinary, though other directions be open.

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::infer::gaussian::{GaussianOptions, Plan, add_emission_cov, whiten, whiten_observed};
use crate::model::linear_gaussian::LgssmParams;

/// Innovations of all rows of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Innovations {
    /// v_t, \[rows, M\].
    pub values: Vec<f64>,
    /// S_t, \[rows, M, M\]; NaN in rows and columns of missing entries.
    pub covs: Vec<f64>,
    /// e_t = L⁻¹ v_t with L of the observed entries, \[rows, M\]; NaN where S_t has no variance.
    pub standardised: Vec<f64>,
    /// v_t(i) / √S_t(i, i), each entry by itself, \[rows, M\].
    pub marginal: Vec<f64>,
    /// NIS_t = |e_t|², \[rows\]; NaN where nothing counts.
    pub nis: Vec<f64>,
    /// Degrees of freedom of NIS_t, \[rows\]: entries observed, less directions without variance.
    pub dofs: Vec<usize>,
    /// Steps at the start of each sequence before which some direction of the state is open; entries that it
    /// moves are NaN.
    pub num_diffuse_steps: Vec<usize>,
}

/// Normalised estimation errors of states.
#[derive(Clone, Debug, PartialEq)]
pub struct Nees {
    /// (z − m)ᵀ P⁻¹ (z − m), \[rows\].
    pub values: Vec<f64>,
    /// The rank of P, \[rows\].
    pub dofs: Vec<usize>,
}

impl LgssmParams {
    /// Innovations of every step, standardised in two ways, with NIS.
    ///
    /// # Errors
    /// As [`LgssmParams::filter`].
    ///
    /// # Source
    /// Durbin and Koopman (2012), §2.12 and §7.5; Bar-Shalom, Li and Kirubarajan (2001), §5.4.
    pub fn innovations(&self, data: &Dataset<'_>, options: &GaussianOptions) -> Result<Innovations> {
        let (m, rows) = (self.emission_dim(), data.num_rows());
        let mut out = Innovations {
            values: vec![f64::NAN; rows * m],
            covs: vec![f64::NAN; rows * m * m],
            standardised: vec![f64::NAN; rows * m],
            marginal: vec![f64::NAN; rows * m],
            nis: vec![f64::NAN; rows],
            dofs: vec![0; rows],
            num_diffuse_steps: (0..data.num_sequences())
                .map(|n| self.num_diffuse_steps(data, n))
                .collect::<Result<_>>()?,
        };
        if self.initial_diffuse.is_some() {
            self.check(data)?;
            self.diffuse_innovations(data, options, &mut out)?;
        } else {
            self.proper_innovations(data, options, &mut out)?;
        }
        Ok(out)
    }

    fn proper_innovations(
        &self,
        data: &Dataset<'_>,
        options: &GaussianOptions,
        out: &mut Innovations,
    ) -> Result<()> {
        let predicted = self.filter(data, options)?.predicted;
        let (d, m, system) = (self.state_dim(), self.emission_dim(), self.system());
        let (mut mean, mut cov) = (vec![0.0; m], vec![0.0; m * m]);
        for n in 0..data.num_sequences() {
            let sequence = data.sequence(n);
            let offsets = self.offsets(sequence);
            let series = offsets.series();
            for (t, row) in data.range(n).enumerate() {
                series.emission_mean(&system, t, &predicted.means[row * d..(row + 1) * d], &mut mean);
                cov.fill(0.0);
                add_emission_cov(&system, t, predicted.covs.of(n, t), &mut cov);
                out.write(row, sequence.emission(t), &mean, &cov);
            }
        }
        Ok(())
    }

    fn diffuse_innovations(
        &self,
        data: &Dataset<'_>,
        options: &GaussianOptions,
        out: &mut Innovations,
    ) -> Result<()> {
        let m = self.emission_dim();
        for group in Plan::new(data, options.share).groups() {
            let ahead = self.one_step_ahead(data, &group.sequences, &(0..group.num_steps), options)?;
            for (n, ahead) in group.sequences.iter().zip(ahead) {
                let moments =
                    ahead.emission_means.chunks_exact(m).zip(ahead.emission_covs.chunks_exact(m * m));
                for ((t, row), (mean, cov)) in data.range(*n).enumerate().zip(moments) {
                    out.write(row, data.sequence(*n).emission(t), mean, cov);
                }
            }
        }
        Ok(())
    }
}

impl Innovations {
    /// Row `row` from y_t and its moments; a variance that is infinite makes an entry count as missing.
    fn write(&mut self, row: usize, y: &[f64], mean: &[f64], cov: &[f64]) {
        let m = y.len();
        let innovation = |i: usize| if cov[i * (m + 1)].is_finite() { y[i] - mean[i] } else { f64::NAN };
        let v: Vec<f64> = (0..m).map(innovation).collect();
        let seen: Vec<usize> = (0..m).filter(|i| !v[*i].is_nan()).collect();
        for &i in &seen {
            for &j in &seen {
                self.covs[(row * m + i) * m + j] = cov[i * m + j];
            }
            self.values[row * m + i] = v[i];
            let variance = cov[i * m + i];
            self.marginal[row * m + i] = if variance > 0.0 { v[i] / variance.sqrt() } else { f64::NAN };
        }
        let white = whiten_observed(&v, cov);
        self.standardised[row * m..(row + 1) * m].copy_from_slice(&white);
        let counted = white.iter().filter(|e| !e.is_nan());
        self.dofs[row] = counted.clone().count();
        if self.dofs[row] > 0 {
            self.nis[row] = counted.map(|e| e * e).sum();
        }
    }

    /// The standardised innovations of entry i over `rows` (those of a sequence), as tests take them.
    pub fn entry(&self, rows: std::ops::Range<usize>, i: usize) -> Vec<f64> {
        let m = self.values.len() / self.nis.len().max(1);
        rows.map(|row| self.standardised[row * m + i]).collect()
    }
}

/// Normalised estimation errors squared of `states` under N(`means`, `covs`).
///
/// * `states`, `means` – \[rows, D\]; * `covs` – \[rows, D, D\].
///
/// # Errors
/// Arrays whose sizes do not fit.
///
/// # Source
/// Bar-Shalom, Li and Kirubarajan (2001), §5.4.
pub fn nees(states: &[f64], means: &[f64], covs: &[f64], state_dim: usize) -> Result<Nees> {
    let d = state_dim.max(1);
    for (name, found, expected) in
        [("means", means.len(), states.len()), ("covs", covs.len(), states.len() * d)]
    {
        if found != expected {
            return Err(Error::argument(name, format!("{found} values"), expected));
        }
    }
    let mut out = Nees { values: Vec::new(), dofs: Vec::new() };
    let rows = states.chunks_exact(d).zip(means.chunks_exact(d)).zip(covs.chunks_exact(d * d));
    for ((z, m), p) in rows {
        let error: Vec<f64> = z.iter().zip(m).map(|(z, m)| z - m).collect();
        let white = whiten(&error, p.to_vec());
        let counted = white.iter().filter(|e| !e.is_nan());
        out.dofs.push(counted.clone().count());
        out.values.push(counted.map(|e| e * e).sum());
    }
    Ok(out)
}

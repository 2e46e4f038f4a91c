//! Filtering and smoothing in information form: p(z_t | ·) ∝ exp(η_tᵀ z − zᵀ Λ_t z / 2).

use statewise_kernels::gaussian::{self, InformationEstimates, InformationWorkspace};

use super::super::{cut, split};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::linear_gaussian::LgssmInfoParams;
use crate::threads;
use crate::workspace::Loan;

/// Natural parameters of p(z_t | y_{1:t}).
#[derive(Clone, Debug, PartialEq)]
pub struct InformationFiltered {
    /// log p(y_{1:T}) of each sequence.
    pub marginal_loglik: Vec<f64>,
    /// Directions of z_T that are still flat, of each sequence; its log p then leaves out an infinite constant.
    pub flat_directions: Vec<usize>,
    /// η, \[rows, D\].
    pub filtered_etas: Vec<f64>,
    /// Λ, \[rows, D, D\].
    pub filtered_precisions: Vec<f64>,
}

/// Natural parameters of p(z_t | y_{1:t}) and of p(z_t | y_{1:T}).
#[derive(Clone, Debug, PartialEq)]
pub struct InformationSmoothed {
    /// p(z_t | y_{1:t}), and log p(y).
    pub filtered: InformationFiltered,
    /// η of p(z_t | y_{1:T}), \[rows, D\].
    pub smoothed_etas: Vec<f64>,
    /// Λ of p(z_t | y_{1:T}), \[rows, D, D\].
    pub smoothed_precisions: Vec<f64>,
}

impl LgssmInfoParams {
    /// Filters every sequence forward on precisions; NaN entries are left out, exactly.
    ///
    /// # Errors
    /// Parameters or data that do not fit, or what the engine finds, with the sequence.
    pub fn filter(&self, data: &Dataset<'_>) -> Result<InformationFiltered> {
        self.check(data)?;
        let (mut etas, mut precisions) = self.tables(data);
        let filtered = estimates(data, &mut etas, &mut precisions)?;
        let system = self.system();
        let lend = Loan::<InformationWorkspace>::take;
        let reports = threads::map_sequences(data, filtered, lend, |workspace, n, filtered| {
            let offsets = self.offsets(data.sequence(n));
            gaussian::information_filter(&system, &offsets.series(), workspace, filtered)
                .map_err(Error::in_series(n))
        })?;
        Ok(InformationFiltered {
            marginal_loglik: reports.iter().map(|r| r.marginal_loglik).collect(),
            flat_directions: reports.iter().map(|r| r.flat_directions).collect(),
            filtered_etas: etas,
            filtered_precisions: precisions,
        })
    }

    /// Smooths every sequence on precisions.
    ///
    /// # Errors
    /// As [`LgssmInfoParams::filter`].
    pub fn smoother(&self, data: &Dataset<'_>) -> Result<InformationSmoothed> {
        self.check(data)?;
        let (mut etas, mut precisions) = self.tables(data);
        let (mut smoothed_etas, mut smoothed_precisions) = self.tables(data);
        let filtered = estimates(data, &mut etas, &mut precisions)?;
        let smoothed = estimates(data, &mut smoothed_etas, &mut smoothed_precisions)?;
        let outputs = filtered.into_iter().zip(smoothed);
        let outputs =
            outputs.map(|(filtered, smoothed)| gaussian::InformationSmoothed { smoothed, filtered });
        let system = self.system();
        let lend = Loan::<InformationWorkspace>::take;
        let reports = threads::map_sequences(data, outputs.collect(), lend, |workspace, n, out| {
            let offsets = self.offsets(data.sequence(n));
            gaussian::information_smoother(&system, &offsets.series(), workspace, out)
                .map_err(Error::in_series(n))
        })?;
        let filtered = InformationFiltered {
            marginal_loglik: reports.iter().map(|r| r.marginal_loglik).collect(),
            flat_directions: reports.iter().map(|r| r.flat_directions).collect(),
            filtered_etas: etas,
            filtered_precisions: precisions,
        };
        Ok(InformationSmoothed { filtered, smoothed_etas, smoothed_precisions })
    }

    /// Zeros for η and Λ of all rows.
    fn tables(&self, data: &Dataset<'_>) -> (Vec<f64>, Vec<f64>) {
        let (rows, d) = (data.num_rows(), self.state_dim());
        (vec![0.0; rows * d], vec![0.0; rows * d * d])
    }
}

/// The parts of each sequence.
fn estimates<'a>(
    data: &Dataset<'_>,
    etas: &'a mut [f64],
    precisions: &'a mut [f64],
) -> Result<Vec<InformationEstimates<'a>>> {
    let d = etas.len() / data.num_rows().max(1);
    let etas = split("etas", etas, data, d)?;
    let precisions = split("precisions", precisions, data, d * d)?;
    let both = etas.into_iter().zip(precisions);
    let one = |(etas, precisions)| InformationEstimates {
        etas: Some(etas),
        precisions: Some(precisions),
        means: None,
    };
    Ok(both.map(one).collect())
}

/// Means Λ⁻¹ η, \[rows, D\], and covariances Λ⁻¹, \[rows, D, D\], of sequences of these lengths that lie one
/// after another.
///
/// # Errors
/// Arrays of another size, or a singular precision (as a flat direction leaves it): there is no covariance.
pub fn info_to_moment_form(
    etas: &[f64],
    precisions: &[f64],
    state_dim: usize,
    lengths: &[usize],
) -> Result<(Vec<f64>, Vec<f64>)> {
    let rows: usize = lengths.iter().sum();
    for (name, found, width) in
        [("etas", etas.len(), state_dim), ("precisions", precisions.len(), state_dim * state_dim)]
    {
        if found != rows * width {
            let expected = format!("{rows} rows of {width}");
            return Err(Error::argument(name, format!("{found} values"), expected));
        }
    }
    let (mut means, mut covs) = (vec![0.0; etas.len()], vec![0.0; precisions.len()]);
    let each = |width: usize| lengths.iter().map(move |length| length * width);
    let out = cut("means", &mut means, each(state_dim))?.into_iter().zip(cut(
        "covs",
        &mut covs,
        each(state_dim * state_dim),
    )?);
    let mut start = 0;
    let jobs = out.zip(lengths).enumerate().map(|(n, (out, length))| {
        start += length;
        (n, start - length..start, out)
    });
    let results = threads::map(jobs.collect(), |(n, rows, (means, covs))| {
        let etas = &etas[rows.start * state_dim..rows.end * state_dim];
        let square = state_dim * state_dim;
        let precisions = &precisions[rows.start * square..rows.end * square];
        gaussian::info_to_moment_form(etas, precisions, state_dim, means, covs).map_err(Error::in_series(n))
    });
    results.into_iter().collect::<Result<()>>()?;
    Ok((means, covs))
}

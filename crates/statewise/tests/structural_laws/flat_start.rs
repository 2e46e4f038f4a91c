//! Diffuse starts by generalised least squares: a route that knows nothing of diffuse filters.
//!
//! y = X δ + e with the diffuse states δ of z_1 as unknown constants, X their noise-free paths and e the
//! series that starts at its proper part. With M = Xᵀ Σ⁻¹ X and the estimate d, the diffuse likelihood is
//! log p(y | d) − ½ log |M|, and its score E[∇ log p(y | δ)] over δ ~ N(d, M⁻¹) (Fisher's identity), a
//! mean over 2q points because log p is quadratic in δ. For models whose X has no parameters.

use statewise::data::Dataset;
use statewise::infer::gaussian::GaussianOptions;
use statewise::learn::{Learnable, MStepOutcome, Statistics};
use statewise::model::linear_gaussian::LgssmParams;
use statewise::model::structural::{ArrayGradients, StructuralTimeSeries};
use statewise::params::{ParamSpec, Params, Properties};
use statewise_kernels::linalg::{cholesky, log_det_chol, solve_chol, solve_upper_transposed};

/// A structural model of one series, its diffuse states estimated by least squares.
pub(crate) struct FlatStart<'a>(pub(crate) &'a StructuralTimeSeries);

impl FlatStart<'_> {
    /// The likelihood and its score.
    pub(crate) fn evaluate(&self, params: &Params, data: &Dataset<'_>) -> (f64, Params) {
        let lowered = self.0.lower(params, data).unwrap();
        let columns = paths(&lowered, data.num_rows());
        let (proper, q) = (LgssmParams { initial_diffuse: None, ..lowered }, columns.len());
        let options = GaussianOptions::default();
        // d log p / dy = −Σ⁻¹ y, linear in y.
        let weighted = |series: &[f64]| -> Vec<f64> {
            let holes = series.iter().zip(data.rows()).map(|(x, y)| if y.is_nan() { f64::NAN } else { *x });
            let series = Dataset::single(holes.collect::<Vec<f64>>(), 1).unwrap();
            proper.gradient(&series, &options).unwrap().emissions.iter().map(|g| -g).collect()
        };
        let solved: Vec<Vec<f64>> = columns.iter().map(|x| weighted(x)).collect();
        let mut m: Vec<f64> = (0..q * q).map(|e| dot(&columns[e / q], &solved[e % q])).collect();
        let response = weighted(data.rows());
        let mut estimate: Vec<f64> = columns.iter().map(|x| dot(x, &response)).collect();
        cholesky(&mut m, q).unwrap();
        solve_chol(&m, q, &mut estimate);
        let shifted = |delta: &[f64]| -> Vec<f64> {
            let path = |t: usize| columns.iter().zip(delta).map(|(x, d)| x[t] * d).sum::<f64>();
            data.rows().iter().enumerate().map(|(t, y)| y - path(t)).collect()
        };
        let best = Dataset::single(shifted(&estimate), 1).unwrap();
        let loglik = proper.marginal_log_prob(&best, &options).unwrap()[0] - 0.5 * log_det_chol(&m, q);
        let mut rows = Vec::new();
        for i in 0..q {
            for sign in [1.0, -1.0] {
                // Columns of L⁻ᵀ: M⁻¹ = L⁻ᵀ L⁻¹.
                let mut step = vec![0.0; q];
                step[i] = sign * (q as f64).sqrt();
                solve_upper_transposed(&m, q, &mut step);
                step.iter_mut().zip(&estimate).for_each(|(s, d)| *s += d);
                rows.extend(shifted(&step));
            }
        }
        let points = Dataset::batch(rows, 2 * q, 1).unwrap();
        let points = points.with_weights(vec![0.5 / q as f64; 2 * q]).unwrap();
        let gradient = proper.gradient(&points, &options).unwrap().params;
        let score = self.0.pull_back(params, data.sequence(0), ArrayGradients::of(&gradient)).unwrap();
        (loglik, score)
    }
}

/// h_tᵀ F^t e_i for each diffuse entry i.
fn paths(lowered: &LgssmParams, num_steps: usize) -> Vec<Vec<f64>> {
    let d = lowered.state_dim();
    let diffuse = lowered.initial_diffuse.as_ref().unwrap().values();
    let states = (0..d).filter(|i| diffuse[i * (d + 1)] != 0.0);
    let h = &lowered.emissions_weights;
    let path = |i: usize| {
        let mut z: Vec<f64> = (0..d).map(|j| f64::from(i == j)).collect();
        let step = |t: usize| {
            let y = dot(if h.shape().len() == 3 { h.row(t) } else { h.values() }, &z);
            z = lowered.dynamics_weights.values().chunks_exact(d).map(|row| dot(row, &z)).collect();
            y
        };
        (0..num_steps).map(step).collect()
    };
    states.map(path).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| if x.is_nan() || y.is_nan() { 0.0 } else { x * y }).sum()
}

impl Learnable for FlatStart<'_> {
    fn schema(&self) -> &[ParamSpec] {
        self.0.schema()
    }

    fn check_data(&self, data: &Dataset<'_>) -> statewise::Result<()> {
        self.0.check_data(data)
    }

    fn e_step(&self, params: &Params, data: &Dataset<'_>) -> statewise::Result<Statistics> {
        let (loglik, score) = self.evaluate(params, data);
        let mut statistics = Statistics::zeros(0);
        statistics.values = score.arrays().iter().flat_map(|a| a.values()).copied().collect();
        statistics.marginal_loglik = loglik;
        Ok(statistics)
    }

    fn m_step(
        &self,
        params: &Params,
        _: &Properties,
        _: &Statistics,
        _: bool,
    ) -> statewise::Result<MStepOutcome> {
        Ok(MStepOutcome { params: params.clone(), repairs: 0 })
    }

    fn score(&self, params: &Params, statistics: &Statistics) -> Params {
        self.0.score(params, statistics)
    }

    fn log_prior(&self, _: &Params) -> f64 {
        0.0
    }

    fn log_prior_gradient(&self, _: &Params) -> Params {
        Params::zeros(self.schema())
    }

    fn warnings(&self, _: &Statistics) -> Vec<String> {
        vec![]
    }
}

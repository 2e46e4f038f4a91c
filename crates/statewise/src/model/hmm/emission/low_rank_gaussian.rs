//! Gaussian emissions with a diagonal plus low-rank covariance: factor analysis in each state.
//!
//! p(y_t | z_t = k) = N(y_t | μ_k, diag(d_k) + U_k U_kᵀ),  d_ki ~ Gamma(shape a, rate b)
//!
//! U is only determined up to a rotation of its columns.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, StandardNormal};
use serde::{Deserialize, Serialize};
use statewise_kernels::linalg::{cholesky, inverse_chol, solve_chol};
use statewise_kernels::math::ln_gamma;

use super::conjugate::{gamma_variance_mode, has_no_weight};
use super::gaussian::PreparedGaussian;
use super::gaussians::Gaussians;
use super::moments::{Moments, dot, moments_len, product, transposed};
use super::variance_floor::variance_floors;
use super::{Emission, Prepared};
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::params::{Array, Constraint, ParamSpec};

/// The low-rank Gaussian family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LowRankGaussian {
    /// K.
    pub num_states: usize,
    /// D.
    pub emission_dim: usize,
    /// M, the number of factors.
    pub emission_rank: usize,
    /// a.
    #[serde(default = "super::hyper::slightly_above_one")]
    pub emission_diag_factor_concentration: f64,
    /// b, per squared unit of y.
    #[serde(default = "super::hyper::slightly_above_one")]
    pub emission_diag_factor_rate: f64,
}

/// One state's d and U.
#[derive(Clone)]
struct Factors {
    diag: Vec<f64>,
    low_rank: Vec<f64>,
}

impl Factors {
    /// diag(d) + U Uᵀ.
    fn cov(&self) -> Vec<f64> {
        let (dim, rank) = (self.diag.len(), self.low_rank.len() / self.diag.len());
        let mut cov = product(&self.low_rank, &transposed(&self.low_rank, rank), rank, dim);
        self.diag.iter().enumerate().for_each(|(i, d)| cov[i * (dim + 1)] += d);
        cov
    }

    /// (I + Uᵀ D⁻¹ U)⁻¹, the covariance of the factors given y.
    fn factor_cov(&self) -> Vec<f64> {
        let (dim, rank) = (self.diag.len(), self.low_rank.len() / self.diag.len());
        let mut precision = product(&self.scaled_transpose(), &self.low_rank, dim, rank);
        (0..rank).for_each(|m| precision[m * (rank + 1)] += 1.0);
        let mut cov = vec![0.0; rank * rank];
        // The identity plus a Gram matrix always has a factor.
        let _ = cholesky(&mut precision, rank);
        inverse_chol(&precision, rank, &mut cov);
        cov
    }

    /// Uᵀ D⁻¹.
    fn scaled_transpose(&self) -> Vec<f64> {
        let rank = self.low_rank.len() / self.diag.len();
        let mut out = transposed(&self.low_rank, rank);
        for row in out.chunks_exact_mut(self.diag.len()) {
            row.iter_mut().zip(&self.diag).for_each(|(x, d)| *x /= d);
        }
        out
    }
}

const MAX_ITERATIONS: usize = 200;

impl LowRankGaussian {
    fn factors(&self, params: &[Array], k: usize) -> Factors {
        Factors { diag: params[1].row(k).to_vec(), low_rank: params[2].row(k).to_vec() }
    }

    fn covs(&self, params: &[Array]) -> Vec<f64> {
        (0..self.num_states).flat_map(|k| self.factors(params, k).cov()).collect()
    }

    /// What the M-step climbs for one state, given its mean.
    fn objective(&self, m: &Moments, mean: &[f64], factors: &Factors, prior: bool) -> f64 {
        let (a, b) = (self.emission_diag_factor_concentration, self.emission_diag_factor_rate);
        let log_prior = |d: &f64| (a - 1.0) * d.ln() - b * d;
        m.expected_log_prob(m.weight, mean, &factors.cov())
            + if prior { factors.diag.iter().map(log_prior).sum() } else { 0.0 }
    }

    /// EM for factor analysis with second moment S about the mean, until nothing moves; answers
    /// how many variances are at their floor.
    ///
    /// β = (I + Uᵀ D⁻¹ U)⁻¹ Uᵀ D⁻¹;  U ← S βᵀ (I − β U + β S βᵀ)⁻¹;  d from diag(S − U β S).
    ///
    /// # Source
    /// Rubin and Thayer (1982). O(D² M) an iteration.
    fn climb(
        &self,
        m: &Moments,
        mean: &[f64],
        step: &MStep<'_>,
        floors: &[f64],
        at: &mut Factors,
    ) -> usize {
        let (dim, rank) = (self.emission_dim, self.emission_rank);
        let mut second = m.second_about(mean);
        second.iter_mut().for_each(|s| *s /= m.weight);
        let mut floored = 0;
        for _ in 0..MAX_ITERATIONS {
            let before = at.clone();
            let factor_cov = at.factor_cov();
            let beta = product(&factor_cov, &at.scaled_transpose(), rank, dim);
            let beta_second = product(&beta, &second, dim, dim);
            let mut products = product(&beta_second, &transposed(&beta, dim), dim, rank);
            products.iter_mut().zip(&factor_cov).for_each(|(p, c)| *p += c);
            if step.moves(2) {
                let mut chol = products.clone();
                if cholesky(&mut chol, rank).is_err() {
                    break;
                }
                at.low_rank = transposed(&beta_second, dim);
                at.low_rank.chunks_exact_mut(rank).for_each(|row| solve_chol(&chol, rank, row));
            }
            if step.moves(1) {
                floored = 0;
                for i in 0..dim {
                    let u = &at.low_rank[i * rank..(i + 1) * rank];
                    let cross: f64 = (0..rank).map(|r| u[r] * beta_second[r * dim + i]).sum();
                    let quadratic = dot(u, &product(&products, u, rank, 1));
                    let sum = m.weight * (second[i * (dim + 1)] - 2.0 * cross + quadratic).max(0.0);
                    let (a, b) = (self.emission_diag_factor_concentration, self.emission_diag_factor_rate);
                    let d =
                        if step.prior { gamma_variance_mode(m.weight, sum, a, b) } else { sum / m.weight };
                    floored += usize::from(d < floors[i]);
                    at.diag[i] = d.max(floors[i]);
                }
            }
            let moved = |(new, old): (&f64, &f64), size: f64| (new - old).abs() > 1e-10 * size;
            let diag_moved = at.diag.iter().zip(&before.diag).any(|x| moved(x, *x.0));
            let entries = at.low_rank.iter().zip(&before.low_rank).enumerate();
            if !diag_moved
                && !entries.into_iter().any(|(i, x)| moved(x, second[i / rank * (dim + 1)].sqrt()))
            {
                break;
            }
        }
        floored
    }

    /// A start with U away from zero, where the likelihood has a saddle: along S times fixed
    /// directions, with half of the variance.
    fn away_from_saddle(&self, m: &Moments, mean: &[f64], start: &Factors, moves_diag: bool) -> Factors {
        let (dim, rank) = (self.emission_dim, self.emission_rank);
        let mut second = m.second_about(mean);
        second.iter_mut().for_each(|s| *s /= m.weight);
        let directions: Vec<f64> = (0..dim * rank).map(|i| (1.0 + 2.3 * i as f64).sin()).collect();
        let mut low_rank = product(&second, &directions, dim, rank);
        let trace: f64 = (0..dim).map(|i| second[i * (dim + 1)]).sum();
        let size = dot(&low_rank, &low_rank);
        let factor = if size > 0.0 { (0.5 * trace / size).sqrt() } else { 0.0 };
        low_rank.iter_mut().for_each(|u| *u *= factor);
        let mut diag = start.diag.clone();
        if moves_diag {
            for (i, d) in diag.iter_mut().enumerate() {
                let total = second[i * (dim + 1)];
                let explained: f64 = low_rank[i * rank..(i + 1) * rank].iter().map(|u| u * u).sum();
                *d = (total - explained).max(0.2 * total).max(f64::MIN_POSITIVE);
            }
        }
        Factors { diag, low_rank }
    }
}

impl Component for LowRankGaussian {
    fn schema(&self) -> Vec<ParamSpec> {
        let (k, d, m) = (self.num_states, self.emission_dim, self.emission_rank);
        let (diag, low_rank) = ("emission_cov_diag_factors", "emission_cov_low_rank_factors");
        vec![
            ParamSpec::new("emissions.means", "emission_means", &[k, d], Constraint::Real),
            ParamSpec::new("emissions.cov_diag_factors", diag, &[k, d], Constraint::Positive),
            ParamSpec::new("emissions.cov_low_rank_factors", low_rank, &[k, d, m], Constraint::Real),
        ]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("emission_dim", self.emission_dim)?;
        check_size("emission_rank", self.emission_rank)?;
        check_positive("emission_diag_factor_concentration", self.emission_diag_factor_concentration)?;
        check_positive("emission_diag_factor_rate", self.emission_diag_factor_rate)
    }

    fn num_stats(&self) -> usize {
        self.num_states * moments_len(self.emission_dim)
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let moments = Moments::read_all(stats, self.emission_dim);
        let term = |(k, m): (usize, &Moments)| {
            m.expected_log_prob(m.weight, params[0].row(k), &self.factors(params, k).cov())
        };
        moments.iter().enumerate().map(term).sum()
    }

    /// With G the gradient in Σ: ∂d_i = G_ii, ∂U = 2 G U.
    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        let [g_means, g_diags, g_low_ranks] = gradient else { return };
        let (dim, rank) = (self.emission_dim, self.emission_rank);
        for (k, m) in Moments::read_all(stats, dim).iter().enumerate() {
            let factors = self.factors(params, k);
            let mut g_cov = vec![0.0; dim * dim];
            m.add_gradient(m.weight, params[0].row(k), &factors.cov(), g_means.row_mut(k), &mut g_cov);
            g_diags.row_mut(k).iter_mut().enumerate().for_each(|(i, g)| *g += g_cov[i * (dim + 1)]);
            let slope = product(&g_cov, &factors.low_rank, dim, rank);
            g_low_ranks.row_mut(k).iter_mut().zip(slope).for_each(|(g, s)| *g += 2.0 * s);
        }
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        let (a, b) = (self.emission_diag_factor_concentration, self.emission_diag_factor_rate);
        let constant = a * b.ln() - ln_gamma(a);
        params[1].values().iter().map(|d| constant + (a - 1.0) * d.ln() - b * d).sum()
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        let (a, b) = (self.emission_diag_factor_concentration, self.emission_diag_factor_rate);
        for (g, d) in gradient[1].values_mut().iter_mut().zip(params[1].values()) {
            *g += (a - 1.0) / d - b;
        }
    }

    /// The mean in closed form, the covariance by EM over the factors and then L-BFGS
    /// (EM alone converges linearly).
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        let moments = Moments::read_all(step.stats, self.emission_dim);
        let floors = variance_floors(moments.iter(), self.emission_dim);
        let total: f64 = moments.iter().map(|m| m.weight).sum();
        let mut repairs = 0;
        for (k, m) in moments.iter().enumerate() {
            // The prior says nothing about the mean and the factors.
            if has_no_weight(m.weight, total) {
                repairs += 1;
                continue;
            }
            if step.moves(0) {
                params[0].row_mut(k).copy_from_slice(&m.mean);
            }
            let mean = params[0].row(k);
            let start = self.factors(params, k);
            let mut best = start.clone();
            let mut floored = self.climb(m, mean, step, &floors, &mut best);
            // The likelihood of factors has several maxima; a second start keeps the better one.
            if step.moves(2) {
                let mut other = self.away_from_saddle(m, mean, &start, step.moves(1));
                let other_floored = self.climb(m, mean, step, &floors, &mut other);
                let value = |f: &Factors| self.objective(m, mean, f, step.prior);
                if value(&other) > value(&best) {
                    (best, floored) = (other, other_floored);
                }
            }
            repairs += floored;
            params[1].row_mut(k).copy_from_slice(&best.diag);
            params[2].row_mut(k).copy_from_slice(&best.low_rank);
        }
        if repairs == 0 && (step.moves(1) || step.moves(2)) {
            let mut properties = step.properties.to_vec();
            properties[0].trainable = false;
            let rest = MStep { properties: &properties, ..*step };
            crate::learn::maximise_numerically(self, &rest, params);
            // NUMERICS: values stop telling points apart where the slope is still 1e-6; EM needs none.
            for (k, m) in moments.iter().enumerate() {
                let mut factors = self.factors(params, k);
                self.climb(m, params[0].row(k), step, &floors, &mut factors);
                params[1].row_mut(k).copy_from_slice(&factors.diag);
                params[2].row_mut(k).copy_from_slice(&factors.low_rank);
            }
        }
        Maximised::Done { repairs }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let (k, d, m) = (self.num_states, self.emission_dim, self.emission_rank);
        let normals = |n: usize, rng: &mut ChaCha8Rng| (0..n).map(|_| StandardNormal.sample(rng)).collect();
        let means = normals(k * d, rng);
        let rate = self.emission_diag_factor_rate;
        let diag = Gamma::new(self.emission_diag_factor_concentration, 1.0 / rate);
        let diags = (0..k * d).map(|_| diag.map_or(1.0, |g| g.sample(rng)).max(1e-6 / rate)).collect();
        let low_ranks = normals(k * d * m, rng);
        vec![Array::new(&[k, d], means), Array::new(&[k, d], diags), Array::new(&[k, d, m], low_ranks)]
    }
}

impl Emission for LowRankGaussian {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        // PERF: the E-step needs D² products per row anyway, and the dense kernel beats Woodbury's
        // scalar loops below some 200 dimensions.
        let covs = self.covs(params);
        let path = "emissions.cov_diag_factors";
        let gaussians = Gaussians::new(self.emission_dim, params[0].values(), covs, path)?;
        Ok(Box::new(PreparedGaussian(gaussians)))
    }
}

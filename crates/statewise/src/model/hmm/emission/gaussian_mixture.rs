//! Emissions from a mixture of Gaussians in each state.
//!
//! p(y_t | z_t = k) = Σ_c w_kc N(y_t | μ_kc, Σ_kc),  w_k ~ Dirichlet(a, .., a),
//! (μ_kc, Σ_kc) ~ NormalInverseWishart(m, κ, D + extra_df, Ψ)

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::conjugate::{Moving, NormalInverseWishart, maximise_gaussians};
use super::gaussians::Gaussians;
use super::mixture::{PreparedMixture, cluster_components, maximise_weights};
use super::moments::{Moments, moments_len};
use super::priors::DirichletPrior;
use super::variance_floor::variance_floors;
use super::{Emission, Prepared, ScalarOrArray};
use crate::data::Dataset;
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::model::hmm::dirichlet;
use crate::params::{Array, Constraint, ParamProperties, ParamSpec};

/// The family of Gaussian mixtures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianMixture {
    /// K.
    pub num_states: usize,
    /// C, components of each state.
    pub num_components: usize,
    /// D.
    pub emission_dim: usize,
    /// a.
    #[serde(default = "super::hyper::slightly_above_one")]
    pub emission_weights_concentration: f64,
    /// m, in units of y; a number or \[D\].
    #[serde(default = "super::hyper::zero")]
    pub emission_prior_mean: ScalarOrArray,
    /// κ, the rows that the prior mean is worth.
    #[serde(default = "super::hyper::tiny")]
    pub emission_prior_mean_concentration: f64,
    /// The degrees of freedom beyond D.
    #[serde(default = "super::hyper::tiny")]
    pub emission_prior_extra_df: f64,
    /// Ψ, in squared units of y; a multiple of the identity or \[D, D\].
    #[serde(default = "super::hyper::tiny_scale")]
    pub emission_prior_scale: ScalarOrArray,
}

impl GaussianMixture {
    /// The prior of the weights of each state.
    fn weights_prior(&self) -> DirichletPrior {
        DirichletPrior { concentration: self.emission_weights_concentration }
    }

    fn prior(&self) -> NormalInverseWishart {
        NormalInverseWishart {
            mean: self.emission_prior_mean.vector(self.emission_dim),
            concentration: self.emission_prior_mean_concentration,
            df: self.emission_dim as f64 + self.emission_prior_extra_df,
            scale: self.emission_prior_scale.matrix(self.emission_dim),
        }
    }

    fn num_all(&self) -> usize {
        self.num_states * self.num_components
    }

    /// Moments and Σγ of all components.
    fn read<'s>(&self, stats: &'s [f64]) -> (Vec<Moments>, &'s [f64]) {
        let (moments, counts) = stats.split_at(stats.len() - self.num_all());
        (Moments::read_all(moments, self.emission_dim), counts)
    }

    /// Mean and covariance of component i.
    fn component<'p>(&self, params: &'p [Array], i: usize) -> (&'p [f64], &'p [f64]) {
        let d = self.emission_dim;
        (&params[1].values()[i * d..(i + 1) * d], &params[2].values()[i * d * d..(i + 1) * d * d])
    }
}

impl Component for GaussianMixture {
    fn schema(&self) -> Vec<ParamSpec> {
        let (k, c, d) = (self.num_states, self.num_components, self.emission_dim);
        let matrices = Constraint::PositiveDefinite;
        vec![
            ParamSpec::new("emissions.weights", "emission_weights", &[k, c], Constraint::Simplex),
            ParamSpec::new("emissions.means", "emission_means", &[k, c, d], Constraint::Real),
            ParamSpec::new("emissions.covs", "emission_covariances", &[k, c, d, d], matrices),
        ]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("num_components", self.num_components)?;
        check_size("emission_dim", self.emission_dim)?;
        check_positive("emission_weights_concentration", self.emission_weights_concentration)?;
        self.emission_prior_mean.check_vector("emission_prior_mean", self.emission_dim)?;
        check_positive("emission_prior_mean_concentration", self.emission_prior_mean_concentration)?;
        check_positive("emission_prior_extra_df", self.emission_prior_extra_df)?;
        self.emission_prior_scale.check_matrix("emission_prior_scale", self.emission_dim)
    }

    fn num_stats(&self) -> usize {
        self.num_all() * (moments_len(self.emission_dim) + 1)
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let (moments, counts) = self.read(stats);
        let term = |(i, m): (usize, &Moments)| {
            let (mean, cov) = self.component(params, i);
            m.expected_log_prob(m.weight, mean, cov)
        };
        dirichlet::expected_log_prob(counts, params[0].values())
            + moments.iter().enumerate().map(term).sum::<f64>()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        let [g_weights, g_means, g_covs] = gradient else { return };
        let (moments, counts) = self.read(stats);
        dirichlet::add_count_gradient(counts, params[0].values(), g_weights.values_mut());
        let d = self.emission_dim;
        let slopes =
            g_means.values_mut().chunks_exact_mut(d).zip(g_covs.values_mut().chunks_exact_mut(d * d));
        for ((i, m), (g_mean, g_cov)) in moments.iter().enumerate().zip(slopes) {
            let (mean, cov) = self.component(params, i);
            m.add_gradient(m.weight, mean, cov, g_mean, g_cov);
        }
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        let prior = self.prior();
        let term = |i| {
            let (mean, cov) = self.component(params, i);
            prior.log_prob(mean, cov)
        };
        self.weights_prior().log_density(params[0].values(), self.num_components)
            + (0..self.num_all()).map(term).sum::<f64>()
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        let [g_weights, g_means, g_covs] = gradient else { return };
        self.weights_prior().add_slope(params[0].values(), g_weights.values_mut());
        let (prior, d) = (self.prior(), self.emission_dim);
        let slopes =
            g_means.values_mut().chunks_exact_mut(d).zip(g_covs.values_mut().chunks_exact_mut(d * d));
        for (i, (g_mean, g_cov)) in slopes.enumerate() {
            let (mean, cov) = self.component(params, i);
            prior.add_gradient(mean, cov, g_mean, g_cov);
        }
    }

    /// The modes of the Dirichlet and normal-inverse-Wishart posteriors given responsibilities.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        let [weights, means, covs] = params else { return Maximised::NoClosedForm };
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        let (moments, counts) = self.read(step.stats);
        if step.moves(0) {
            let prior = if step.prior { self.weights_prior() } else { DirichletPrior::FLAT };
            maximise_weights(counts, prior, weights);
        }
        let prior = step.prior.then(|| self.prior());
        let moving = Moving { means: step.moves(1), covs: step.moves(2) };
        let (means, covs) = (means.values_mut(), covs.values_mut());
        let floors = variance_floors(moments.iter(), self.emission_dim);
        let repairs = maximise_gaussians(&moments, counts, &floors, prior.as_ref(), moving, means, covs);
        Maximised::Done { repairs }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let (prior, k, c, d) = (self.prior(), self.num_states, self.num_components, self.emission_dim);
        let mut weights = Array::zeros(&[k, c]);
        self.weights_prior().draw(weights.values_mut(), c, rng);
        let (mut means, mut covs) = (Vec::new(), Vec::new());
        for _ in 0..k * c {
            let cov = prior.sample_cov(rng);
            means.extend(prior.sample_mean(&cov, rng));
            covs.extend(cov);
        }
        vec![weights, Array::new(&[k, c, d], means), Array::new(&[k, c, d, d], covs)]
    }
}

impl Emission for GaussianMixture {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let (means, covs) = (params[1].values(), params[2].values());
        let components = Gaussians::new(self.emission_dim, means, covs, "emissions.covs")?;
        Ok(Box::new(PreparedMixture::new(&params[0], self.emission_dim, components)))
    }

    /// Clusters rows into states and the rows of each state into components, then maximises.
    fn initialize_from_data(&self, data: &Dataset<'_>, rng: &mut ChaCha8Rng) -> Result<Vec<Array>> {
        let mut params = self.sample_prior(rng);
        let stats = {
            let (means, covs) = (params[1].values(), params[2].values());
            let components = Gaussians::new(self.emission_dim, means, covs, "emissions.covs")?;
            let sizes = (self.num_states, self.num_components);
            cluster_components(&components, sizes, self.num_stats(), data, rng)?
        };
        let properties = vec![ParamProperties::default(); params.len()];
        self.maximise(&MStep { stats: &stats, prior: true, properties: &properties }, &mut params);
        Ok(params)
    }
}

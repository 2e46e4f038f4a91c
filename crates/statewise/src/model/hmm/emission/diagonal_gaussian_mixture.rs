//! Emissions from a mixture of Gaussians with independent dimensions in each state.
//!
//! p(y_t | z_t = k) = Σ_c w_kc Π_d N(y_td | μ_kcd, σ_kcd²),  w_k ~ Dirichlet(a, .., a),
//! (μ_kcd, σ_kcd²) ~ NormalInverseGamma(m_d, κ, shape, scale_d)
//!
//! Parameters are standard deviations σ; the prior density is that of the variance.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::conjugate::{Moving, NormalInverseGamma, maximise_scalars};
use super::independents::{self, Independents, floors_and_totals};
use super::mixture::{PreparedMixture, cluster_components, maximise_weights};
use super::moments::{Moments, moments_len};
use super::priors::DirichletPrior;
use super::{Emission, Prepared, ScalarOrArray};
use crate::data::Dataset;
use crate::error::Result;
use crate::model::hmm::component::{Component, MStep, Maximised, check_positive, check_size};
use crate::model::hmm::dirichlet;
use crate::params::{Array, Constraint, ParamProperties, ParamSpec};

/// The family of diagonal Gaussian mixtures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiagonalGaussianMixture {
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
    /// Shape of the inverse Gamma.
    #[serde(default = "super::hyper::one")]
    pub emission_prior_shape: f64,
    /// Its scale, in squared units of y; a number or \[D\].
    #[serde(default = "super::hyper::identity")]
    pub emission_prior_scale: ScalarOrArray,
}

impl DiagonalGaussianMixture {
    /// The prior of the weights of each state.
    fn weights_prior(&self) -> DirichletPrior {
        DirichletPrior { concentration: self.emission_weights_concentration }
    }

    /// The prior of each dimension.
    fn priors(&self) -> Vec<NormalInverseGamma> {
        let means = self.emission_prior_mean.vector(self.emission_dim);
        let scales = self.emission_prior_scale.vector(self.emission_dim);
        let concentration = self.emission_prior_mean_concentration;
        let shape = self.emission_prior_shape;
        let prior = |(mean, scale)| NormalInverseGamma { mean, concentration, shape, scale };
        means.into_iter().zip(scales).map(prior).collect()
    }

    fn num_all(&self) -> usize {
        self.num_states * self.num_components
    }

    /// Moments of all scalars and Σγ of all components.
    fn read<'s>(&self, stats: &'s [f64]) -> (Vec<Moments>, &'s [f64]) {
        let (moments, counts) = stats.split_at(stats.len() - self.num_all());
        (Moments::read_all(moments, 1), counts)
    }
}

impl Component for DiagonalGaussianMixture {
    fn schema(&self) -> Vec<ParamSpec> {
        let (k, c, d) = (self.num_states, self.num_components, self.emission_dim);
        let (scales, positive) = ("emission_scale_diags", Constraint::Positive);
        vec![
            ParamSpec::new("emissions.weights", "emission_weights", &[k, c], Constraint::Simplex),
            ParamSpec::new("emissions.means", "emission_means", &[k, c, d], Constraint::Real),
            ParamSpec::new("emissions.scale_diags", scales, &[k, c, d], positive),
        ]
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("num_components", self.num_components)?;
        check_size("emission_dim", self.emission_dim)?;
        check_positive("emission_weights_concentration", self.emission_weights_concentration)?;
        self.emission_prior_mean.check_vector("emission_prior_mean", self.emission_dim)?;
        check_positive("emission_prior_mean_concentration", self.emission_prior_mean_concentration)?;
        check_positive("emission_prior_shape", self.emission_prior_shape)?;
        self.emission_prior_scale.check_positive_vector("emission_prior_scale", self.emission_dim)
    }

    fn num_stats(&self) -> usize {
        self.num_all() * (self.emission_dim * moments_len(1) + 1)
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let (moments, counts) = self.read(stats);
        dirichlet::expected_log_prob(counts, params[0].values())
            + independents::expected_log_prob(&moments, params[1].values(), params[2].values())
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        let [g_weights, g_means, g_scales] = gradient else { return };
        let (moments, counts) = self.read(stats);
        dirichlet::add_count_gradient(counts, params[0].values(), g_weights.values_mut());
        let (g_means, g_scales) = (g_means.values_mut(), g_scales.values_mut());
        independents::add_gradient(&moments, params[1].values(), params[2].values(), g_means, g_scales);
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        let priors = self.priors();
        let all = params[1].values().iter().zip(params[2].values()).zip(priors.iter().cycle());
        self.weights_prior().log_density(params[0].values(), self.num_components)
            + all.map(|((mean, scale), prior)| prior.log_prob(*mean, *scale)).sum::<f64>()
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        let [g_weights, g_means, g_scales] = gradient else { return };
        self.weights_prior().add_slope(params[0].values(), g_weights.values_mut());
        for (i, prior) in (0..params[1].values().len()).zip(self.priors().iter().cycle()) {
            let (mean, scale) = prior.gradient(params[1].values()[i], params[2].values()[i]);
            g_means.values_mut()[i] += mean;
            g_scales.values_mut()[i] += scale;
        }
    }

    /// The modes of the Dirichlet and normal-inverse-Gamma posteriors given responsibilities.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        let [weights, means, scales] = params else { return Maximised::NoClosedForm };
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        let (moments, counts) = self.read(step.stats);
        if step.moves(0) {
            let prior = if step.prior { self.weights_prior() } else { DirichletPrior::FLAT };
            maximise_weights(counts, prior, weights);
        }
        let (floors, totals) = floors_and_totals(&moments, self.emission_dim);
        let priors = self.priors();
        let repairs = maximise_scalars(
            &moments,
            |i| step.prior.then(|| priors[i % self.emission_dim]),
            (&floors, &totals),
            Moving { means: step.moves(1), covs: step.moves(2) },
            means.values_mut(),
            scales.values_mut(),
        );
        Maximised::Done { repairs }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let (k, c, d) = (self.num_states, self.num_components, self.emission_dim);
        let mut weights = Array::zeros(&[k, c]);
        self.weights_prior().draw(weights.values_mut(), c, rng);
        let priors = self.priors();
        let (means, scales) = (0..k * c * d).map(|i| priors[i % d].sample(rng)).unzip();
        vec![weights, Array::new(&[k, c, d], means), Array::new(&[k, c, d], scales)]
    }
}

impl Emission for DiagonalGaussianMixture {
    fn num_states(&self) -> usize {
        self.num_states
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.emission_dim]
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let (means, scales) = (params[1].values(), params[2].values());
        let components = Independents::new(self.emission_dim, means, scales, "emissions.scale_diags")?;
        Ok(Box::new(PreparedMixture::new(&params[0], self.emission_dim, components)))
    }

    /// Clusters rows into states and the rows of each state into components, then maximises.
    fn initialize_from_data(&self, data: &Dataset<'_>, rng: &mut ChaCha8Rng) -> Result<Vec<Array>> {
        let mut params = self.sample_prior(rng);
        let stats = {
            let (means, scales) = (params[1].values(), params[2].values());
            let components = Independents::new(self.emission_dim, means, scales, "emissions.scale_diags")?;
            let sizes = (self.num_states, self.num_components);
            cluster_components(&components, sizes, self.num_stats(), data, rng)?
        };
        let properties = vec![ParamProperties::default(); params.len()];
        self.maximise(&MStep { stats: &stats, prior: true, properties: &properties }, &mut params);
        Ok(params)
    }
}

//! What a fit tells its user.

use statewise::Result;
use statewise::data::Dataset;
use statewise::learn::{Em, Learnable, MStepOutcome, Statistics};
use statewise::model::hmm::Hmm;
use statewise::params::{FreeSpace, ParamSpec, Params, Properties};

use crate::scene::scene_of;

/// A model whose M-step goes to given, worse parameters.
struct Broken<'a> {
    hmm: &'a Hmm,
    worse: Params,
}

impl Learnable for Broken<'_> {
    fn schema(&self) -> &[ParamSpec] {
        self.hmm.schema()
    }

    fn check_data(&self, data: &Dataset<'_>) -> Result<()> {
        self.hmm.check_data(data)
    }

    fn e_step(&self, params: &Params, data: &Dataset<'_>) -> Result<Statistics> {
        self.hmm.e_step(params, data)
    }

    fn m_step(
        &self,
        params: &Params,
        properties: &Properties,
        statistics: &Statistics,
        prior: bool,
    ) -> Result<MStepOutcome> {
        let outcome = self.hmm.m_step(params, properties, statistics, prior)?;
        let first = params != &self.worse;
        Ok(if first { MStepOutcome { params: self.worse.clone(), ..outcome } } else { outcome })
    }

    fn score(&self, params: &Params, statistics: &Statistics) -> Params {
        self.hmm.score(params, statistics)
    }

    fn log_prior(&self, params: &Params) -> f64 {
        self.hmm.log_prior(params)
    }

    fn log_prior_gradient(&self, params: &Params) -> Params {
        self.hmm.log_prior_gradient(params)
    }

    fn warnings(&self, statistics: &Statistics) -> Vec<String> {
        self.hmm.warnings(statistics)
    }
}

#[test]
fn a_fall_of_the_em_objective_is_reported() {
    let scene = scene_of("poisson");
    let data = scene.data();
    let properties = scene.trainable();
    let space = FreeSpace::new(scene.hmm.schema(), &properties, &scene.truth);
    let far: Vec<f64> = space.to_free(&scene.truth).iter().map(|x| x + 3.0).collect();
    let start = scene.near_truth(4);
    let em = Em { num_iters: 4, tolerance: None, prior: true };
    let sound = em.fit(&scene.hmm, &start, &properties, &data, &mut |_| true).unwrap();
    assert!(!sound.warnings.iter().any(|w| w.contains("lowered")), "{:?}", sound.warnings);
    let worse = space.from_free(&far);
    let broken = Broken { hmm: &scene.hmm, worse };
    let report = em.fit(&broken, &start, &properties, &data, &mut |_| true).unwrap();
    assert!(report.warnings.iter().any(|w| w.contains("lowered its objective")), "{:?}", report.warnings);
}

#[test]
fn a_state_that_the_data_never_visit_is_reported() {
    let scene = scene_of("poisson");
    let mut start = scene.truth.clone();
    let rates = start.arrays_mut().last_mut().unwrap();
    rates.row_mut(1).fill(1e4);
    let width = scene.hmm.emission_width();
    let data = Dataset::single(vec![1.0; 30 * width], width).unwrap();
    let em = Em { num_iters: 3, ..Default::default() };
    let report = em.fit(&scene.hmm, &start, &scene.trainable(), &data, &mut |_| true).unwrap();
    assert!(report.warnings.iter().any(|w| w.contains("state 1 is dying")), "{:?}", report.warnings);
}

//! Learning from a stream.

use statewise::data::Dataset;
use statewise::learn::{Em, Learner, OnlineEm, StepSize, StochasticEm};
use statewise::params::Params;
use statewise_kernels::random::Seed;

use crate::scene::{Scene, scene_of};

fn stream(scene: &Scene, batches: usize) -> (Vec<f64>, usize) {
    let steps = 50;
    let draw = |n: usize| scene.hmm.sample(&scene.truth, Seed(9), n as u64, steps, &[]).unwrap().1;
    ((0..batches).flat_map(draw).collect(), steps * scene.hmm.emission_width())
}

fn per_step(scene: &Scene, params: &Params, data: &Dataset<'_>) -> f64 {
    scene.loglik(params, data) / data.num_rows() as f64
}

#[test]
fn online_and_minibatch_em_come_near_the_answer_of_em() {
    let scene = scene_of("poisson");
    let (rows, size) = stream(&scene, 200);
    let width = scene.hmm.emission_width();
    let all = Dataset::batch(&rows[..], 200, width).unwrap();
    let (start, properties) = (scene.near_truth(6), scene.trainable());

    let em = Em { num_iters: 200, ..Default::default() };
    let em = em.fit(&scene.hmm, &start, &properties, &all, &mut |_| true).unwrap();
    let want = per_step(&scene, &em.params, &all);
    let before = per_step(&scene, &start, &all);

    let step_size = StepSize::Power { exponent: 0.7 };
    let mut online =
        OnlineEm::new(&scene.hmm, start.clone(), properties.clone(), step_size.clone(), true, 2).unwrap();
    for batch in rows.chunks_exact(size) {
        online.update(&scene.hmm, &Dataset::single(batch, width).unwrap()).unwrap();
    }
    assert_eq!((online.updates(), online.steps_seen()), (200, 10_000.0));
    let got = per_step(&scene, online.params(), &all);
    assert!(want - got < 2e-3 && got > before, "online {got}, EM {want}, before {before}");

    let minibatch = StochasticEm { num_epochs: 3, batch_size: 7, step_size, ..Default::default() };
    let minibatch = minibatch.fit(&scene.hmm, &start, &properties, &all, &mut |_| true).unwrap();
    let got = per_step(&scene, &minibatch.params, &all);
    assert!(want - got < 1e-3, "minibatch {got}, EM {want}, before {before}");
}

#[test]
fn an_online_learner_goes_on_after_being_saved() {
    let scene = scene_of("poisson");
    let (rows, size) = stream(&scene, 8);
    let width = scene.hmm.emission_width();
    let new = || {
        let (start, properties) = (scene.near_truth(6), scene.trainable());
        OnlineEm::new(&scene.hmm, start, properties, StepSize::default(), true, 0).unwrap()
    };
    let (mut kept, mut saved) = (new(), new());
    for batch in rows.chunks_exact(size) {
        let data = Dataset::single(batch, width).unwrap();
        let score = kept.update(&scene.hmm, &data).unwrap().marginal_loglik;
        let text = serde_json::to_string(&saved).unwrap();
        saved = serde_json::from_str(&text).unwrap();
        assert_eq!(saved.update(&scene.hmm, &data).unwrap().marginal_loglik, score);
    }
    assert_eq!(kept, saved);
}

#[test]
fn a_batch_that_does_not_fit_leaves_the_learner_as_it_was() {
    let scene = scene_of("poisson");
    let (start, properties) = (scene.near_truth(6), scene.trainable());
    let mut online = OnlineEm::new(&scene.hmm, start, properties, StepSize::default(), true, 0).unwrap();
    let before = online.clone();
    let width = scene.hmm.emission_width();
    let bad = Dataset::single(vec![-1.0; width], width).unwrap();
    assert!(online.update(&scene.hmm, &bad).is_err());
    assert_eq!(online, before);
    let zero = StepSize::Constant { weight: 0.0 };
    let refused = OnlineEm::new(&scene.hmm, scene.near_truth(6), scene.trainable(), zero, true, 0);
    assert!(refused.unwrap_err().to_string().contains("step_size"));
}

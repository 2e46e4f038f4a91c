//! Sampled paths against the exact distribution over paths.

mod common;

use std::collections::HashMap;

use common::for_each_form;
use rand::RngExt;
use statewise_kernels::discrete::{Workspace, sample_paths};
use statewise_kernels::random::Seed;
use statewise_testkit::{corpus, enumerate};

/// Frequencies of 40 000 paths: within five standard deviations of their probabilities, for every
/// path of probability above 1e-3. The seed is fixed, so the test is deterministic.
#[test]
fn paths_are_drawn_with_their_posterior_probability() {
    const SAMPLES: usize = 40_000;
    let mut ws = Workspace::default();
    let names = [
        "generic",
        "time-varying",
        "left to right",
        "time-varying with zeros",
        "one state",
        "lost and found",
        "lost, then mixed",
        "rare transition",
    ];
    let problems = corpus();
    for problem in problems.iter().filter(|p| names.contains(&p.name.as_str())) {
        let exact = enumerate(problem);
        for_each_form(problem, &mut |label, chain| {
            let mut random = Seed(7).stream(label, 0);
            let mut paths = vec![0; SAMPLES * problem.num_steps];
            let mut uniform = || random.random::<f64>();
            let evidence = sample_paths(chain, &mut ws, SAMPLES, &mut uniform, &mut paths).unwrap();
            assert!((evidence - exact.marginal_loglik).abs() < 1e-9, "{label}");
            let mut counts: HashMap<&[u32], usize> = HashMap::new();
            for path in paths.chunks(problem.num_steps) {
                *counts.entry(path).or_default() += 1;
            }
            for (score, path) in &exact.paths {
                let p = (score - exact.marginal_loglik).exp();
                let got = *counts.get(path.as_slice()).unwrap_or(&0) as f64 / SAMPLES as f64;
                let deviation = (p * (1.0 - p) / SAMPLES as f64).sqrt();
                assert!(p < 1e-3 || (got - p).abs() <= 5.0 * deviation, "{label}: {path:?} {got} {p}");
            }
            let possible = |path: &[u32]| exact.paths.iter().any(|(_, p)| p == path);
            assert!(counts.keys().all(|path| possible(path)), "{label}");
        });
    }
}

//! Times a Gaussian hidden Markov model on one thread: `cargo run --release --example time_hmm`.

use std::time::Instant;

use statewise::data::Dataset;
use statewise::learn::Em;
use statewise::model::hmm::emission::EmissionSpec;
use statewise::model::hmm::{Hmm, HmmSpec, Start};
use statewise::params::{Array, Properties};
use statewise::{Seed, threads};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    threads::set_num_threads(1);
    for (k, dim, num_sequences, num_steps) in
        [(3, 2, 1, 100_000), (3, 2, 200, 1000), (16, 8, 100, 1000), (16, 8, 1, 100_000), (64, 8, 1, 20_000)]
    {
        let emission = serde_json::json!({"family": "gaussian", "num_states": k, "emission_dim": dim});
        let hmm = Hmm::new(HmmSpec::new(serde_json::from_value::<EmissionSpec>(emission)?))?;
        // Means two standard deviations apart, states that last ten steps.
        let means = (0..k * dim).map(|i| 4.0 * (1.7 * i as f64).sin()).collect();
        let stay = |i: usize| if i.is_multiple_of(k + 1) { 0.9 } else { 0.1 / (k - 1) as f64 };
        let given = [
            ("emissions.means".to_owned(), Array::new(&[k, dim], means)),
            ("emissions.covs".to_owned(), Array::identities(k, dim, 4.0)),
            (
                "transitions.transition_matrix".to_owned(),
                Array::new(&[k, k], (0..k * k).map(stay).collect()),
            ),
        ];
        let (params, _) = hmm.initialize(Start::Prior, Seed(0), &given)?;
        let sample = |n: u64| hmm.sample(&params, Seed(1), n, num_steps, &[]).map(|s| s.1);
        let rows = (0..num_sequences as u64).map(sample).collect::<Result<Vec<_>, _>>()?.concat();
        let data = Dataset::batch(rows, num_sequences, dim)?;
        let properties = Properties::trainable(hmm.schema());
        let em = Em { num_iters: 20, tolerance: None, prior: false };
        let case = format!("K={k} D={dim} {num_sequences}x{num_steps}");
        time(&format!("{case} log likelihood"), || hmm.marginal_log_prob(&params, &data).map(|x| x[0]))?;
        time(&format!("{case} smoother"), || hmm.smoother(&params, &data).map(|x| x.smoothed_probs[0]))?;
        time(&format!("{case} viterbi"), || hmm.most_likely_states(&params, &data).map(|x| x.1[0]))?;
        time(&format!("{case} 20 EM iterations"), || {
            em.fit(&hmm, &params, &properties, &data, &mut |_| true).map(|r| r.log_probs[19])
        })?;
    }
    Ok(())
}

/// Prints the shortest of some runs and an answer, so that the work can't be left out.
fn time(name: &str, mut run: impl FnMut() -> statewise::Result<f64>) -> statewise::Result<()> {
    let mut best = f64::INFINITY;
    let mut answer = 0.0;
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < 1.0 {
        let run_start = Instant::now();
        answer = run()?;
        best = best.min(run_start.elapsed().as_secs_f64());
    }
    println!("{name:36} {:10.3} ms  ({answer})", 1e3 * best);
    Ok(())
}

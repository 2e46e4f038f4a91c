//! One long sequence, its time shared out among threads.

use serde_json::json;
use statewise::data::Dataset;
use statewise::infer::Schedule;
use statewise::model::hmm::emission::EmissionSpec;
use statewise::model::hmm::{Hmm, HmmSpec, Start};
use statewise::{Seed, threads};

#[test]
fn every_schedule_smooths_alike_and_with_the_same_bits_on_one_thread_and_on_two() {
    let family = json!({"family": "gaussian", "num_states": 8, "emission_dim": 2});
    let hmm = Hmm::new(HmmSpec::new(serde_json::from_value::<EmissionSpec>(family).unwrap())).unwrap();
    let (params, _) = hmm.initialize(Start::Prior, Seed(2), &[]).unwrap();
    let (_, rows) = hmm.sample(&params, Seed(3), 0, 40_000, &[]).unwrap();
    let data = Dataset::single(rows, 2).unwrap();
    let reference = hmm.smoother(&params, &data).unwrap();
    for schedule in [Schedule::Sequential, Schedule::BothWays, Schedule::Scan, Schedule::Auto] {
        let run = |num_threads| {
            threads::set_num_threads(num_threads);
            hmm.parallel_smoother(&params, &data, schedule).unwrap()
        };
        let (one, two) = (run(1), run(2));
        assert_eq!(one, two, "{schedule:?}");
        let worst =
            one.0.iter().zip(&reference.smoothed_probs).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
        assert!(worst < 1e-10, "{schedule:?}: {worst:e}");
        assert!((one.1[0] - reference.marginal_loglik[0]).abs() < 1e-9 * one.1[0].abs(), "{schedule:?}");
    }
    threads::set_num_threads(0);
}

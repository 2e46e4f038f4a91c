//! What the discrete engines allocate.

use statewise_kernels::discrete::*;
use statewise_testkit::{CountingAllocator, allocated_bytes, allocations, random_problem};

#[global_allocator]
static COUNTER: CountingAllocator = CountingAllocator;

#[test]
fn a_second_call_allocates_nothing() {
    for k in [1, 3, 8, 9, 33] {
        let problem = random_problem(k, 500, 10.0, 1);
        let observations = LogObs { values: &problem.log_obs, num_states: k };
        let compute = |t: usize, out: &mut [f64]| out.copy_from_slice(problem.transition(t));
        for transitions in [
            Transitions::Static(&problem.matrix),
            Transitions::PerStep(&problem.transitions),
            Transitions::Computed(&compute),
        ] {
            let chain = Chain { initial: &problem.initial, transitions, observations: &observations };
            let mut ws = Workspace::default();
            let [mut rows, mut filtered, mut predicted] = [0, 1, 2].map(|_| vec![0.0; 500 * k]);
            let mut pair_sum = vec![0.0; k * k];
            let mut path = vec![0; 500];
            let mut paths = vec![0; 1500];
            let mut all = || {
                marginal_loglik(&chain, &mut ws).unwrap();
                filter(&chain, &mut ws, &mut filtered, Some(&mut predicted)).unwrap();
                let out = Smoothed {
                    smoothed: &mut rows,
                    filtered: Some(&mut filtered),
                    predicted: Some(&mut predicted),
                    pair_sum: Some(&mut pair_sum),
                };
                smooth(&chain, &mut ws, out).unwrap();
                expected_statistics(&chain, &mut ws, &mut pair_sum, &mut |_, _| {}).unwrap();
                pairwise(&chain, &mut ws, &mut |_, _| {}).unwrap();
                viterbi(&chain, &mut ws, &mut path).unwrap();
                sample_paths(&chain, &mut ws, 3, &mut || 0.3, &mut paths).unwrap();
                if let Transitions::Static(_) = transitions {
                    fixed_lag(&chain, &mut ws, 7, &mut rows).unwrap();
                }
            };
            all();
            assert_eq!(allocations(all), 0, "K={k}");
        }
    }
}

#[test]
fn online_updates_allocate_nothing() {
    let problem = random_problem(5, 50, 10.0, 1);
    let mut online = OnlineFilter::new(&problem.initial, 5).unwrap();
    let count = allocations(|| {
        for row in problem.log_obs.chunks(5) {
            online.update(Some(&problem.matrix), row).unwrap();
        }
    });
    assert_eq!(count, 0);
}

/// Likelihoods of a million steps that exist nowhere in memory.
struct Computed;

impl Observations for Computed {
    fn num_steps(&self) -> usize {
        1_000_000
    }

    fn num_states(&self) -> usize {
        3
    }

    fn log_likelihoods(&self, steps: std::ops::Range<usize>, out: &mut [f64]) {
        for (i, x) in out.iter_mut().enumerate() {
            *x = -(((steps.start * 3 + i) * 2_654_435_761 % 1000) as f64) / 200.0;
        }
    }
}

#[test]
fn a_million_steps_take_memory_like_their_square_root() {
    let a = [0.9, 0.05, 0.05, 0.1, 0.8, 0.1, 0.0, 0.1, 0.9];
    let chain =
        Chain { initial: &[0.3, 0.3, 0.4], transitions: Transitions::Static(&a), observations: &Computed };
    let mut evidence = [0.0; 2];
    let bytes = allocated_bytes(|| {
        evidence[0] = marginal_loglik(&chain, &mut Workspace::default()).unwrap();
    });
    assert!(bytes < 200_000, "marginal_loglik: {bytes} bytes");
    let mut seen = 0;
    let mut pair_sum = vec![0.0; 9];
    let bytes = allocated_bytes(|| {
        let mut visit = |_: std::ops::Range<usize>, gamma: &[f64]| seen += gamma.len() / 3;
        let ws = &mut Workspace::default();
        evidence[1] = expected_statistics(&chain, ws, &mut pair_sum, &mut visit).unwrap();
    });
    // The array of all γ would take 24 MB.
    assert!(bytes < 2_000_000, "expected_statistics: {bytes} bytes");
    assert_eq!(seen, 1_000_000);
    assert_eq!(evidence[0].to_bits(), evidence[1].to_bits());
    assert!((pair_sum.iter().sum::<f64>() - 999_999.0).abs() < 1e-5);
}

//! Covariances, means and smoothing allocate nothing when they are asked a second time, and the gradient
//! nothing in its loop over time.

mod gaussian_common;

use gaussian_common::{series, system};
use statewise_kernels::gaussian::{
    Adjoints, Gains, MeanRows, MeanScratch, MeanState, OnlineKalman, Riccati, Series, SmoothedRows,
    Smoothing, SystemGradient, advance_means, smooth_means,
};
use statewise_testkit::{CountingAllocator, GaussianShape, allocations, random_gaussian_problem};

#[global_allocator]
static COUNTER: CountingAllocator = CountingAllocator;

const NUM_STEPS: usize = 60;

/// (D, M, one entry per step): sizes with kernels of their own and without, more sensors than states.
const SIZES: [(usize, usize, bool); 6] =
    [(1, 1, false), (2, 1, true), (4, 2, false), (4, 2, true), (3, 5, false), (9, 3, true)];

#[test]
fn a_second_pass_over_a_series_allocates_nothing() {
    for (d, m, per_step) in SIZES {
        let shape = GaussianShape { missing: 0.2, offsets: true, per_step, ..Default::default() };
        let problem = random_gaussian_problem(d, m, NUM_STEPS, shape, 5);
        let (system, series) = (system(&problem), series(&problem));
        let (mut riccati, mut gains, mut smoothing) =
            (Riccati::default(), Gains::default(), Smoothing::default());
        let mut states = [vec![0.0; NUM_STEPS * d], vec![0.0; NUM_STEPS * d], vec![0.0; NUM_STEPS * d]];
        let mut emissions = [vec![0.0; NUM_STEPS * m], vec![0.0; NUM_STEPS * m]];
        let (mut scratch, mut adjoint) = (MeanScratch::default(), Vec::new());
        let mut gradient = SystemGradient::zeros(&system);
        let mut state = MeanState::start(system.initial_mean);
        let start = state.clone();
        let mut all = || {
            state.clone_from(&start);
            riccati.start(&system, system.initial_cov, true);
            riccati.advance(&system, series.emissions, 0..NUM_STEPS, &mut gains).unwrap();
            let [filtered, smoothed, r] = &mut states;
            let [innovations, u] = &mut emissions;
            let rows = MeanRows { predicted: &mut [], filtered, innovations };
            advance_means(&system, &series, 0..NUM_STEPS, &gains, &mut state, rows, &mut scratch).unwrap();
            smoothing.compute(&system, &gains, true);
            let rows =
                SmoothedRows { filtered, innovations, smoothed, state_adjoints: r, emission_adjoints: u };
            smooth_means(&system, &gains, rows, &mut adjoint);
        };
        let name = format!("D = {d}, M = {m}, one entry per step: {per_step}");
        all();
        assert_eq!(allocations(all), 0, "{name}");
        let ([_, smoothed, r], [_, u]) = (&states, &emissions);
        let count = allocations(|| {
            gradient.add_covariances(&system, &series, &gains, &smoothing, 1.0);
            gradient.add_means(&system, Adjoints { smoothed, states: r, emissions: u }, 1.0);
        });
        // Its scratch, once a call.
        assert!(count <= 6, "{name}: {count}");
    }
}

#[test]
fn steps_of_the_online_filter_allocate_nothing_once_it_runs() {
    for (d, m, per_step) in SIZES {
        let shape = GaussianShape { per_step, ..Default::default() };
        let problem = random_gaussian_problem(d, m, NUM_STEPS, shape, 6);
        let system = system(&problem);
        let mut filter = OnlineKalman::new(&system, true).unwrap();
        let mut rows = problem.emissions.chunks_exact(m);
        let mut step = || filter.step(&system, &Series::new(rows.next().unwrap())).unwrap();
        // The first steps size the buffers.
        let mut total: f64 = (0..3).map(|_| step()).sum();
        let count = allocations(|| total += (3..NUM_STEPS).map(|_| step()).sum::<f64>());
        assert!(total.is_finite());
        assert_eq!(count, 0, "D = {d}, M = {m}, one entry per step: {per_step}");
    }
}

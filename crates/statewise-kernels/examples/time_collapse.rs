//! Times filters on all observations against filters on collapsed ones: the minimum over repetitions, in
//! microseconds per step. "shared" has many series and one pattern, "alone" one series and gaps at random.
//!
//! `cargo run --release -p statewise-kernels --example time_collapse`

use std::hint::black_box;
use std::time::{Duration, Instant};

use statewise_kernels::gaussian::*;

const NUM_STEPS: usize = 200;
const NUM_SERIES: usize = 32;

struct Model {
    d: usize,
    m: usize,
    diagonal: bool,
    mean: Vec<f64>,
    unit: Vec<f64>,
    transition: Vec<f64>,
    emission: Vec<f64>,
    noise: Vec<f64>,
    /// \[N, T, M\].
    emissions: Vec<f64>,
}

impl Model {
    fn new(d: usize, m: usize, diagonal: bool, missing: f64) -> Self {
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let matrix = |n: usize, x: f64, y: f64| -> Vec<f64> {
            (0..n * n).map(|i| if i % (n + 1) == 0 { x } else { y / n as f64 }).collect()
        };
        let noise = if diagonal { vec![1.0; m] } else { matrix(m, 1.0, 0.5) };
        let mut value = || if random() < missing { f64::NAN } else { 4.0 * random() - 2.0 };
        Model {
            d,
            m,
            diagonal,
            mean: vec![0.0; d],
            unit: matrix(d, 1.0, 0.0),
            transition: matrix(d, 0.7, 0.2),
            emissions: (0..NUM_SERIES * NUM_STEPS * m).map(|_| value()).collect(),
            emission: (0..m * d).map(|_| 2.0 * random() - 1.0).collect(),
            noise,
        }
    }

    fn system(&self) -> System<'_> {
        let noise = Steps::fixed(&self.noise);
        System {
            state_dim: self.d,
            emission_dim: self.m,
            initial_mean: &self.mean,
            initial_cov: &self.unit,
            initial_diffuse: None,
            transition: Steps::fixed(&self.transition),
            transition_cov: Steps::fixed(&self.unit),
            emission: Steps::fixed(&self.emission),
            emission_cov: if self.diagonal { Noise::Diagonal(noise) } else { Noise::Full(noise) },
        }
    }

    fn series(&self, count: usize) -> impl Iterator<Item = Series<'_>> {
        self.emissions.chunks_exact(NUM_STEPS * self.m).take(count).map(Series::new)
    }
}

fn covariances(system: &System<'_>, pattern: &[f64]) -> Gains {
    let (mut riccati, mut gains) = (Riccati::default(), Gains::default());
    riccati.start(system, system.initial_cov, true);
    riccati.advance(system, pattern, 0..NUM_STEPS, &mut gains).unwrap();
    gains
}

fn evidence(system: &System<'_>, series: &Series<'_>, gains: &Gains, scratch: &mut MeanScratch) -> f64 {
    let mut state = MeanState::start(system.initial_mean);
    let rows = MeanRows::default();
    advance_means(system, series, 0..NUM_STEPS, gains, &mut state, rows, scratch).unwrap();
    state.marginal_loglik()
}

fn whole(model: &Model, count: usize) -> f64 {
    let system = model.system();
    let gains = covariances(&system, &model.emissions[..NUM_STEPS * model.m]);
    let mut scratch = MeanScratch::default();
    model.series(count).map(|series| evidence(&system, &series, &gains, &mut scratch)).sum()
}

fn collapsed(model: &Model, count: usize) -> f64 {
    let system = model.system();
    let mut collapse = Collapse::default();
    assert!(collapse.compute(&system, &model.emissions[..NUM_STEPS * model.m]));
    let small = collapse.system(&system);
    let gains = covariances(&small, collapse.pattern());
    let mut scratch = MeanScratch::default();
    let mut emissions = vec![0.0; NUM_STEPS * model.d];
    let mut one = |series: Series<'_>| {
        let rows = CollapsedRows { emissions: &mut emissions, residuals: &mut [] };
        let correction = collapse.emissions(&series, 0..NUM_STEPS, rows).unwrap();
        correction + evidence(&small, &Series::new(&emissions), &gains, &mut scratch)
    };
    model.series(count).map(&mut one).sum()
}

fn time(work: impl Fn() -> f64, steps: usize) -> (f64, f64) {
    let value = work();
    let mut best = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(400) {
        let run = Instant::now();
        black_box(work());
        best = best.min(run.elapsed());
    }
    (best.as_secs_f64() * 1e6 / steps as f64, value)
}

fn main() {
    println!("   D    M  R         pattern       all  collapsed  ratio");
    for (missing, count, name) in [(0.0, NUM_SERIES, "shared"), (0.2, 1, "alone")] {
        for diagonal in [true, false] {
            for d in [1, 2, 4, 16] {
                for m in [d + 1, 2 * d, 4 * d, 10 * d] {
                    let model = Model::new(d, m, diagonal, missing);
                    let (a, x) = time(|| whole(&model, count), count * NUM_STEPS);
                    let (b, y) = time(|| collapsed(&model, count), count * NUM_STEPS);
                    assert!((x - y).abs() < 1e-9 * x.abs(), "{x} against {y}");
                    let form = if diagonal { "diagonal" } else { "full" };
                    println!("{d:4} {m:4}  {form:9} {name:7} {a:9.3} {b:10.3} {:6.2}", a / b);
                }
            }
        }
    }
}

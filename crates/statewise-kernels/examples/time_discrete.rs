//! Times the discrete engines: minimum over repetitions of one thread's time, in milliseconds.
//!
//! `cargo run --release -p statewise-kernels --example time_discrete [name part]`

use std::hint::black_box;
use std::ops::Range;
use std::time::{Duration, Instant};

use statewise_kernels::discrete::*;

/// A reproducible chain with a heavier diagonal and log-likelihoods uniform in (−20, 0).
struct Instance {
    initial: Vec<f64>,
    matrix: Vec<f64>,
    log_obs: Vec<f64>,
}

fn instance(num_states: usize, num_steps: usize) -> Instance {
    let mut state = 7u64;
    let mut random = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut matrix = Vec::new();
    for i in 0..num_states {
        let row: Vec<f64> = (0..num_states).map(|j| random() + if i == j { 5.0 } else { 0.0 }).collect();
        let total: f64 = row.iter().sum();
        matrix.extend(row.iter().map(|x| x / total));
    }
    let initial = vec![1.0 / num_states as f64; num_states];
    let log_obs = (0..num_states * num_steps).map(|_| -20.0 * random()).collect();
    Instance { initial, matrix, log_obs }
}

/// Time that this thread has spent on a processor: other processes don't count.
#[cfg(target_os = "linux")]
fn thread_time() -> Duration {
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanoseconds: i64,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    }
    const THREAD_CPUTIME: i32 = 3;
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the C library writes one timespec, whose layout on 64-bit Linux is this one.
    unsafe { clock_gettime(THREAD_CPUTIME, &mut time) };
    Duration::new(time.seconds as u64, time.nanoseconds as u32)
}

/// Wall-clock time, where the thread's own is not to be had.
#[cfg(not(target_os = "linux"))]
fn thread_time() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
}

/// The shortest of many runs; on a shared machine it is the one that was not interrupted.
fn time(name: &str, num_states: usize, num_steps: usize, mut work: impl FnMut() -> f64) {
    let label = format!("{name} K={num_states} T={num_steps}");
    if let Some(part) = std::env::args().nth(1)
        && !label.contains(&part)
    {
        return;
    }
    let value = work();
    let mut best = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(700) {
        let run = thread_time();
        black_box(work());
        best = best.min(thread_time() - run);
    }
    let per_step = best.as_secs_f64() * 1e9 / num_steps as f64;
    println!("{label:40} {:8.3} ms {per_step:8.2} ns/step  ({value:.6})", best.as_secs_f64() * 1e3);
}

/// Likelihoods of symbols, looked up in a table: no array over all steps.
struct Categorical {
    symbols: Vec<u8>,
    log_table: Vec<f64>,
    table: Vec<f64>,
    shift: Vec<f64>,
    num_states: usize,
}

impl Categorical {
    fn new(num_states: usize, num_steps: usize) -> Self {
        let log_table = instance(num_states, 50).log_obs;
        let (mut table, mut shift) = (log_table.clone(), vec![0.0; 50]);
        statewise_kernels::math::exp_shifted_rows(&mut table, &mut shift);
        let symbols = (0..num_steps).map(|t| ((t * t * 31 + t) % 50) as u8).collect();
        Self { symbols, log_table, table, shift, num_states }
    }

    fn look_up(&self, table: &[f64], steps: Range<usize>, out: &mut [f64]) {
        let k = self.num_states;
        for (&y, row) in self.symbols[steps].iter().zip(out.chunks_exact_mut(k)) {
            row.copy_from_slice(&table[usize::from(y) * k..][..k]);
        }
    }
}

impl Observations for Categorical {
    fn num_steps(&self) -> usize {
        self.symbols.len()
    }

    fn num_states(&self) -> usize {
        self.num_states
    }

    fn log_likelihoods(&self, steps: Range<usize>, out: &mut [f64]) {
        self.look_up(&self.log_table, steps, out);
    }

    fn scaled_likelihoods(&self, steps: Range<usize>, out: &mut [f64], shift: &mut [f64]) {
        self.look_up(&self.table, steps.clone(), out);
        for (&y, shift) in self.symbols[steps].iter().zip(shift) {
            *shift = self.shift[usize::from(y)];
        }
    }
}

/// Times every engine on one chain.
fn time_engines(kind: &str, chain: &Chain<'_>) {
    let (k, num_steps) = (chain.observations.num_states(), chain.observations.num_steps());
    let mut ws = Workspace::default();
    let mut rows = vec![0.0; k * num_steps];
    let mut pair_sum = vec![0.0; k * k];
    let mut path = vec![0; num_steps];
    let (mut b, mut shift) = (vec![0.0; 256 * k], vec![0.0; 256]);
    let name = |engine: &str| format!("{kind}{engine}");
    time(&name("scaled likelihoods"), k, num_steps, || {
        for first in (0..num_steps - 255).step_by(256) {
            chain.observations.scaled_likelihoods(first..first + 256, &mut b, &mut shift);
        }
        b[0]
    });
    time(&name("marginal_loglik"), k, num_steps, || marginal_loglik(chain, &mut ws).unwrap());
    time(&name("filter"), k, num_steps, || filter(chain, &mut ws, &mut rows, None).unwrap());
    time(&name("smooth"), k, num_steps, || smooth(chain, &mut ws, Smoothed::only(&mut rows)).unwrap());
    time(&name("expected_statistics"), k, num_steps, || {
        let mut first = 0.0;
        let mut visit = |_, gamma: &[f64]| first += gamma[0];
        expected_statistics(chain, &mut ws, &mut pair_sum, &mut visit).unwrap()
    });
    time(&name("viterbi"), k, num_steps, || viterbi(chain, &mut ws, &mut path).unwrap());
}

fn main() {
    for (k, num_steps) in
        [(2, 100_000), (3, 100_000), (5, 100_000), (8, 1_000_000), (16, 100_000), (64, 20_000)]
    {
        let Instance { initial, matrix, log_obs } = instance(k, num_steps);
        let observations = LogObs { values: &log_obs, num_states: k };
        let transitions = Transitions::Static(&matrix);
        time_engines("", &Chain { initial: &initial, transitions, observations: &observations });
    }
    let (k, num_steps) = (8, 1_000_000);
    let Instance { initial, matrix, .. } = instance(k, 1);
    let observations = Categorical::new(k, num_steps);
    let transitions = Transitions::Static(&matrix);
    let chain = Chain { initial: &initial, transitions, observations: &observations };
    time_engines("categorical ", &chain);
    for k in [3, 16] {
        let Instance { initial, matrix, log_obs } = instance(k, 50_000);
        let observations = LogObs { values: &log_obs, num_states: k };
        let matrices = matrix.repeat(49_999);
        let transitions = Transitions::PerStep(&matrices);
        time_engines("per step ", &Chain { initial: &initial, transitions, observations: &observations });
        let mut left_right = vec![0.0; k * k];
        for i in 0..k {
            left_right[i * k + i] = if i + 1 < k { 0.999 } else { 1.0 };
            if i + 1 < k {
                left_right[i * k + i + 1] = 0.001;
            }
        }
        // Observations of a chain that goes through the states one after another.
        let mut log_obs = log_obs.clone();
        for (t, row) in log_obs.chunks_exact_mut(k).enumerate() {
            row[t * k / 50_000] *= 0.2;
        }
        let observations = LogObs { values: &log_obs, num_states: k };
        let transitions = Transitions::Static(&left_right);
        let chain = Chain { initial: &initial, transitions, observations: &observations };
        time_engines("left to right ", &chain);
    }
    let (k, num_steps) = (3, 200_000);
    let Instance { initial, matrix, log_obs } = instance(k, num_steps);
    let observations = LogObs { values: &log_obs, num_states: k };
    let transitions = Transitions::Static(&matrix);
    let chain = Chain { initial: &initial, transitions, observations: &observations };
    let mut ws = Workspace::default();
    let mut path = vec![0; num_steps];
    time("viterbi", k, num_steps, || viterbi(&chain, &mut ws, &mut path).unwrap());
}

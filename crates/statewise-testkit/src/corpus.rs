//! Small chains that between them reach every special case of the discrete engines.

/// A chain with at most a few thousand paths.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What is special about it.
    pub name: String,
    /// K.
    pub num_states: usize,
    /// T.
    pub num_steps: usize,
    /// π, shape \[K\].
    pub initial: Vec<f64>,
    /// A of the step into z_t at entry t-1, shape \[T-1, K, K\].
    pub transitions: Vec<f64>,
    /// Whether all matrices are the same (then `matrix` is that one).
    pub is_static: bool,
    /// The one matrix of a static chain, shape \[K, K\].
    pub matrix: Vec<f64>,
    /// log p(y_t | z_t = k), shape \[T, K\].
    pub log_obs: Vec<f64>,
    /// Whether any path explains the observations.
    pub possible: bool,
}

impl Problem {
    /// A chain with one matrix.
    pub fn fixed(name: &str, initial: &[f64], matrix: &[f64], log_obs: &[f64]) -> Self {
        let num_states = initial.len();
        let num_steps = log_obs.len() / num_states;
        Self {
            name: name.to_string(),
            num_states,
            num_steps,
            initial: initial.to_vec(),
            transitions: matrix.repeat(num_steps - 1),
            is_static: true,
            matrix: matrix.to_vec(),
            log_obs: log_obs.to_vec(),
            possible: true,
        }
    }

    /// A chain with one matrix a step.
    pub fn varying(name: &str, initial: &[f64], transitions: Vec<f64>, log_obs: &[f64]) -> Self {
        let mut problem = Self::fixed(name, initial, &[], log_obs);
        problem.transitions = transitions;
        problem.is_static = false;
        problem
    }

    /// The same chain, marked as having no path.
    pub fn impossible(self) -> Self {
        Self { possible: false, ..self }
    }

    /// A of the step into z_t, t ≥ 1.
    pub fn transition(&self, t: usize) -> &[f64] {
        let size = self.num_states * self.num_states;
        &self.transitions[(t - 1) * size..t * size]
    }
}

/// A reproducible chain: rows of A are random with a heavier diagonal, log-likelihoods are uniform
/// in (−`scale`, 0).
pub fn random_problem(num_states: usize, num_steps: usize, scale: f64, seed: u64) -> Problem {
    let mut random = generator(seed);
    let initial = simplex(num_states, None, &mut random);
    let rows = (0..num_states).flat_map(|i| simplex(num_states, Some(i), &mut random));
    let matrix: Vec<f64> = rows.collect();
    let log_obs: Vec<f64> = (0..num_steps * num_states).map(|_| -scale * random()).collect();
    Problem::fixed("random", &initial, &matrix, &log_obs)
}

/// A random point of the simplex, heavier at `favoured`.
fn simplex(len: usize, favoured: Option<usize>, random: &mut impl FnMut() -> f64) -> Vec<f64> {
    let weights: Vec<f64> =
        (0..len).map(|k| random() + 0.05 + if Some(k) == favoured { 1.0 } else { 0.0 }).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|w| w / total).collect()
}

/// SplitMix64, uniform in [0, 1).
pub(crate) fn generator(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = state;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The corpus on which every discrete engine is compared with enumeration.
pub fn corpus() -> Vec<Problem> {
    let mut all = ordinary();
    all.extend(extreme());
    all.extend(hopeless());
    all
}

/// log b_t(k) = sin(1 + t + 2k).
fn waves(num_steps: usize, num_states: usize) -> Vec<f64> {
    let cells = (0..num_steps * num_states).map(|i| (i / num_states, i % num_states));
    cells.map(|(t, k)| (1.0 + t as f64 + 2.0 * k as f64).sin()).collect()
}

/// A_ij ∝ 1 + ((3i + j + t) mod 4).
fn patterned(num_states: usize, t: usize) -> Vec<f64> {
    let mut a = Vec::new();
    for i in 0..num_states {
        let row: Vec<f64> = (0..num_states).map(|j| 1.0 + ((3 * i + j + t) % 4) as f64).collect();
        let total: f64 = row.iter().sum();
        a.extend(row.iter().map(|x| x / total));
    }
    a
}

fn ordinary() -> Vec<Problem> {
    let none = f64::NEG_INFINITY;
    let generic = [1.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0];
    let varying: Vec<f64> = (0..5).flat_map(|t| patterned(3, t)).collect();
    let mut holes = waves(6, 3);
    holes[4] = none;
    holes[9] = none;
    holes[10] = none;
    let cyclic = [0.0, 1.0, 0.0, 0.0, 0.5, 0.5, 1.0, 0.0, 0.0];
    let left_right = [0.7, 0.3, 0.0, 0.0, 0.6, 0.4, 0.0, 0.0, 1.0];
    let mixed: Vec<f64> = [cyclic, left_right].iter().cycle().take(5).flatten().copied().collect();
    vec![
        Problem::fixed("one state", &[1.0], &[1.0], &[-1.5, 0.25, -3.0, 2.0]),
        Problem::fixed("one step", &[0.2, 0.5, 0.3], &patterned(3, 0), &[-1.0, -2.0, -0.5]),
        Problem::fixed("one state, one step", &[1.0], &[1.0], &[-7.0]),
        Problem::fixed("generic", &generic, &patterned(3, 0), &waves(6, 3)),
        Problem::varying("time-varying", &generic, varying, &waves(6, 3)),
        Problem::fixed("zeros in the initial", &[0.0, 1.0, 0.0], &patterned(3, 1), &waves(6, 3)),
        Problem::fixed("cyclic", &generic, &cyclic, &waves(6, 3)),
        Problem::fixed("left to right", &[1.0, 0.0, 0.0], &left_right, &waves(6, 3)),
        Problem::varying("time-varying with zeros", &generic, mixed, &waves(6, 3)),
        Problem::fixed("impossible states", &generic, &patterned(3, 0), &holes),
        Problem::fixed("identity", &generic, &[1., 0., 0., 0., 1., 0., 0., 0., 1.], &waves(6, 3)),
        Problem::fixed("two states", &[0.5, 0.5], &[0.95, 0.05, 0.1, 0.9], &waves(9, 2)),
        Problem::fixed("five states", &[0.2; 5], &patterned(5, 2), &waves(5, 5)),
        Problem { name: "eight states".into(), ..random_problem(8, 4, 3.0, 11) },
        Problem { name: "nine states".into(), ..random_problem(9, 4, 3.0, 12) },
        Problem { name: "far apart".into(), ..random_problem(3, 6, 1000.0, 3) },
    ]
}

fn extreme() -> Vec<Problem> {
    let none = f64::NEG_INFINITY;
    let identity = [1.0, 0.0, 0.0, 1.0];
    let scaled = |factor: f64| -> Vec<f64> { waves(6, 3).iter().map(|x| factor * x).collect() };
    let generic = [1.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0];
    let rare = [1.0 - 1e-9, 1e-9, 1e-9, 1.0 - 1e-9];
    let left_right = [0.7, 0.3, 0.0, 0.0, 0.6, 0.4, 0.0, 0.0, 1.0];
    let alternating: Vec<f64> =
        [identity, [0.5, 0.5, 0.5, 0.5], identity, identity].into_iter().flatten().collect();
    vec![
        Problem::fixed("best reachable state", &[1.0, 0.0], &identity, &[0.0, 0.0, -800.0, 0.0]),
        Problem::fixed("unreachable from the start", &[1.0, 0.0], &identity, &[-900.0, 0.0]),
        Problem::fixed(
            "rare transition",
            &[1.0 - 1e-12, 1e-12],
            &rare,
            &[0.0, 0.0, -60.0, 0.0, -60.0, 0.0],
        ),
        Problem::fixed("scale +1000", &generic, &patterned(3, 0), &scaled(1000.0)),
        Problem::fixed("scale -1000", &generic, &left_right, &scaled(-1000.0)),
        Problem::fixed("lost and found", &[0.5, 0.5], &identity, &[0.0, -800.0, -1600.0, 0.0, -3.0, -1.0]),
        Problem::fixed(
            "lost, then worn down",
            &[0.5, 0.5],
            &identity,
            &[0., -800., -160., 0., -160., 0., -160., 0., -160., 0., -160., 0., -161., 0.],
        ),
        Problem::varying(
            "lost, then mixed",
            &[0.5, 0.5],
            alternating,
            &[0.0, -800.0, -700.0, 0.0, 0.0, -900.0, -300.0, 0.0, -900.0, 0.0],
        ),
        Problem::fixed(
            "best where nothing leads",
            &[0.0, 1.0, 0.0],
            &[0.5, 0.0, 0.5, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0],
            &[
                none, 0., none, 0., none, none, -41., none, 0., -690., 0., -1417., 0., none, none, none,
                none, 0.,
            ],
        ),
        Problem::fixed(
            "best where nothing leads, backwards",
            &[1.0 / 3.0; 3],
            &[0.5, 0.5, 0.0, 0.4, 0.6, 0.0, 0.0, 1.0, 0.0],
            &[none, 0., none, none, -701.5, -11.8, -30., -31., 0., -30., -32., 0., 0., none, none],
        ),
        Problem::fixed(
            "nearly impossible transition",
            &[0.5, 0.5],
            &[1.0, 1e-307, 0.5, 0.5],
            &[0.0, -800.0, 0.0, 0.0, -900.0, 0.0, -900.0, 0.0],
        ),
        Problem::fixed("denormal", &[1.0, 5e-324], &identity, &[0.0, 0.0, -700.0, 0.0, 0.0, 0.0]),
        Problem::fixed("negative zero", &[1.0, -0.0], &[1.0, -0.0, -0.0, 1.0], &[-0.0, 0.0, -1.0, 0.0]),
    ]
}

fn hopeless() -> Vec<Problem> {
    let none = f64::NEG_INFINITY;
    let identity = [1.0, 0.0, 0.0, 1.0];
    vec![
        Problem::fixed("unreachable", &[1.0, 0.0], &identity, &[0.0, 0.0, none, 0.0]).impossible(),
        Problem::fixed("all impossible", &[0.5, 0.5], &[0.5; 4], &[0., 0., none, none]).impossible(),
        Problem::fixed("impossible at once", &[1.0, 0.0], &[0.5; 4], &[none, 0., 0., 0.]).impossible(),
    ]
}

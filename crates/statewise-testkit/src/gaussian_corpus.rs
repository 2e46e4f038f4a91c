//! Small linear Gaussian models that between them reach every special case of the Gaussian engines.
//!
//! Singular covariances have entries that are exact in binary, so that they are singular in truth.

use crate::corpus::generator;
use crate::gaussian_problem::diagonal;
use crate::{GaussianProblem, GaussianSteps};

/// What a random model looks like beyond its sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GaussianShape {
    /// Whether each step has its own F, b, Q, H, d and R.
    pub per_step: bool,
    /// Whether b and d are not zero.
    pub offsets: bool,
    /// Whether R is a diagonal.
    pub diagonal_noise: bool,
    /// Probability that an entry of y is missing.
    pub missing: f64,
}

/// A reproducible model: F is a random matrix with rows of absolute sum 0.95, covariances are A Aᵀ/D + 0.1 I, H and
/// offsets uniform in (−1, 1), y uniform in (−3, 3).
pub fn random_gaussian_problem(
    state_dim: usize,
    emission_dim: usize,
    num_steps: usize,
    shape: GaussianShape,
    seed: u64,
) -> GaussianProblem {
    let (d, m) = (state_dim, emission_dim);
    let mut uniform = generator(seed);
    let mut signed = move || 2.0 * uniform() - 1.0;
    let offset = if shape.offsets { 1.0 } else { 0.0 };
    let initial_mean = vector(d, &mut signed);
    let initial_cov = covariance(d, &mut signed);
    let mut sets: [Vec<Vec<f64>>; 6] = Default::default();
    for _ in 0..if shape.per_step { num_steps } else { 1 } {
        sets[0].push(contraction(d, &mut signed));
        sets[1].push(vector(d, &mut signed).iter().map(|x| offset * x).collect());
        sets[2].push(covariance(d, &mut signed));
        sets[3].push(vector(m * d, &mut signed));
        sets[4].push(vector(m, &mut signed).iter().map(|x| offset * x).collect());
        let noise = covariance(m, &mut signed);
        let variances: Vec<f64> = noise.iter().step_by(m + 1).copied().collect();
        sets[5].push(if shape.diagonal_noise { variances } else { noise });
    }
    if shape.per_step {
        sets[0][0].fill(GaussianProblem::UNREAD);
        sets[1][0].fill(GaussianProblem::UNREAD);
        sets[2][0] = diagonal(&vec![GaussianProblem::UNREAD; d]);
    }
    let steps = |sets: &[Vec<f64>]| match shape.per_step {
        true => GaussianSteps::per_step(sets),
        false => GaussianSteps::fixed(&sets[0]),
    };
    let mut entry = || {
        let (value, fate) = (3.0 * signed(), 0.5 * (signed() + 1.0));
        if fate < shape.missing { f64::NAN } else { value }
    };
    GaussianProblem {
        name: format!("random, D={d} M={m} T={num_steps} seed {seed}, {shape:?}"),
        state_dim,
        emission_dim,
        num_steps,
        initial_mean,
        initial_cov,
        initial_diffuse: None,
        transition: steps(&sets[0]),
        transition_offset: steps(&sets[1]),
        transition_cov: steps(&sets[2]),
        emission: steps(&sets[3]),
        emission_offset: steps(&sets[4]),
        emission_cov: steps(&sets[5]),
        diagonal_noise: shape.diagonal_noise,
        emissions: (0..num_steps * m).map(|_| entry()).collect(),
    }
}

fn vector(len: usize, signed: &mut impl FnMut() -> f64) -> Vec<f64> {
    (0..len).map(|_| signed()).collect()
}

fn covariance(size: usize, signed: &mut impl FnMut() -> f64) -> Vec<f64> {
    let a = vector(size * size, signed);
    let row = |i: usize| &a[i * size..(i + 1) * size];
    let entry = |i: usize, j: usize| {
        let dot: f64 = row(i).iter().zip(row(j)).map(|(x, y)| x * y).sum();
        dot / size as f64 + if i == j { 0.1 } else { 0.0 }
    };
    (0..size * size).map(|cell| entry(cell / size, cell % size)).collect()
}

fn contraction(size: usize, signed: &mut impl FnMut() -> f64) -> Vec<f64> {
    let mut a = vector(size * size, signed);
    for row in a.chunks_exact_mut(size) {
        let total: f64 = row.iter().map(|x| x.abs()).sum();
        row.iter_mut().for_each(|x| *x *= 0.95 / total);
    }
    a
}

/// The corpus on which every Gaussian engine is compared with dense elimination: proper starts.
pub fn gaussian_corpus() -> Vec<GaussianProblem> {
    let mut all = ordinary();
    all.extend(with_missing_entries());
    all.extend(singular());
    all
}

/// One random model per combination of sizes, time and form of R.
fn ordinary() -> Vec<GaussianProblem> {
    let sizes = [(1, 1), (2, 1), (3, 2), (4, 4), (5, 3), (9, 4), (1, 3), (2, 4)];
    let mut all = Vec::new();
    for (case, (d, m)) in sizes.into_iter().enumerate() {
        for num_steps in [1, 2, 8] {
            for per_step in [false, true] {
                let diagonal_noise = (case + num_steps + usize::from(per_step)).is_multiple_of(2);
                let shape = GaussianShape { per_step, offsets: true, diagonal_noise, missing: 0.0 };
                all.push(random_gaussian_problem(d, m, num_steps, shape, 100 + case as u64));
            }
        }
    }
    all.push(random_gaussian_problem(3, 2, 8, GaussianShape::default(), 120).named("no offsets"));
    all
}

fn with_missing_entries() -> Vec<GaussianProblem> {
    let base = |per_step, diagonal_noise| {
        let shape = GaussianShape { per_step, offsets: true, diagonal_noise, missing: 0.0 };
        random_gaussian_problem(3, 3, 8, shape, 200 + u64::from(per_step) + 2 * u64::from(diagonal_noise))
    };
    let mut all = Vec::new();
    for (per_step, diagonal_noise) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut add = |name: &str, problem: GaussianProblem| {
            let form = format!("{name} missing, per step: {per_step}, diagonal R: {diagonal_noise}");
            all.push(problem.named(&form));
        };
        let start = || base(per_step, diagonal_noise);
        add("entry", start().missing(&[(3, 1)]));
        add("entries", start().missing(&[(0, 0), (2, 1), (2, 2), (5, 0), (7, 2)]));
        add("row", start().missing_rows(&[4]));
        add("first row", start().missing_rows(&[0]));
        add("last row", start().missing_rows(&[7]));
        add("gap", start().missing_rows(&[2, 3, 4, 5]).missing(&[(6, 0)]));
        add("everything", start().missing_rows(&[0, 1, 2, 3, 4, 5, 6, 7]));
    }
    let shape = GaussianShape { offsets: true, missing: 0.4, ..Default::default() };
    all.push(random_gaussian_problem(2, 4, 8, shape, 220).named("random entries missing, M > D"));
    let static_model = random_gaussian_problem(2, 2, 4, GaussianShape::default(), 221);
    all.push(static_model.extended(4).named("forecast"));
    all
}

/// F of a damped rotation in two dimensions.
const ROTATION: [f64; 4] = [0.875, 0.25, -0.25, 0.875];
const NO_NOISE: [f64; 4] = [0.0; 4];
const UNIT: [f64; 4] = [1.0, 0.0, 0.0, 1.0];
/// g gᵀ with g = (1, ½).
const RANK_ONE: [f64; 4] = [1.0, 0.5, 0.5, 0.25];

/// y_t(i) = 2 sin(1 + t + 2i).
fn waves(num_steps: usize, emission_dim: usize) -> Vec<f64> {
    let cells = (0..num_steps * emission_dim).map(|i| (i / emission_dim, i % emission_dim));
    cells.map(|(t, i)| 2.0 * (1.0 + t as f64 + 2.0 * i as f64).sin()).collect()
}

fn singular() -> Vec<GaussianProblem> {
    let start: (&[f64], &[f64]) = (&[0.5, -1.0], &[2.0, 0.5, 0.5, 1.0]);
    let known: (&[f64], &[f64]) = (&[0.5, -1.0], &NO_NOISE);
    let walk: (&[f64], &[f64]) = (&ROTATION, &UNIT);
    let still: (&[f64], &[f64]) = (&ROTATION, &NO_NOISE);
    let one: (&[f64], &[f64]) = (&ROTATION, &RANK_ONE);
    let seen: (&[f64], &[f64]) = (&[1.0, 0.5], &[0.5]);
    let both: (&[f64], &[f64]) = (&UNIT, &[0.5, 0.25, 0.25, 1.0]);
    let exact: (&[f64], &[f64]) = (&[1.0, 0.5], &[0.0]);
    let half_exact: (&[f64], &[f64]) = (&[1.0, 0.5, 0.0, 1.0], &[0.0, 0.0, 0.0, 1.0]);
    let nearly: (&[f64], &[f64]) = (&UNIT, &[1e-12, 0.0, 0.0, 1e-12]);
    let lopsided: (&[f64], &[f64]) = (&UNIT, &[1e-12, 0.0, 0.0, 1.0]);
    let correlated: (&[f64], &[f64]) = (&UNIT, &RANK_ONE);
    let twins: (&[f64], &[f64]) = (&[0.75, 0.0, 0.0, 0.75], &[1.0, 1.0, 1.0, 1.0]);
    let twin_start: (&[f64], &[f64]) = (&[0.25, 0.25], &[2.0, 2.0, 2.0, 2.0]);
    let (single, double) = (waves(8, 1), waves(8, 2));
    let fixed = GaussianProblem::fixed;
    let slow: (&[f64], &[f64]) = (&[1.0, 1.0, 0.0, 1.0], &[0.0, 0.0, 0.0, 0.0625]);
    let nilpotent: (&[f64], &[f64]) = (&[0.0, 1.0, 0.0, 0.0], &RANK_ONE);
    let certain = (0..8).map(|t| if t % 2 == 0 { 1.0 } else { -0.5 }).collect::<Vec<f64>>();
    let swap: (&[f64], &[f64]) = (&[0.0, 1.0, 1.0, 0.0], &NO_NOISE);
    vec![
        fixed("Q = 0", start, still, seen, &single),
        fixed("P = 0", known, walk, both, &double),
        fixed("P = 0, Q = 0", known, still, both, &double),
        fixed("Q of rank one", start, one, seen, &single),
        fixed("Q of rank one, P = 0", known, one, both, &double),
        fixed("F singular, Q of rank one", start, nilpotent, seen, &single),
        fixed("local linear trend with a smooth level", start, slow, (&[1.0, 0.0], &[0.5]), &single),
        fixed("R = 0", start, walk, exact, &single),
        fixed("R = 0, Q of rank one", start, one, exact, &single),
        fixed("R = 0, some missing", start, walk, exact, &single).missing_rows(&[0, 3, 4]),
        fixed("R with a zero variance", start, walk, half_exact, &double),
        fixed("R with a zero variance, entries missing", start, one, half_exact, &double).missing(&[
            (1, 0),
            (2, 1),
            (5, 0),
            (5, 1),
        ]),
        fixed("R of rank one", start, walk, correlated, &double),
        fixed("R = 1e-12", start, walk, nearly, &double),
        fixed("R = 1e-12 in one entry", start, walk, lopsided, &double),
        fixed("R = 1e-12 in one entry, Q of rank one", start, one, lopsided, &double),
        fixed("twin states", twin_start, twins, (&[1.0, 1.0], &[0.5]), &single),
        fixed("twin states, one seen", twin_start, twins, (&[1.0, 0.0], &[0.5]), &single),
        fixed("an unseen state", start, walk, (&[1.0, 0.0], &[0.5]), &single),
        fixed("nothing seen: H = 0", start, walk, (&[0.0, 0.0], &[0.5]), &single),
        fixed("determined by the start", (&[1.0, -0.5], &NO_NOISE), swap, (&[1.0, 0.0], &[0.0]), &certain),
        fixed(
            "P of rank one, determined by y_1",
            (&[0.0, 0.0], &RANK_ONE),
            swap,
            (&[1.0, 0.0], &[0.0]),
            &{ [1.0, 0.5].repeat(4) },
        ),
    ]
}

/// Models whose observations contradict them: probability zero.
pub fn gaussian_contradictions() -> Vec<GaussianProblem> {
    let swap: (&[f64], &[f64]) = (&[0.0, 1.0, 1.0, 0.0], &NO_NOISE);
    let exact: (&[f64], &[f64]) = (&[1.0, 0.0], &[0.0]);
    vec![
        GaussianProblem::fixed("at once", (&[1.0, -0.5], &NO_NOISE), swap, exact, &[2.0, -0.5]),
        GaussianProblem::fixed("later", (&[0.0, 0.0], &RANK_ONE), swap, exact, &[1.0, 0.5, 1.0, 0.75]),
    ]
}

/// Models with a diffuse start; all but the last two have observations that pin it down.
pub fn diffuse_gaussian_corpus() -> Vec<GaussianProblem> {
    let zero: (&[f64], &[f64]) = (&[0.0, 0.0], &NO_NOISE);
    let partly: (&[f64], &[f64]) = (&[0.0, 1.0], &[0.0, 0.0, 0.0, 2.0]);
    let trend: (&[f64], &[f64]) = (&[1.0, 1.0, 0.0, 1.0], &[0.5, 0.0, 0.0, 0.25]);
    let walk: (&[f64], &[f64]) = (&ROTATION, &UNIT);
    let level: (&[f64], &[f64]) = (&[1.0, 0.0], &[0.5]);
    let both: (&[f64], &[f64]) = (&UNIT, &[0.5, 0.25, 0.25, 1.0]);
    let many: (&[f64], &[f64]) =
        (&[1.0, 0.0, 1.0, 0.0, 1.0, 1.0], &[0.5, 0.0, 0.0, 0.0, 0.25, 0.0, 0.0, 0.0, 1.0]);
    let (single, double, triple) = (waves(8, 1), waves(8, 2), waves(8, 3));
    let fixed = GaussianProblem::fixed;
    let local_level =
        || fixed("local level", (&[0.0], &[0.0]), (&[1.0], &[0.5]), (&[1.0], &[1.0]), &single);
    let one_state = [1.0, 0.0, 0.0, 0.0];
    let shape = GaussianShape { offsets: true, ..Default::default() };
    let random = |m, missing, seed| {
        random_gaussian_problem(3, m, 8, GaussianShape { missing, diagonal_noise: true, ..shape }, seed)
    };
    let varying = GaussianShape { per_step: true, offsets: true, ..Default::default() };
    let three = diagonal(&[1.0; 3]);
    vec![
        local_level().diffuse(&[1.0]),
        local_level().diffuse(&[4.0]).named("local level, P∞ = 4"),
        local_level().diffuse(&[1.0]).missing_rows(&[0, 1, 4]).named("local level, missing at the start"),
        fixed("local linear trend", zero, trend, level, &single).diffuse(&UNIT),
        fixed("local linear trend, gaps", zero, trend, level, &single)
            .diffuse(&UNIT)
            .missing_rows(&[1, 2, 6]),
        fixed("trend with a proper slope", partly, trend, level, &single).diffuse(&one_state),
        fixed("stationary dynamics, diffuse all the same", zero, walk, level, &single).diffuse(&UNIT),
        fixed("both seen at once", zero, walk, both, &double).diffuse(&UNIT),
        fixed("one diffuse state, both seen", partly, walk, both, &double).diffuse(&one_state),
        fixed("a diffuse direction", zero, walk, both, &double).diffuse(&RANK_ONE),
        fixed("M > D", zero, walk, many, &triple).diffuse(&UNIT),
        fixed("M > D, entries missing at the start", zero, walk, many, &triple).diffuse(&UNIT).missing(&[
            (0, 0),
            (0, 2),
            (1, 0),
            (1, 1),
            (3, 2),
        ]),
        fixed("R = 0", zero, trend, (&[1.0, 0.0], &[0.0]), &single).diffuse(&UNIT),
        fixed("Q = 0: a regression line", zero, (trend.0, &NO_NOISE), level, &single).diffuse(&UNIT),
        random(2, 0.0, 300).diffuse(&three).named("random with offsets"),
        random(2, 0.3, 301).diffuse(&three).named("random with offsets, entries missing"),
        random(1, 0.0, 302).diffuse(&three).named("random with offsets, M = 1"),
        random_gaussian_problem(3, 2, 8, varying, 303).diffuse(&three).named("random, per step"),
        fixed("an unseen diffuse state", zero, (&UNIT, &UNIT), level, &single).diffuse(&UNIT),
        local_level().diffuse(&[1.0]).missing_rows(&[0, 1, 2, 3, 4, 5, 6, 7]).named("nothing observed"),
    ]
}

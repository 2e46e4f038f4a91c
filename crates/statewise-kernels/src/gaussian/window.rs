//! Fixed-lag smoothing: the backward pass over the last few steps of an online filter.
//!
//! E(z_s | y_{1:t}) and Cov(z_s | y_{1:t}) for s = t−L..t, from the gains and innovations of these steps.

use super::diffuse::{DiffuseTable, Directions};
use super::gains::Gains;
use super::small::{add, add_outer, inner};
use super::smoothed_means::{SmoothedRows, smooth_means};
use super::smoothing::Smoothing;
use super::system::{Steps, System};

/// An entry of a state that an open direction moves by less than this share of all columns is rounding.
const OPEN: f64 = 1e-11;

/// What a window keeps of a step.
#[derive(Clone, Copy, Debug)]
pub struct WindowStep<'a> {
    /// Its covariances and gains, as a table of one step.
    pub gains: &'a Gains,
    /// A_t, \[D, D\]; of the window's first step not read.
    pub transition: &'a [f64],
    /// E(z_t | y_{1:t}), \[D\].
    pub filtered: &'a [f64],
    /// w_t, \[M\].
    pub innovation: &'a [f64],
    /// Where a diffuse start counted: the table of this one step, and what was known after it. Means and
    /// innovations are then those given δ = 0.
    pub diffuse: Option<(&'a DiffuseTable, &'a Directions)>,
}

/// Moments of the states of a window given all observations up to its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SmoothedWindow {
    /// E(z_s | y_{1:t}), \[L + 1, D\].
    pub means: Vec<f64>,
    /// Cov(z_s | y_{1:t}), \[L + 1, D, D\].
    pub covs: Vec<f64>,
    /// Cov(z_s, z_{s+1} | y_{1:t}), \[L, D, D\]; rows are z_s.
    pub lag_one_covs: Vec<f64>,
}

/// Smooths a window of at least one step, oldest first. O(L D³) time.
///
/// With a diffuse start, `known` is what is known of it at the end of the window, and its estimate; smoothed
/// covariances are infinite where an open direction moves them.
pub fn smooth_window(
    system: &System<'_>,
    steps: &[WindowStep<'_>],
    known: Option<(&Directions, &[f64])>,
) -> SmoothedWindow {
    let mut out = SmoothedWindow::default();
    let Some(first) = steps.first() else { return out };
    let mut gains = Gains::default();
    gains.clear(first.gains.layout, 0);
    let mut transitions = Vec::with_capacity(steps.len() * first.transition.len());
    let (mut filtered, mut innovations) = (Vec::new(), Vec::new());
    for step in steps {
        gains.append_step(step.gains);
        transitions.extend_from_slice(step.transition);
        filtered.extend_from_slice(step.filtered);
        innovations.extend_from_slice(step.innovation);
    }
    let (d, len) = (system.state_dim, first.transition.len());
    let alike = steps.len() < 2 || steps[1..].iter().all(|step| step.transition == steps[1].transition);
    let transition = if alike {
        Steps::fixed(&transitions[transitions.len() - len..])
    } else {
        Steps::per_step(&transitions, len)
    };
    let window = System { transition, ..*system };
    let mut smoothing = Smoothing::default();
    smoothing.compute(&window, &gains, true);
    for s in 0..steps.len() {
        out.covs.extend_from_slice(smoothing.cov(s));
        if s + 1 < steps.len() {
            out.lag_one_covs.extend_from_slice(smoothing.lag_one_cov(s));
        }
    }
    let smooth = |filtered: &[f64], innovations: &[f64]| {
        let mut smoothed = vec![0.0; steps.len() * d];
        let rows = SmoothedRows {
            filtered,
            innovations,
            smoothed: &mut smoothed,
            state_adjoints: &mut [],
            emission_adjoints: &mut [],
        };
        smooth_means(&window, &gains, rows, &mut Vec::new());
        smoothed
    };
    if let Some((directions, estimate)) = known.filter(|_| steps.iter().any(|step| step.diffuse.is_some()))
    {
        let rank = directions.rank();
        let (mut open, mut units) = (Vec::new(), vec![[Vec::new(), Vec::new()]; rank]);
        for (s, step) in steps.iter().enumerate() {
            let [states, own_open, white] = step.moved(directions, d);
            for j in 0..rank {
                let column =
                    |rows: &[f64]| rows.iter().skip(j).step_by(rank).copied().collect::<Vec<f64>>();
                let (state, white) = (column(&states), column(&white));
                add(&mut filtered[s * d..(s + 1) * d], estimate[j], &state);
                let m = white.len();
                add(&mut innovations[s * m..(s + 1) * m], -estimate[j], &white);
                units[j][0].extend(state);
                units[j][1].extend(white.iter().map(|x| -x));
            }
            open.push(own_open);
        }
        for [filtered, innovations] in &units {
            let moved = smooth(filtered, innovations);
            for s in 0..steps.len() {
                let now = &moved[s * d..(s + 1) * d];
                add_outer(&mut out.covs[s * d * d..(s + 1) * d * d], 1.0, now, now);
                if s + 1 < steps.len() {
                    let next = &moved[(s + 1) * d..(s + 2) * d];
                    add_outer(&mut out.lag_one_covs[s * d * d..(s + 1) * d * d], 1.0, now, next);
                }
            }
        }
        for (s, now) in open.iter().enumerate() {
            mark(now, now, d, &mut out.covs[s * d * d..(s + 1) * d * d]);
            if let Some(next) = open.get(s + 1) {
                mark(now, next, d, &mut out.lag_one_covs[s * d * d..(s + 1) * d * d]);
            }
        }
    }
    out.means = smooth(&filtered, &innovations);
    out
}

impl WindowStep<'_> {
    /// How its filtered states and standardised innovations move with δ, over the columns of today: states
    /// per unit \[D, rank\], states per open direction, and what innovations lose per unit \[M, rank\].
    fn moved(&self, directions: &Directions, d: usize) -> [Vec<f64>; 3] {
        let (rank, m) = (directions.rank(), self.innovation.len());
        let zero = || [vec![0.0; d * rank], Vec::new(), vec![0.0; m * rank]];
        let Some((table, then)) = self.diffuse else { return zero() };
        let [states, mut open] = directions.states_of(then);
        if states.is_empty() && open.is_empty() {
            return zero();
        }
        let white = directions.innovations_of(then, table.white(table.range().start));
        // NUMERICS: what an entry moves by beside its other columns may be rounding.
        let width = open.len() / d;
        for (i, row) in open.chunks_exact_mut(width.max(1)).enumerate() {
            let known = then.row_norm(i);
            row.iter_mut().filter(|x| x.abs() <= OPEN * known).for_each(|x| *x = 0.0);
        }
        [states, open, white]
    }
}

/// Makes entries infinite that open directions move.
fn mark(now: &[f64], next: &[f64], d: usize, out: &mut [f64]) {
    let (width, other) = (now.len() / d, next.len() / d);
    if width == 0 || width != other {
        return;
    }
    for (ij, out) in out.iter_mut().enumerate() {
        let (a, b) = (&now[ij / d * width..][..width], &next[ij % d * width..][..width]);
        let open = inner(a, b);
        if open != 0.0 {
            *out = f64::INFINITY.copysign(open);
        }
    }
}

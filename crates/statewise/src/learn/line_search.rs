//! A line search for the Wolfe conditions.
//!
//! φ(a) = f(x + a d):  φ(a) ≤ φ(0) + c₁ a φ'(0)  and  φ'(a) ≥ c₂ φ'(0)  (strong: |φ'(a)| ≤ −c₂ φ'(0))

/// c₁: share of the first slope that a step must gain.
const DECREASE: f64 = 1e-4;
/// c₂: share of the first slope that may be left after it.
const CURVATURE: f64 = 0.9;
/// Trials at most; then the best descent met is taken.
const MAX_TRIALS: usize = 40;

/// A point on the ray, with the function there.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    /// x + a d.
    pub(super) point: Vec<f64>,
    /// φ(a).
    pub(super) value: f64,
    /// ∇f(x + a d).
    pub(super) gradient: Vec<f64>,
    /// φ'(a).
    slope: f64,
}

/// Searches along `direction` from a point with this `value` and `gradient`.
///
/// * `first_step` – the step tried first.
/// * `strong` – whether a slope that rises too steeply is refused too.
///
/// The bracket keeps a lower end that gains enough but is still steep, and an upper end that gains
/// too little, is not a number, or (strong) rises; some Wolfe point lies between. A non-finite
/// trial halves the step; else the next is the minimiser of the cubic through both ends. `None`
/// when no trial gained enough: the direction does not descend, or rounding hides that it does.
///
/// # Source
/// Nocedal and Wright (2006), algorithms 3.5 and 3.6; the bracketing of Lewis and Overton (2013).
pub(super) fn search(
    x: &[f64],
    value: f64,
    gradient: &[f64],
    direction: &[f64],
    first_step: f64,
    strong: bool,
    f: &mut dyn FnMut(&[f64], &mut [f64]) -> f64,
) -> Option<Trial> {
    let start_slope = dot(gradient, direction);
    let mut low = End { step: 0.0, value, slope: start_slope };
    let mut high: Option<End> = None;
    let mut best: Option<Trial> = None;
    let mut step = first_step;
    for _ in 0..MAX_TRIALS {
        let trial = evaluate(x, direction, step, f);
        let end = End { step, value: trial.value, slope: trial.slope };
        // `!(a <= b)` also sends NaN back.
        let gains = trial.is_finite() && trial.value <= value + DECREASE * step * start_slope;
        if !gains {
            high = Some(end);
        } else if trial.slope < CURVATURE * start_slope {
            low = end;
            keep_lower(&mut best, trial);
        } else if strong && trial.slope > -CURVATURE * start_slope {
            high = Some(end);
            keep_lower(&mut best, trial);
        } else {
            return Some(trial);
        }
        step = next_step(low, high);
        if !(step.is_finite() && (step - low.step).abs() > 1e-15 * step) {
            break;
        }
    }
    best
}

/// One end of the bracket.
#[derive(Clone, Copy)]
struct End {
    step: f64,
    value: f64,
    slope: f64,
}

impl Trial {
    fn is_finite(&self) -> bool {
        self.value.is_finite() && self.gradient.iter().all(|g| g.is_finite())
    }
}

fn evaluate(
    x: &[f64],
    direction: &[f64],
    step: f64,
    f: &mut dyn FnMut(&[f64], &mut [f64]) -> f64,
) -> Trial {
    let point: Vec<f64> = x.iter().zip(direction).map(|(x, d)| x + step * d).collect();
    let mut gradient = vec![0.0; x.len()];
    let value = f(&point, &mut gradient);
    let slope = dot(&gradient, direction);
    Trial { point, value, gradient, slope }
}

fn keep_lower(best: &mut Option<Trial>, trial: Trial) {
    if best.as_ref().is_none_or(|b| trial.value <= b.value) {
        *best = Some(trial);
    }
}

/// Doubles while there is no upper end; then the cubic's minimiser, kept off the ends so that the
/// bracket shrinks by at least a tenth.
fn next_step(low: End, high: Option<End>) -> f64 {
    let Some(high) = high else { return 2.0 * low.step };
    let width = high.step - low.step;
    let cubic = cubic_minimiser(low, high).filter(|s| s.is_finite());
    match cubic {
        Some(step) => step.clamp(low.step + 0.1 * width, high.step - 0.1 * width),
        None => low.step + 0.5 * width,
    }
}

/// The minimiser of the cubic with the values and slopes of both ends; `None` where there is none.
fn cubic_minimiser(low: End, high: End) -> Option<f64> {
    if !(high.value.is_finite() && high.slope.is_finite()) {
        return None;
    }
    let width = high.step - low.step;
    let d1 = low.slope + high.slope - 3.0 * (high.value - low.value) / width;
    let discriminant = d1 * d1 - low.slope * high.slope;
    if discriminant < 0.0 {
        return None;
    }
    let d2 = discriminant.sqrt();
    Some(high.step - width * (high.slope + d2 - d1) / (high.slope - low.slope + 2.0 * d2))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

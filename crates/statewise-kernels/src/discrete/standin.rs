//! A plain stand-in for the engines, until they land.
#![allow(missing_docs)]
use super::*;
use std::ops::Range;

#[derive(Clone, Debug, Default)]
pub struct Workspace;
pub struct Smoothed<'a> {
    pub smoothed: &'a mut [f64],
    pub filtered: Option<&'a mut [f64]>,
    pub predicted: Option<&'a mut [f64]>,
    pub pair_sum: Option<&'a mut [f64]>,
}
fn a_at(c: &Chain<'_>, t: usize, k: usize) -> Vec<f64> {
    match c.transitions {
        Transitions::Static(a) => a.to_vec(),
        Transitions::PerStep(a) => a[(t - 1) * k * k..t * k * k].to_vec(),
        Transitions::Computed(f) => {
            let mut m = vec![0.0; k * k];
            f(t, &mut m);
            m
        }
    }
}
struct Fb {
    ll: f64,
    filt: Vec<f64>,
    pred: Vec<f64>,
    b: Vec<f64>,
}
fn forward(c: &Chain<'_>) -> Result<Fb, ChainError> {
    let (t_, k) = (c.observations.num_steps(), c.observations.num_states());
    let mut b = vec![0.0; t_ * k];
    c.observations.log_likelihoods(0..t_, &mut b);
    let (mut filt, mut pred) = (vec![0.0; t_ * k], vec![0.0; t_ * k]);
    let mut ll = 0.0;
    for t in 0..t_ {
        if t == 0 {
            pred[..k].copy_from_slice(c.initial);
        } else {
            let a = a_at(c, t, k);
            for j in 0..k {
                pred[t * k + j] = (0..k).map(|i| filt[(t - 1) * k + i] * a[i * k + j]).sum();
            }
        }
        let row = t * k..(t + 1) * k;
        if b[row.clone()].iter().any(|x| x.is_nan() || *x == f64::INFINITY) {
            return Err(ChainError::InvalidLikelihood { t });
        }
        let m = row.clone().filter(|i| pred[*i] > 0.0).map(|i| b[i]).fold(f64::NEG_INFINITY, f64::max);
        if m == f64::NEG_INFINITY {
            return Err(ChainError::UnexplainedObservation { t, num_states: k });
        }
        let mut s = 0.0;
        for i in row.clone() {
            b[i] = if pred[i] > 0.0 { (b[i] - m).exp() } else { 0.0 };
            filt[i] = pred[i] * b[i];
            s += filt[i];
        }
        row.for_each(|i| filt[i] /= s);
        ll += m + s.ln();
    }
    Ok(Fb { ll, filt, pred, b })
}
type PairVisit<'a> = &'a mut dyn FnMut(usize, &[f64]);
fn backward(c: &Chain<'_>, f: &Fb, mut pair: Option<PairVisit<'_>>) -> Vec<f64> {
    let k = c.observations.num_states();
    let t_ = f.filt.len() / k;
    let mut g = f.filt.clone();
    let mut beta = vec![1.0; k];
    for t in (1..t_).rev() {
        let a = a_at(c, t, k);
        let w: Vec<f64> = (0..k).map(|j| f.b[t * k + j] * beta[j]).collect();
        let mut xi: Vec<f64> =
            (0..k * k).map(|ij| f.filt[(t - 1) * k + ij / k] * a[ij] * w[ij % k]).collect();
        let s: f64 = xi.iter().sum();
        xi.iter_mut().for_each(|x| *x /= s);
        if let Some(p) = pair.as_mut() {
            p(t, &xi);
        }
        let nb: Vec<f64> = (0..k).map(|i| (0..k).map(|j| a[i * k + j] * w[j]).sum()).collect();
        let s: f64 = nb.iter().sum();
        beta = nb.iter().map(|x| x / s).collect();
        let row = &mut g[(t - 1) * k..t * k];
        row.iter_mut().zip(&beta).for_each(|(x, b)| *x *= b);
        let s: f64 = row.iter().sum();
        row.iter_mut().for_each(|x| *x /= s);
    }
    g
}
pub fn marginal_loglik(c: &Chain<'_>, _: &mut Workspace) -> Result<f64, ChainError> {
    match forward(c) {
        Ok(f) => Ok(f.ll),
        Err(ChainError::UnexplainedObservation { .. }) => Ok(f64::NEG_INFINITY),
        Err(e) => Err(e),
    }
}
pub fn filter(
    c: &Chain<'_>,
    _: &mut Workspace,
    out: &mut [f64],
    pred: Option<&mut [f64]>,
) -> Result<f64, ChainError> {
    let f = forward(c)?;
    out.copy_from_slice(&f.filt);
    if let Some(p) = pred {
        p.copy_from_slice(&f.pred);
    }
    Ok(f.ll)
}
pub fn smooth(c: &Chain<'_>, _: &mut Workspace, out: Smoothed<'_>) -> Result<f64, ChainError> {
    let f = forward(c)?;
    let k = c.observations.num_states();
    let mut sum = vec![0.0; k * k];
    let g = backward(c, &f, Some(&mut |_, x: &[f64]| sum.iter_mut().zip(x).for_each(|(a, b)| *a += b)));
    out.smoothed.copy_from_slice(&g);
    if let Some(o) = out.filtered {
        o.copy_from_slice(&f.filt);
    }
    if let Some(o) = out.predicted {
        o.copy_from_slice(&f.pred);
    }
    if let Some(o) = out.pair_sum {
        o.copy_from_slice(&sum);
    }
    Ok(f.ll)
}
pub fn expected_statistics(
    c: &Chain<'_>,
    _: &mut Workspace,
    sum: &mut [f64],
    visit: &mut dyn FnMut(Range<usize>, &[f64]),
) -> Result<f64, ChainError> {
    let f = forward(c)?;
    let g = backward(c, &f, Some(&mut |_, x: &[f64]| sum.iter_mut().zip(x).for_each(|(a, b)| *a += b)));
    visit(0..c.observations.num_steps(), &g);
    Ok(f.ll)
}
pub fn expected_statistics_with_pairs(
    c: &Chain<'_>,
    _: &mut Workspace,
    visit: &mut dyn FnMut(Range<usize>, &[f64]),
    pair: PairVisit<'_>,
) -> Result<f64, ChainError> {
    let f = forward(c)?;
    let g = backward(c, &f, Some(pair));
    visit(0..c.observations.num_steps(), &g);
    Ok(f.ll)
}
pub fn pairwise(c: &Chain<'_>, _: &mut Workspace, pair: PairVisit<'_>) -> Result<f64, ChainError> {
    let f = forward(c)?;
    backward(c, &f, Some(pair));
    Ok(f.ll)
}
pub fn viterbi(c: &Chain<'_>, _: &mut Workspace, path: &mut [u32]) -> Result<f64, ChainError> {
    let (t_, k) = (c.observations.num_steps(), c.observations.num_states());
    let mut b = vec![0.0; t_ * k];
    c.observations.log_likelihoods(0..t_, &mut b);
    let mut s: Vec<f64> = (0..k).map(|i| c.initial[i].ln() + b[i]).collect();
    let mut back = vec![0u32; t_ * k];
    for t in 1..t_ {
        let a = a_at(c, t, k);
        let mut n = vec![f64::NEG_INFINITY; k];
        for j in 0..k {
            for i in 0..k {
                let v = s[i] + a[i * k + j].ln();
                if v > n[j] {
                    n[j] = v;
                    back[t * k + j] = i as u32;
                }
            }
            n[j] += b[t * k + j];
        }
        s = n;
    }
    let mut best = 0;
    (0..k).for_each(|i| {
        if s[i] > s[best] {
            best = i
        }
    });
    let score = s[best];
    for t in (0..t_).rev() {
        path[t] = best as u32;
        best = back[t * k + best] as usize;
    }
    Ok(score)
}
pub fn k_best(c: &Chain<'_>, _count: usize) -> Result<Vec<(f64, Vec<u32>)>, ChainError> {
    let mut path = vec![0; c.observations.num_steps()];
    let s = viterbi(c, &mut Workspace, &mut path)?;
    Ok(vec![(s, path)])
}
pub fn sample_paths(
    c: &Chain<'_>,
    _: &mut Workspace,
    num: usize,
    uniform: &mut dyn FnMut() -> f64,
    paths: &mut [u32],
) -> Result<f64, ChainError> {
    let f = forward(c)?;
    let (t_, k) = (c.observations.num_steps(), c.observations.num_states());
    for s in 0..num {
        let mut next: Option<usize> = None;
        for t in (0..t_).rev() {
            let mut w = f.filt[t * k..(t + 1) * k].to_vec();
            if let Some(j) = next {
                let a = a_at(c, t + 1, k);
                (0..k).for_each(|i| w[i] *= a[i * k + j]);
            }
            let mut left = uniform() * w.iter().sum::<f64>();
            let mut z = 0;
            for (i, p) in w.iter().enumerate().filter(|(_, p)| **p > 0.0) {
                z = i;
                left -= p;
                if left < 0.0 {
                    break;
                }
            }
            paths[s * t_ + t] = z as u32;
            next = Some(z);
        }
    }
    Ok(f.ll)
}
pub fn fixed_lag(
    c: &Chain<'_>,
    ws: &mut Workspace,
    _lag: usize,
    out: &mut [f64],
) -> Result<f64, ChainError> {
    filter(c, ws, out, None)
}
#[derive(Clone, Debug)]
pub struct OnlineFilter(OnlineState, bool);
#[derive(Clone, Debug, PartialEq)]
pub struct OnlineState {
    pub weights: Vec<f64>,
    pub halvings: i64,
    pub shift: f64,
    pub num_steps: usize,
}
impl OnlineFilter {
    pub fn new(initial: &[f64], _k: usize) -> Self {
        OnlineFilter(
            OnlineState { weights: initial.to_vec(), halvings: 0, shift: 0.0, num_steps: 0 },
            false,
        )
    }
    pub fn update(&mut self, a: Option<&[f64]>, log_b: &[f64]) -> Result<f64, ChainError> {
        let k = log_b.len();
        let pred: Vec<f64> = match a {
            None => self.0.weights.clone(),
            Some(a) => (0..k).map(|j| (0..k).map(|i| self.0.weights[i] * a[i * k + j]).sum()).collect(),
        };
        let obs = LogObs { values: log_b, num_states: k };
        let f =
            forward(&Chain { initial: &pred, transitions: Transitions::PerStep(&[]), observations: &obs })?;
        self.0.weights = f.filt;
        self.0.num_steps += 1;
        self.0.shift += f.ll;
        Ok(f.ll)
    }
    pub fn filtered(&self) -> Vec<f64> {
        self.0.weights.clone()
    }
    pub fn marginal_loglik(&self) -> f64 {
        self.0.shift
    }
    pub fn num_steps(&self) -> usize {
        self.0.num_steps
    }
    pub fn state(&self) -> OnlineState {
        self.0.clone()
    }
    pub fn from_state(s: OnlineState) -> Self {
        OnlineFilter(s, true)
    }
}

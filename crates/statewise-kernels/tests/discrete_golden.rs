//! The discrete engines against Dynamax 1.0.3 (CPU, 64 bit).
//!
//! Numbers from `shared/spec/dynamax.md`, appendix A: records `casino`, `hmm_generic` and
//! `hmm_generic_tv`, printed to ten digits.

mod common;

use common::assert_close;
use statewise_kernels::discrete::*;

const TOLERANCE: f64 = 2e-9;

fn casino() -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let rolls = [5, 5, 2, 5, 5, 0, 5, 3, 5, 5, 1, 0, 4, 2, 3, 0, 1, 4, 2, 3, 5, 0, 2, 1, 4, 3, 0, 5, 5, 5];
    let loaded = [0.1, 0.1, 0.1, 0.1, 0.1, 0.5_f64];
    let log_obs = rolls.iter().flat_map(|&y: &usize| [(1.0 / 6.0_f64).ln(), loaded[y].ln()]).collect();
    (vec![0.5, 0.5], vec![0.95, 0.05, 0.1, 0.9], log_obs)
}

fn pattern(t: usize) -> Vec<f64> {
    let weight = |i: usize, j: usize| 1.0 + ((3 * i + j + t) % 4) as f64;
    let row = |i: usize| {
        let total: f64 = (0..3).map(|j| weight(i, j)).sum();
        (0..3).map(move |j| weight(i, j) / total)
    };
    (0..3).flat_map(row).collect()
}

fn waves() -> Vec<f64> {
    (0..18).map(|i| (1.0 + (i / 3) as f64 + 2.0 * (i % 3) as f64).sin()).collect()
}

#[test]
fn casino_agrees_with_dynamax() {
    let (initial, a, log_obs) = casino();
    let observations = LogObs { values: &log_obs, num_states: 2 };
    let chain =
        Chain { initial: &initial, transitions: Transitions::Static(&a), observations: &observations };
    let mut ws = Workspace::default();
    let [mut smoothed, mut filtered, mut predicted] = [0, 1, 2].map(|_| vec![0.0; 60]);
    let mut pairs = vec![0.0; 4];
    let out = Smoothed {
        smoothed: &mut smoothed,
        filtered: Some(&mut filtered),
        predicted: Some(&mut predicted),
        pair_sum: Some(&mut pairs),
    };
    let evidence = smooth(&chain, &mut ws, out).unwrap();
    assert_close("evidence", &[evidence], &[-49.42218759], 1e-8);
    assert_close("filtered", &filtered[58..], &[0.2399636933, 0.7600363067], TOLERANCE);
    assert_close("predicted", &predicted[58..], &[0.4864367579, 0.5135632421], TOLERANCE);
    assert_close("smoothed", &smoothed[..2], &[0.05120471429, 0.9487952857], TOLERANCE);
    assert_close("smoothed", &smoothed[24..26], &[0.8591580588, 0.1408419412], TOLERANCE);
    let want = [15.21393913, 1.051496833, 1.240255812, 11.49430822];
    assert_close("pairs", &pairs, &want, 1e-8);
    let mut path = vec![0; 30];
    viterbi(&chain, &mut ws, &mut path).unwrap();
    let want: Vec<u32> = (0..30).map(|t| u32::from(!(10..27).contains(&t))).collect();
    assert_eq!(path, want);
    let (mut windows, mut cumulative) = (vec![0.0; 30 * 4 * 2], vec![0.0; 30]);
    fixed_lag_windows(&chain, &mut ws, 4, &mut windows, &mut cumulative).unwrap();
    let last: Vec<f64> = windows[29 * 8..].iter().skip(1).step_by(2).copied().collect();
    let want = [0.3978659201, 0.6675680065, 0.7532987548, 0.7600363067];
    assert_close("windows", &last, &want, TOLERANCE);
    // Dynamax reports the normalisers inside the window only; here it is the whole evidence.
    assert_close("cumulative", &cumulative[29..], &[-49.42218759], 1e-8);
}

#[test]
fn generic_chain_agrees_with_dynamax() {
    let (initial, a, log_obs) = ([1.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0], pattern(0), waves());
    let observations = LogObs { values: &log_obs, num_states: 3 };
    let chain =
        Chain { initial: &initial, transitions: Transitions::Static(&a), observations: &observations };
    let mut ws = Workspace::default();
    let [mut smoothed, mut filtered] = [0, 1].map(|_| vec![0.0; 18]);
    let mut pairs = vec![0.0; 9];
    let out = Smoothed {
        filtered: Some(&mut filtered),
        pair_sum: Some(&mut pairs),
        ..Smoothed::only(&mut smoothed)
    };
    let evidence = smooth(&chain, &mut ws, out).unwrap();
    assert_close("evidence", &[evidence], &[0.9137863165], TOLERANCE);
    #[rustfmt::skip]
    let want = [0.4018448239,0.3989604175,0.1991947587, 0.7000046474,0.1039773313,0.1960180213,
        0.2395489162,0.1105983089,0.6498527749, 0.1470723321,0.2874745124,0.5654531555,
        0.1264946796,0.592096726,0.2814085944, 0.2867362174,0.5866053187,0.1266584639];
    assert_close("filtered", &filtered, &want, TOLERANCE);
    #[rustfmt::skip]
    let want = [0.2869594947,0.5148730388,0.1981674666, 0.7013472614,0.1282139521,0.1704387865,
        0.3549178013,0.1204973997,0.524584799, 0.1974521507,0.2493773988,0.5531704505,
        0.1354178827,0.4742476609,0.3903344564, 0.2867362174,0.5866053187,0.1266584639];
    assert_close("smoothed", &smoothed, &want, TOLERANCE);
    #[rustfmt::skip]
    let want = [0.3369866655,0.342512925,0.9965950002, 0.8171718594,0.2774504767,0.3925871142,
        0.5217127885,0.9389783286,0.3760048419];
    assert_close("pairs", &pairs, &want, TOLERANCE);
    let mut path = vec![0; 6];
    viterbi(&chain, &mut ws, &mut path).unwrap();
    assert_eq!(path, [1, 0, 2, 1, 2, 1]);
}

#[test]
fn time_varying_chain_agrees_with_dynamax() {
    let (initial, log_obs) = ([1.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0], waves());
    let transitions: Vec<f64> = (0..5).flat_map(pattern).collect();
    let observations = LogObs { values: &log_obs, num_states: 3 };
    let transitions = Transitions::PerStep(&transitions);
    let chain = Chain { initial: &initial, transitions, observations: &observations };
    let mut ws = Workspace::default();
    let mut smoothed = vec![0.0; 18];
    let evidence = smooth(&chain, &mut ws, Smoothed::only(&mut smoothed)).unwrap();
    assert_close("evidence", &[evidence], &[1.396414693], TOLERANCE);
    #[rustfmt::skip]
    let want = [0.2817779699,0.5216248701,0.19659716, 0.7184245116,0.1142267644,0.167348724,
        0.1445942875,0.09757251806,0.7578331944, 0.05354538929,0.1621165913,0.7843380194,
        0.07944206827,0.3794151531,0.5411427786, 0.2647822257,0.6305126147,0.1047051596];
    assert_close("smoothed", &smoothed, &want, TOLERANCE);
    #[rustfmt::skip]
    let want = [0.02327925552,0.0564207635,0.06489426851, 0.004770696559,0.0130078101,0.07979401141,
        0.02549543721,0.09268801775,0.6396497394];
    // Dynamax's entry t is the step from t to t + 1, so its entry 2 is the step into z_3.
    let mut visit = |t: usize, pair: &[f64]| {
        if t == 3 {
            assert_close("pair", pair, &want, TOLERANCE);
        }
    };
    pairwise(&chain, &mut ws, &mut visit).unwrap();
    let mut path = vec![0; 6];
    viterbi(&chain, &mut ws, &mut path).unwrap();
    assert_eq!(path, [1, 0, 2, 2, 2, 1]);
}

#[test]
fn a_rare_transition_that_the_data_demand_is_counted() {
    // Dynamax 1.0.3 gives [[1.0, 9.99e-16], [1e-18, 1.0]]: it cuts predictions below 1e-8 off.
    let (initial, a) = ([1.0 - 1e-12, 1e-12], [1.0 - 1e-9, 1e-9, 1e-9, 1.0 - 1e-9]);
    let observations = LogObs { values: &[0.0, 0.0, -60.0, 0.0, -60.0, 0.0], num_states: 2 };
    let chain =
        Chain { initial: &initial, transitions: Transitions::Static(&a), observations: &observations };
    let (mut smoothed, mut pairs) = (vec![0.0; 6], vec![0.0; 4]);
    let out = Smoothed { pair_sum: Some(&mut pairs), ..Smoothed::only(&mut smoothed) };
    smooth(&chain, &mut Workspace::default(), out).unwrap();
    let early = 1e-12 / (1e-12 + 1e-9);
    assert_close("pairs", &pairs, &[0.0, 1.0 - early, 0.0, 1.0 + early], 1e-11);
}

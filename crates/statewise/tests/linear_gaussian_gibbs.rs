//! Gibbs sampling of linear Gaussian models: the sampler leaves the joint distribution as it is.

use rand_distr::{Distribution, StandardNormal};
use statewise::Seed;
use statewise::data::Dataset;
use statewise::learn::Learnable;
use statewise::model::linear_gaussian::{
    BlockForm, ConjugatePriors, CovarianceBlock, CovarianceForm, Gibbs, GibbsState, LinearGaussianSpec,
    LinearGaussianSsm, MatrixNormalInverseWishart, NormalInverseWishart,
};
use statewise::params::{Array, ParamProperties, Params, Properties};

const STEPS: usize = 5;
const D: usize = 2;
const M: usize = 2;

fn scaled(n: usize, scale: f64) -> Array {
    Array::new(&[n, n], Array::identities(1, n, scale).values().to_vec())
}

/// Priors with moments, so that averages settle.
fn model(form: CovarianceForm) -> LinearGaussianSsm {
    let regression = |rows: usize, slope: f64| {
        let loc = (0..rows * 3).map(|at| if at % 3 == at / 3 { slope } else { 0.0 }).collect();
        MatrixNormalInverseWishart {
            loc: Array::new(&[rows, 3], loc),
            col_precision: scaled(3, 6.0),
            df: rows as f64 + 7.0,
            scale: scaled(rows, 4.0),
        }
    };
    let prior = ConjugatePriors {
        initial: NormalInverseWishart {
            df: 9.0,
            scale: scaled(D, 4.0),
            ..NormalInverseWishart::default_of(D)
        },
        dynamics: regression(D, 0.5),
        emissions: regression(M, 1.0),
    };
    let spec = LinearGaussianSpec {
        initial_cov: form.clone(),
        dynamics_cov: form.clone(),
        emissions_cov: form,
        prior: Some(Box::new(prior)),
        ..LinearGaussianSpec::new(D, M)
    };
    LinearGaussianSsm::new(spec).unwrap()
}

/// Two blocks of one variance.
fn shared_variance() -> CovarianceForm {
    let block = |entry: usize| CovarianceBlock::new(&[entry], BlockForm::Full).shared("one");
    CovarianceForm::Blocks(vec![block(0), block(1)])
}

/// Bounded functions of the parameters and the data.
fn functions(params: &Params, rows: &[f64]) -> Vec<f64> {
    let of_params = params.arrays().iter().flat_map(|a| a.values().to_vec());
    let seen = rows.iter().map(|y| y.tanh());
    let energy = (rows.iter().map(|y| y * y).sum::<f64>() / rows.len() as f64).ln();
    of_params.map(f64::tanh).chain(seen).chain([energy.tanh()]).collect()
}

/// Draws emissions given states.
fn emissions(model: &LinearGaussianSsm, params: &Params, states: &[f64], seed: Seed) -> Vec<f64> {
    let lowered = model.lower(params).unwrap();
    let (h, d) = (lowered.emissions_weights.values(), lowered.emissions_bias.as_ref().unwrap().values());
    let r = lowered.emissions_cov.values();
    let chol = if lowered.diagonal_emissions_cov {
        [r[0].sqrt(), 0.0, r[1].sqrt()]
    } else {
        let a = r[0].sqrt();
        [a, r[1] / a, (r[3] - r[1] * r[1] / r[0]).sqrt()]
    };
    let mut rng = seed.stream("emissions", 0);
    let mut rows = Vec::new();
    for z in states.chunks_exact(D) {
        let (a, b): (f64, f64) = (StandardNormal.sample(&mut rng), StandardNormal.sample(&mut rng));
        rows.push(h[0] * z[0] + h[1] * z[1] + d[0] + chol[0] * a);
        rows.push(h[2] * z[0] + h[3] * z[1] + d[1] + chol[1] * a + chol[2] * b);
    }
    rows
}

/// Mean and the variance of the mean, by batches.
fn mean_and_error(samples: &[Vec<f64>]) -> Vec<(f64, f64)> {
    let batches = 40;
    let size = samples.len() / batches;
    (0..samples[0].len())
        .map(|k| {
            let means: Vec<f64> = samples
                .chunks_exact(size)
                .map(|batch| batch.iter().map(|s| s[k]).sum::<f64>() / size as f64)
                .collect();
            let mean = means.iter().sum::<f64>() / means.len() as f64;
            let spread = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (means.len() - 1) as f64;
            (mean, spread / means.len() as f64)
        })
        .collect()
}

/// Geweke (2004): draws of (θ, y) from the prior, and from a chain that alternates sweeps with new data given
/// the states, have one distribution. Entries are missing in every data set that a sweep sees.
#[test]
fn sweeps_leave_the_joint_distribution_of_parameters_and_data_as_it_is() {
    let missing = [3, 4, 5, 8];
    for (form, constrained) in [
        (CovarianceForm::Full, false),
        (CovarianceForm::Diagonal, false),
        (CovarianceForm::Scalar, false),
        (CovarianceForm::Diagonal, true),
        (shared_variance(), false),
    ] {
        let model = model(form.clone());
        let mut properties = Properties::trainable(model.schema());
        let fixed = model.sample_prior(Seed(99)).unwrap();
        let place = |path: &str| model.schema().iter().position(|s| s.path == path).unwrap();
        let (weights, noise) = (place("dynamics.weights"), place("emissions.cov"));
        if constrained {
            // A fixed entry has the same value in both chains; the other draws are from the prior given it,
            // which for independent rows and columns is that of the other entries.
            properties.0[weights] =
                ParamProperties { free: Some(vec![true, false, true, true]), ..Default::default() };
            properties.0[noise].trainable = false;
        }
        let constrain = |mut params: Params| {
            if constrained {
                params.arrays_mut()[weights].values_mut()[1] = 0.0;
                params.arrays_mut()[noise] = fixed.arrays()[noise].clone();
            }
            params
        };
        let count = 12_000;
        let from_prior: Vec<Vec<f64>> = (0..count)
            .map(|i| {
                let seed = Seed(1).child("prior", i);
                // With the entry fixed, Q is drawn given it: by one conditional draw after many.
                let mut params = constrain(model.sample_prior(seed).unwrap());
                if constrained {
                    let nothing = Dataset::single(vec![f64::NAN; M], M).unwrap();
                    for k in 0..4 {
                        // A row without observations tells nothing of anything but the initial state.
                        let drawn =
                            model.gibbs_sweep(&params, &properties, &nothing, seed.child("given", k));
                        let mut drawn = drawn.unwrap().0;
                        for path in ["initial.mean", "initial.cov"] {
                            drawn.arrays_mut()[place(path)] = params.arrays()[place(path)].clone();
                        }
                        params = drawn;
                    }
                }
                let lowered = model.lower(&params).unwrap();
                let rows = lowered.sample(seed, 0, STEPS, &[]).unwrap().1;
                functions(&params, &rows)
            })
            .collect();
        let mut params = constrain(model.sample_prior(Seed(2)).unwrap());
        let mut rows = model.lower(&params).unwrap().sample(Seed(3), 0, STEPS, &[]).unwrap().1;
        let from_chain: Vec<Vec<f64>> = (0..2 * count)
            .map(|i| {
                let seed = Seed(4).child("chain", i);
                let mut seen = rows.clone();
                missing.iter().for_each(|at| seen[*at] = f64::NAN);
                let data = Dataset::single(seen, M).unwrap();
                let (next, states) = model.gibbs_sweep(&params, &properties, &data, seed).unwrap();
                params = next;
                rows = emissions(&model, &params, &states, seed);
                functions(&params, &rows)
            })
            .collect();
        let pairs = mean_and_error(&from_prior).into_iter().zip(mean_and_error(&from_chain));
        for (k, ((a, va), (b, vb))) in pairs.enumerate() {
            // What is fixed is the same but for the rounding of averages.
            if (a - b).abs() < 1e-9 {
                continue;
            }
            let z = (a - b) / (va + vb).sqrt();
            assert!(
                z.abs() < 4.0,
                "{form:?}, constrained {constrained}, function {k}: {a} and {b}, z = {z}"
            );
        }
    }
}

fn data() -> Dataset<'static> {
    let wave = |i: usize| (0.9 * i as f64).sin() + 0.4 * (2.3 * i as f64).cos();
    let mut rows: Vec<f64> = (0..60).map(wave).collect();
    rows[7] = f64::NAN;
    rows[20..22].fill(f64::NAN);
    Dataset::ragged(rows, &[12, 12, 6], M).unwrap()
}

#[test]
fn a_chain_goes_on_where_it_stopped_and_keeps_every_thinned_draw() {
    let model = model(CovarianceForm::Full);
    let properties = Properties::trainable(model.schema());
    let start = GibbsState::start(model.sample_prior(Seed(0)).unwrap());
    let run = |start: &GibbsState, num_samples, burn_in, thin| {
        let gibbs = Gibbs { num_samples, burn_in, thin, seed: Seed(5) };
        model.fit_blocked_gibbs(&gibbs, start, &properties, &data(), &mut |_| true).unwrap()
    };
    let whole = run(&start, 12, 0, 1);
    let first = run(&start, 5, 0, 1);
    let second = run(&first.state, 7, 0, 1);
    assert_eq!(whole.params, [first.params, second.params].concat());
    assert_eq!(whole.log_probs, [first.log_probs, second.log_probs].concat());
    assert_eq!(whole.state, second.state);
    let thinned = run(&start, 2, 4, 3);
    assert_eq!(thinned.params, [whole.params[6].clone(), whole.params[9].clone()]);
    let statistics = model.e_step(&whole.params[11], &data()).unwrap();
    let want = statistics.marginal_loglik + model.log_prior(&whole.params[11]);
    assert!((whole.log_probs[11] - want).abs() < 1e-10 * want.abs());
}

#[test]
fn the_observer_can_stop_a_chain_and_fixed_parameters_stay() {
    let model = model(CovarianceForm::Diagonal);
    let mut properties = Properties::trainable(model.schema());
    properties.0[0].trainable = false;
    properties.0[2] = ParamProperties { free: Some(vec![true, false, true, true]), ..Default::default() };
    let start = GibbsState::start(model.sample_prior(Seed(0)).unwrap());
    let gibbs = Gibbs { num_samples: 50, burn_in: 0, thin: 1, seed: Seed(5) };
    let mut seen = 0;
    let chain = model
        .fit_blocked_gibbs(&gibbs, &start, &properties, &data(), &mut |progress| {
            seen += 1;
            progress.iteration < 9
        })
        .unwrap();
    assert!(chain.interrupted);
    assert_eq!((seen, chain.params.len()), (10, 10));
    for params in &chain.params {
        assert_eq!(params.arrays()[0], start.params.arrays()[0]);
        assert_eq!(params.arrays()[2].values()[1], start.params.arrays()[2].values()[1]);
        assert_ne!(params.arrays()[2].values()[0], start.params.arrays()[2].values()[0]);
    }
}

#[test]
fn what_a_chain_cannot_do_is_an_error_with_a_name() {
    let plain = LinearGaussianSsm::new(LinearGaussianSpec::new(D, M)).unwrap();
    let conjugate = model(CovarianceForm::Full);
    let start = GibbsState::start(conjugate.sample_prior(Seed(0)).unwrap());
    let properties = Properties::trainable(plain.schema());
    let run = |model: &LinearGaussianSsm, gibbs: Gibbs, data: &Dataset<'_>| {
        model.fit_blocked_gibbs(&gibbs, &start, &properties, data, &mut |_| true).unwrap_err().to_string()
    };
    let few = Gibbs { num_samples: 2, ..Gibbs::default() };
    assert!(run(&plain, few, &data()).contains("prior"));
    assert!(run(&conjugate, Gibbs { thin: 0, ..few }, &data()).starts_with("thin"));
    let weighted = data().with_weights(vec![1.0, 2.0, 1.0]).unwrap();
    assert!(run(&conjugate, few, &weighted).starts_with("weights[1]"));
}

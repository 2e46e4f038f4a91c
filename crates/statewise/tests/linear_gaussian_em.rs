//! EM of linear Gaussian models: statistics against a dense oracle, laws of the M-step, exact scores.

use rand_distr::{Distribution, StandardNormal};
use statewise::Seed;
use statewise::data::Dataset;
use statewise::infer::gaussian::GaussianOptions;
use statewise::learn::{Em, Learnable, Learner, Objective, QuasiNewton, Statistics};
use statewise::model::linear_gaussian::{
    BlockForm, CovarianceBlock, CovarianceForm, LinearGaussianSpec, LinearGaussianSsm,
};
use statewise::params::{Array, Constraint, FreeSpace, ParamProperties, ParamSpec, Params, Properties};
use statewise_testkit::{GaussianProblem, GaussianSteps, joint_gaussian};

const LENGTHS: [usize; 4] = [9, 1, 9, 6];

/// A number in (−1, 1) that depends on its index only.
fn wave(i: usize, phase: f64) -> f64 {
    (1.3 * i as f64 + phase).sin() * (0.7 * i as f64 + 2.0 * phase).cos()
}

fn waves(len: usize, phase: f64) -> Vec<f64> {
    (0..len).map(|i| wave(i, phase)).collect()
}

/// A Aᵀ + 0.3 I.
fn covariance(n: usize, phase: f64) -> Vec<f64> {
    let a = waves(n * n, phase);
    let entry = |i: usize, j: usize| -> f64 { (0..n).map(|k| a[i * n + k] * a[j * n + k]).sum() };
    (0..n * n).map(|at| entry(at / n, at % n) + if at / n == at % n { 0.3 } else { 0.0 }).collect()
}

struct Scene {
    name: &'static str,
    model: LinearGaussianSsm,
    params: Params,
    rows: Vec<f64>,
    inputs: Vec<f64>,
    weights: Vec<f64>,
}

impl Scene {
    fn new(name: &'static str, spec: LinearGaussianSpec) -> Self {
        let total: usize = LENGTHS.iter().sum();
        let m = spec.emission_dim;
        let mut rows: Vec<f64> = waves(total * m, 0.4).iter().map(|x| 2.0 * x + 0.5).collect();
        rows[3 * m] = f64::NAN;
        rows[4 * m..5 * m].fill(f64::NAN);
        rows[14 * m + m - 1] = f64::NAN;
        let inputs = waves(total * spec.input_dim, 2.2);
        let model = LinearGaussianSsm::new(spec).unwrap();
        let params = params_of(&model, 0.0);
        Scene { name, model, params, rows, inputs, weights: vec![1.0, 2.0, 0.5, 1.0] }
    }

    fn data(&self) -> Dataset<'_> {
        let data = Dataset::ragged(&self.rows[..], &LENGTHS, self.model.spec().emission_dim).unwrap();
        let data = data.with_weights(self.weights.clone()).unwrap();
        match self.model.spec().input_dim {
            0 => data,
            dim => data.with_inputs(&self.inputs[..], dim).unwrap(),
        }
    }

    fn loglik(&self, params: &Params) -> f64 {
        self.model.e_step(params, &self.data()).unwrap().marginal_loglik
    }

    fn objective(&self, params: &Params) -> f64 {
        self.loglik(params) + self.model.log_prior(params)
    }
}

/// Moderate parameters, all entries different.
fn params_of(model: &LinearGaussianSsm, phase: f64) -> Params {
    let spec = model.spec();
    let (d, m) = (spec.state_dim, spec.emission_dim);
    let arrays = model.schema().iter().enumerate().map(|(index, array)| {
        let phase = phase + 0.9 * index as f64;
        let form = match array.path.as_str() {
            "initial.cov" => Some((&spec.initial_cov, d)),
            "dynamics.cov" => Some((&spec.dynamics_cov, d)),
            "emissions.cov" => Some((&spec.emissions_cov, m)),
            _ => None,
        };
        let size: usize = array.shape.iter().product();
        let values = match form {
            Some((CovarianceForm::Full, n)) => covariance(n, phase),
            Some((CovarianceForm::Blocks(_), n)) => in_blocks(array, covariance(n, phase)),
            Some(_) => waves(size, phase).iter().map(|x| 0.6 + 0.4 * x).collect(),
            None => waves(size, phase).iter().map(|x| 0.6 * x).collect(),
        };
        Array::new(&array.shape, values)
    });
    Params::new(arrays.collect())
}

/// A covariance cut to the pattern of its array.
fn in_blocks(array: &ParamSpec, mut full: Vec<f64>) -> Vec<f64> {
    let mut values = vec![0.0; full.len()];
    for group in &array.pattern.as_ref().unwrap().groups {
        let side = group.copies[0].len().isqrt();
        if group.constraint == Constraint::CompoundSymmetric {
            for (k, at) in group.copies[0].iter().enumerate() {
                full[*at] = if k % (side + 1) == 0 { 0.9 } else { 0.2 };
            }
        }
        for copy in &group.copies {
            copy.iter().zip(&group.copies[0]).for_each(|(at, first)| values[*at] = full[*first]);
        }
    }
    values
}

/// Every form of covariance, biases, inputs and priors.
fn scenes() -> Vec<Scene> {
    use CovarianceForm::{Diagonal, Full, Scalar};
    let spec = |d, m, u| LinearGaussianSpec { input_dim: u, ..LinearGaussianSpec::new(d, m) };
    let forms = |spec, initial_cov, dynamics_cov, emissions_cov| LinearGaussianSpec {
        initial_cov,
        dynamics_cov,
        emissions_cov,
        ..spec
    };
    let block = CovarianceBlock::new;
    let part =
        CovarianceForm::Blocks(vec![block(&[2, 0], BlockForm::Full), block(&[1], BlockForm::Scalar)]);
    let equal = CovarianceForm::Blocks(vec![block(&[0, 1, 2], BlockForm::Equal)]);
    let copies = CovarianceForm::Blocks(vec![
        block(&[0, 2], BlockForm::Full).shared("pair"),
        block(&[3, 1], BlockForm::Full).shared("pair"),
    ]);
    let variance =
        CovarianceForm::Blocks(vec![block(&[0], BlockForm::Full), block(&[1], BlockForm::Full).fixed()]);
    let variances = CovarianceForm::Blocks(vec![
        block(&[0, 1], BlockForm::Diagonal).shared("two"),
        block(&[3, 2], BlockForm::Diagonal).shared("two"),
    ]);
    let bare = LinearGaussianSpec { has_dynamics_bias: false, has_emissions_bias: false, ..spec(2, 3, 0) };
    vec![
        Scene::new("full with inputs", spec(2, 3, 2)),
        Scene::new("no biases", bare.clone()),
        Scene::new("one state, many emissions", spec(1, 4, 0)),
        Scene::new("more states than emissions", spec(3, 2, 1)),
        Scene::new("diagonal", forms(spec(2, 3, 1), Diagonal, Diagonal, Diagonal)),
        Scene::new("scalar", forms(spec(2, 3, 0), Scalar, Scalar, Scalar)),
        Scene::new("mixed forms", forms(spec(2, 2, 0), Full, Diagonal, Scalar)),
        Scene::new("conjugate", spec(2, 3, 1).with_default_priors()),
        Scene::new("diagonal conjugate", forms(bare, Diagonal, Diagonal, Diagonal).with_default_priors()),
        Scene::new("scalar conjugate", forms(spec(2, 3, 1), Scalar, Scalar, Scalar).with_default_priors()),
        Scene::new("blocks", forms(spec(3, 4, 1), part.clone(), equal, copies.clone())),
        Scene::new("blocks of variances", forms(spec(2, 4, 0), Diagonal, variance, variances)),
        Scene::new("blocks conjugate", forms(spec(3, 4, 0), Diagonal, part, copies).with_default_priors()),
    ]
}

/// The statistics by dense conditioning of each sequence by itself.
fn dense_statistics(scene: &Scene) -> (Vec<f64>, f64) {
    let spec = scene.model.spec();
    let (d, m, u) = (spec.state_dim, spec.emission_dim, spec.input_dim);
    let lowered = scene.model.lower(&scene.params).unwrap();
    let data = scene.data();
    let mut parts =
        [Dense::new(d, 1), Dense::new(d, spec.dynamics_columns()), Dense::new(m, spec.emissions_columns())];
    let mut loglik = 0.0;
    for n in 0..data.num_sequences() {
        let sequence = data.sequence(n);
        let steps = sequence.num_steps();
        let offset = |weights: &Option<Array>, bias: &Option<Array>, t: usize, len: usize| -> Vec<f64> {
            (0..len)
                .map(|i| {
                    let from_inputs: f64 = weights.as_ref().map_or(0.0, |w| {
                        (0..u).map(|j| w.values()[i * u + j] * sequence.input(t)[j]).sum()
                    });
                    from_inputs + bias.as_ref().map_or(0.0, |b| b.values()[i])
                })
                .collect()
        };
        let per_step = |weights: &Option<Array>, bias: &Option<Array>, len: usize| {
            GaussianSteps::per_step(&(0..steps).map(|t| offset(weights, bias, t, len)).collect::<Vec<_>>())
        };
        let problem = GaussianProblem {
            name: String::new(),
            state_dim: d,
            emission_dim: m,
            num_steps: steps,
            initial_mean: lowered.initial_mean.values().to_vec(),
            initial_cov: lowered.initial_cov.values().to_vec(),
            initial_diffuse: None,
            transition: GaussianSteps::fixed(lowered.dynamics_weights.values()),
            transition_offset: per_step(&lowered.dynamics_input_weights, &lowered.dynamics_bias, d),
            transition_cov: GaussianSteps::fixed(lowered.dynamics_cov.values()),
            emission: GaussianSteps::fixed(lowered.emissions_weights.values()),
            emission_offset: per_step(&lowered.emissions_input_weights, &lowered.emissions_bias, m),
            emission_cov: GaussianSteps::fixed(lowered.emissions_cov.values()),
            diagonal_noise: lowered.diagonal_emissions_cov,
            emissions: sequence.emissions.to_vec(),
        };
        let joint = joint_gaussian(&problem);
        let w = data.weight(n);
        loglik += w * joint.marginal_loglik;
        let mean = |t: usize| &joint.smoothed_means[t * d..(t + 1) * d];
        let path = |a: usize, b: usize| joint.path_cov[a * steps * d + b];
        let row = |state: &[f64], t: usize, bias: bool| {
            let mut row = state.to_vec();
            row.extend_from_slice(sequence.input(t));
            row.extend(bias.then_some(1.0));
            row
        };
        parts[0].add(w, mean(0), &[1.0], path, |_, _| 0.0, |_, _| 0.0);
        for t in 1..steps {
            let x = row(mean(t - 1), t, spec.has_dynamics_bias);
            let of_state = |i: usize, j: usize, at: (usize, usize), rows: usize| {
                if i < rows && j < d { path(at.0 * d + i, at.1 * d + j) } else { 0.0 }
            };
            parts[1].add(
                w,
                mean(t),
                &x,
                |i, j| of_state(i, j, (t, t), d),
                |i, j| of_state(i, j, (t, t - 1), d),
                |i, j| of_state(i, j, (t - 1, t - 1), d),
            );
        }
        for t in 0..steps {
            if sequence.emission(t).iter().all(|y| y.is_nan()) {
                continue;
            }
            let y = &joint.emission_means[t * m..(t + 1) * m];
            let x = row(mean(t), t, spec.has_emissions_bias);
            // Cov(y_t, z_t | Y) by conditioning once more: y_t as a state of a longer problem is not
            // there, so it is derived from the joint density of (z_t, e_t).
            let cross = cross_of_emission(&problem, &joint.smoothed_covs[t * d * d..(t + 1) * d * d], t);
            parts[2].add(
                w,
                y,
                &x,
                |i, j| joint.emission_covs[(t * m + i) * m + j],
                |i, j| if j < d { cross[i * d + j] } else { 0.0 },
                |i, j| if i < d && j < d { path(t * d + i, t * d + j) } else { 0.0 },
            );
        }
    }
    let forms = [&spec.initial_cov, &spec.dynamics_cov, &spec.emissions_cov];
    (parts.iter().zip(forms).flat_map(|(part, form)| part.flat(form)).collect(), loglik)
}

/// Cov(y_t, z_t | Y) with one missing entry m at a time: y_m = B z + noise, B = H_m − R_mo R_oo⁻¹ H_o, by
/// solving with Gaussian elimination.
fn cross_of_emission(problem: &GaussianProblem, cov: &[f64], t: usize) -> Vec<f64> {
    let (d, m) = (problem.state_dim, problem.emission_dim);
    let (h, r) = (&problem.emission.values, problem.noise(t));
    let y = &problem.emissions[t * m..(t + 1) * m];
    let observed: Vec<usize> = (0..m).filter(|i| !y[*i].is_nan()).collect();
    let mut cross = vec![0.0; m * d];
    for missing in (0..m).filter(|i| y[*i].is_nan()) {
        let gain = solve(
            observed.iter().map(|i| observed.iter().map(|j| r[i * m + j]).collect()).collect(),
            observed.iter().map(|i| r[missing * m + i]).collect(),
        );
        for j in 0..d {
            let b = |k: usize| {
                h[missing * d + k] - observed.iter().zip(&gain).map(|(o, g)| g * h[o * d + k]).sum::<f64>()
            };
            cross[missing * d + j] = (0..d).map(|k| b(k) * cov[k * d + j]).sum();
        }
    }
    cross
}

fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for k in 0..n {
        for i in k + 1..n {
            let f = a[i][k] / a[k][k];
            for j in k..n {
                a[i][j] -= f * a[k][j];
            }
            b[i] -= f * b[k];
        }
    }
    for k in (0..n).rev() {
        b[k] = (b[k] - (k + 1..n).map(|j| a[k][j] * b[j]).sum::<f64>()) / a[k][k];
    }
    b
}

struct Dense {
    n: usize,
    p: usize,
    count: f64,
    yx: Vec<f64>,
    xx: Vec<f64>,
    yy: Vec<f64>,
}

impl Dense {
    fn new(n: usize, p: usize) -> Self {
        Dense { n, p, count: 0.0, yx: vec![0.0; n * p], xx: vec![0.0; p * p], yy: vec![0.0; n * n] }
    }

    fn add(
        &mut self,
        w: f64,
        y: &[f64],
        x: &[f64],
        yy: impl Fn(usize, usize) -> f64,
        yx: impl Fn(usize, usize) -> f64,
        xx: impl Fn(usize, usize) -> f64,
    ) {
        let (n, p) = (self.n, self.p);
        self.count += w;
        (0..n * n).for_each(|a| self.yy[a] += w * (y[a / n] * y[a % n] + yy(a / n, a % n)));
        (0..n * p).for_each(|a| self.yx[a] += w * (y[a / p] * x[a % p] + yx(a / p, a % p)));
        (0..p * p).for_each(|a| self.xx[a] += w * (x[a / p] * x[a % p] + xx(a / p, a % p)));
    }

    fn flat(&self, form: &CovarianceForm) -> Vec<f64> {
        let n = self.n;
        let yy = match form.is_diagonal() {
            false => self.yy.clone(),
            true => (0..n).map(|i| self.yy[i * n + i]).collect(),
        };
        [vec![self.count], self.yx.clone(), self.xx.clone(), yy].concat()
    }
}

fn close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let error = (got - want).abs();
        assert!(error <= tolerance * (1.0 + want.abs()), "{what}, entry {i}: {got} for {want}");
    }
}

#[test]
fn statistics_are_those_of_dense_conditioning_with_any_missing_entries() {
    for scene in scenes() {
        let (values, loglik) = dense_statistics(&scene);
        let got = scene.model.e_step(&scene.params, &scene.data()).unwrap();
        close(scene.name, &got.values, &values, 1e-11);
        close(scene.name, &[got.marginal_loglik], &[loglik], 1e-11);
    }
}

#[test]
fn statistics_add_up_over_sequences_that_share_covariances_or_not() {
    for scene in scenes() {
        let (model, data) = (&scene.model, scene.data());
        let whole = model.e_step(&scene.params, &data).unwrap();
        let mut sum = Statistics::zeros(whole.values.len());
        for n in 0..data.num_sequences() {
            sum.merge(&model.e_step(&scene.params, &data.select(&[n])).unwrap());
        }
        close(scene.name, &whole.values, &sum.values, 1e-13);
        close(
            scene.name,
            &[whole.num_steps, whole.num_sequences],
            &[sum.num_steps, sum.num_sequences],
            0.0,
        );
    }
}

/// Central differences of a function of the free coordinates.
fn differences(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let step = 1e-5;
    let at = |i: usize, h: f64| {
        let mut x = x.to_vec();
        x[i] += h;
        f(&x)
    };
    (0..x.len()).map(|i| (at(i, step) - at(i, -step)) / (2.0 * step)).collect()
}

/// Differences of a likelihood near −100 have seven digits.
#[test]
fn the_score_is_the_slope_of_the_log_likelihood_and_the_log_prior() {
    for scene in scenes() {
        let properties = Properties::trainable(scene.model.schema());
        let space = FreeSpace::new(scene.model.schema(), &properties, &scene.params);
        let x = space.to_free(&scene.params);
        let objective =
            Objective { model: &scene.model, space: &space, prior: true, log_det_jacobian: false };
        let got = objective.evaluate(&x, &scene.data(), 1.0).unwrap();
        let want = differences(&x, |x| scene.objective(&space.from_free(x)));
        close(scene.name, &got.gradient, &want, 3e-7);
    }
}

/// Everything free; parts fixed; entries fixed; entries tied.
fn constraints(scene: &Scene) -> Vec<(&'static str, Properties)> {
    let schema = scene.model.schema();
    let plain = Properties::trainable(schema);
    let place = |path: &str| schema.iter().position(|s| s.path == path).unwrap();
    let size = |path: &str| schema[place(path)].shape.iter().product::<usize>();
    let set = |changes: &[(&str, ParamProperties)]| {
        let mut properties = plain.clone();
        changes.iter().for_each(|(path, property)| properties.0[place(path)] = property.clone());
        properties
    };
    let fixed = || ParamProperties { trainable: false, ..Default::default() };
    let every_other = |path: &str| ParamProperties {
        free: Some((0..size(path)).map(|i| i % 2 == 0).collect()),
        ..Default::default()
    };
    let tied = |path: &str| ParamProperties { equal: vec![vec![0, size(path) - 1]], ..Default::default() };
    let mut list = vec![
        ("free", plain.clone()),
        ("weights fixed", set(&[("dynamics.weights", fixed()), ("emissions.weights", fixed())])),
        (
            "noise fixed",
            set(&[("dynamics.cov", fixed()), ("emissions.cov", fixed()), ("initial.cov", fixed())]),
        ),
        (
            "entries fixed",
            set(&[
                ("dynamics.weights", every_other("dynamics.weights")),
                ("emissions.weights", every_other("emissions.weights")),
                ("initial.mean", every_other("initial.mean")),
            ]),
        ),
    ];
    if scene.model.spec().state_dim > 1 {
        list.push((
            "entries tied",
            set(&[
                ("dynamics.weights", tied("dynamics.weights")),
                ("emissions.weights", tied("emissions.weights")),
                ("initial.mean", tied("initial.mean")),
            ]),
        ));
        if scene.model.spec().dynamics_cov == CovarianceForm::Diagonal {
            list.push((
                "variances tied",
                set(&[
                    ("dynamics.cov", tied("dynamics.cov")),
                    ("dynamics.weights", tied("dynamics.weights")),
                ]),
            ));
        }
    }
    list
}

#[test]
fn em_never_goes_down_whatever_is_fixed_or_tied() {
    for scene in scenes() {
        for (what, properties) in constraints(&scene) {
            let em = Em { num_iters: 60, tolerance: None, prior: true };
            let report =
                em.fit(&scene.model, &scene.params, &properties, &scene.data(), &mut |_| true).unwrap();
            for pair in report.log_probs.windows(2) {
                assert!(pair[1] >= pair[0] - 1e-9 * pair[0].abs(), "{} {what}: {pair:?}", scene.name);
            }
            assert!(report.log_probs[1] > report.log_probs[0], "{} {what}", scene.name);
            for ((spec, property), (before, after)) in scene
                .model
                .schema()
                .iter()
                .zip(&properties.0)
                .zip(scene.params.arrays().iter().zip(report.params.arrays()))
            {
                for (i, (before, after)) in before.values().iter().zip(after.values()).enumerate() {
                    let moved = before != after;
                    assert!(property.may_move(i) || !moved, "{} {what}: {}", scene.name, spec.path);
                }
                for group in &property.equal {
                    let values = after.values();
                    assert!(group.iter().all(|i| values[*i] == values[group[0]]), "{what}: {}", spec.path);
                }
            }
        }
    }
}

/// With all weights free one M-step is the joint maximum; else repeated ones are.
#[test]
fn the_m_step_is_where_the_expected_slope_vanishes() {
    for scene in scenes() {
        for (what, properties) in constraints(&scene) {
            let space = FreeSpace::new(scene.model.schema(), &properties, &scene.params);
            let mut params = space.tie(&scene.params);
            let statistics = scene.model.e_step(&params, &scene.data()).unwrap();
            for _ in 0..if what == "free" { 1 } else { 400 } {
                params = scene.model.m_step(&params, &properties, &statistics, true).unwrap().params;
            }
            let mut slope = scene.model.score(&params, &statistics);
            let prior = scene.model.log_prior_gradient(&params);
            for (s, p) in slope.arrays_mut().iter_mut().zip(prior.arrays()) {
                s.values_mut().iter_mut().zip(p.values()).for_each(|(s, p)| *s += p);
            }
            let slope = space.pull_back(&params, &slope);
            close(&format!("{} {what}", scene.name), &slope, &vec![0.0; slope.len()], 1e-9);
        }
    }
}

/// Both climb the same hill; 1e-6 is what 2000 steps of EM reach.
#[test]
fn em_and_quasi_newton_reach_the_same_constrained_maximum() {
    let scene = &scenes()[7];
    for (what, properties) in constraints(scene).into_iter().filter(|(what, _)| *what != "noise fixed") {
        let em = Em { num_iters: 4000, tolerance: Some(1e-13), prior: true };
        let climbed =
            em.fit(&scene.model, &scene.params, &properties, &scene.data(), &mut |_| true).unwrap();
        let newton = QuasiNewton { num_iters: 2000, ..QuasiNewton::default() };
        let fitted =
            newton.fit(&scene.model, &climbed.params, &properties, &scene.data(), &mut |_| true).unwrap();
        let (em, newton) = (scene.objective(&climbed.params), scene.objective(&fitted.params));
        assert!((em - newton).abs() < 1e-6 * (1.0 + em.abs()), "{what}: EM {em}, L-BFGS {newton}");
    }
}

#[test]
fn a_variance_of_zero_stays_zero_and_its_row_as_it_is() {
    use CovarianceForm::{Diagonal, Full};
    for form in [Full, Diagonal] {
        let spec = LinearGaussianSpec {
            dynamics_cov: form.clone(),
            initial_cov: form.clone(),
            ..LinearGaussianSpec::new(2, 2)
        };
        let mut scene = Scene::new("no noise", spec);
        let place = |path: &str| scene.model.schema().iter().position(|s| s.path == path).unwrap();
        let (cov, weights) = (place("dynamics.cov"), place("dynamics.weights"));
        let noise = if form == Full { vec![0.4, 0.0, 0.0, 0.0] } else { vec![0.4, 0.0] };
        scene.params.arrays_mut()[cov].values_mut().copy_from_slice(&noise);
        let em = Em { num_iters: 30, tolerance: None, prior: true };
        let properties = Properties::trainable(scene.model.schema());
        let report =
            em.fit(&scene.model, &scene.params, &properties, &scene.data(), &mut |_| true).unwrap();
        assert!(
            report.log_probs.windows(2).all(|p| p[1] >= p[0] - 1e-9 * p[0].abs()),
            "{:?}",
            report.log_probs
        );
        let fitted = report.params.arrays();
        assert_eq!(fitted[weights].row(1), scene.params.arrays()[weights].row(1));
        assert_ne!(fitted[weights].row(0), scene.params.arrays()[weights].row(0));
        assert_eq!(fitted[cov].values().last(), Some(&0.0));
    }
}

/// One sequence cannot tell S: it shrinks to nothing, but never to a matrix that is not a covariance.
#[test]
fn the_initial_covariance_of_one_sequence_collapses_without_harm() {
    let mut scene = Scene::new("one sequence", LinearGaussianSpec::new(2, 2));
    let schema = scene.model.schema();
    let place = |path: &str| schema.iter().position(|s| s.path == path).unwrap();
    scene.params.arrays_mut()[place("initial.mean")].values_mut().fill(20.0);
    let properties = Properties::trainable(schema);
    let mut rng = Seed(1).stream("noise", 0);
    let mut state = [0.0, 0.0];
    let mut rows = Vec::new();
    for _ in 0..300 {
        let mut noise = || -> f64 { StandardNormal.sample(&mut rng) };
        state = [0.8 * state[0] + 0.3 * state[1] + noise(), 0.6 * state[1] - 0.3 * state[0] + noise()];
        rows.extend([state[0] + 0.5 * noise(), 0.7 * state[1] + 0.5 * noise() + 3.0]);
    }
    let data = Dataset::single(rows, 2).unwrap();
    let em = Em { num_iters: 3000, tolerance: None, prior: true };
    let report = em.fit(&scene.model, &scene.params, &properties, &data, &mut |_| true).unwrap();
    report.params.check(schema).unwrap();
    for pair in report.log_probs.windows(2) {
        assert!(pair[1] >= pair[0] - 1e-9 * pair[0].abs(), "{pair:?}");
    }
    assert!(report.warnings.iter().any(|w| w.contains("collapsed")), "{:?}", report.warnings);
}

/// S = Σ_n (P_n + m_n m_nᵀ) / N − m mᵀ: Dynamax 1.0.3 forgets an N, and S is indefinite after one step.
#[test]
fn the_initial_covariance_of_several_sequences_is_the_pooled_one() {
    let model = LinearGaussianSsm::new(LinearGaussianSpec::new(2, 2)).unwrap();
    let params = params_of(&model, 0.0);
    let rows: Vec<f64> = waves(2 * 40, 0.3).iter().map(|x| 5.0 + 3.0 * x).collect();
    let data = Dataset::batch(rows, 8, 2).unwrap();
    let smoothed =
        model.lower(&params).unwrap().smoother(&data, &GaussianOptions::default()).unwrap().smoothed;
    let mean_of = |n: usize| &smoothed.means[5 * n * 2..5 * n * 2 + 2];
    let mean: Vec<f64> = (0..2).map(|i| (0..8).map(|n| mean_of(n)[i]).sum::<f64>() / 8.0).collect();
    let entry = |i: usize, j: usize| {
        let around = |n: usize| (mean_of(n)[i] - mean[i]) * (mean_of(n)[j] - mean[j]);
        (0..8).map(|n| smoothed.covs.of(n, 0)[i * 2 + j] + around(n)).sum::<f64>() / 8.0
    };
    let statistics = model.e_step(&params, &data).unwrap();
    let properties = Properties::trainable(model.schema());
    let next = model.m_step(&params, &properties, &statistics, true).unwrap().params;
    close("m", next.arrays()[0].values(), &mean, 1e-12);
    close("S", next.arrays()[1].values(), &[entry(0, 0), entry(0, 1), entry(1, 0), entry(1, 1)], 1e-11);
}

/// The statistics do not tell the slope along directions without noise; the reverse sweep does.
#[test]
fn the_slope_is_exact_where_covariances_are_singular() {
    let mut scene =
        Scene::new("singular", LinearGaussianSpec { input_dim: 1, ..LinearGaussianSpec::new(2, 2) });
    let schema = scene.model.schema().to_vec();
    let place = |path: &str| schema.iter().position(|s| s.path == path).unwrap();
    let cov = [0.4, 0.2, 0.2, 0.1];
    scene.params.arrays_mut()[place("dynamics.cov")].values_mut().copy_from_slice(&cov);
    scene.params.arrays_mut()[place("initial.cov")].values_mut().fill(0.0);
    let mut properties = Properties::trainable(&schema);
    for path in ["dynamics.cov", "initial.cov"] {
        properties.0[place(path)].trainable = false;
    }
    let space = FreeSpace::new(&schema, &properties, &scene.params);
    let x = space.to_free(&scene.params);
    let objective = Objective { model: &scene.model, space: &space, prior: false, log_det_jacobian: false };
    let got = objective.evaluate(&x, &scene.data(), 1.0).unwrap();
    let want = differences(&x, |x| scene.loglik(&space.from_free(x)));
    close("singular", &got.gradient, &want, 3e-7);
    let newton = QuasiNewton { num_iters: 30, ..QuasiNewton::default() };
    let report =
        newton.fit(&scene.model, &scene.params, &properties, &scene.data(), &mut |_| true).unwrap();
    assert!(report.final_log_prob().unwrap() > report.log_probs[0] + 1.0);
    assert_eq!(report.params.arrays()[place("dynamics.cov")].values(), cov);
}

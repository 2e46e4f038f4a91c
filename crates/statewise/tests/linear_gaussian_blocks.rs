//! Covariances in blocks: models apart and together, forms against brute force, learners against each other.

use statewise::Seed;
use statewise::data::Dataset;
use statewise::infer::gaussian::GaussianOptions;
use statewise::learn::{Adam, Em, GradientDescent, Learnable, Learner, Optimizer, QuasiNewton, Rule};
use statewise::model::linear_gaussian::{
    BlockForm, CovarianceBlock, CovarianceForm, InverseWishart, LinearGaussianSpec, LinearGaussianSsm,
    Start,
};
use statewise::params::{Array, FreeSpace, ParamProperties, Params, Properties};

fn block(entries: &[usize], form: BlockForm) -> CovarianceBlock {
    CovarianceBlock::new(entries, form)
}

fn place(model: &LinearGaussianSsm, path: &str) -> usize {
    model.schema().iter().position(|s| s.path == path).unwrap()
}

fn start(model: &LinearGaussianSsm, given: &[(&str, Vec<f64>)]) -> Params {
    let given: Vec<(String, Array)> = given
        .iter()
        .map(|(path, values)| {
            let shape = &model.schema()[place(model, path)].shape;
            ((*path).to_owned(), Array::new(shape, values.clone()))
        })
        .collect();
    model.initialize(Start::Default, Seed(0), &given).unwrap().0
}

/// Noisy waves with gaps, \[steps, width\].
fn rows(steps: usize, width: usize) -> Vec<f64> {
    let mut rng = Seed(5).stream("rows", 0);
    let mut common = 0.0;
    let mut rows = Vec::new();
    for t in 0..steps {
        let mut noise =
            || -> f64 { rand_distr::Distribution::sample(&rand_distr::StandardNormal, &mut rng) };
        common = 0.9 * common + 0.5 * noise();
        let shock = noise();
        for i in 0..width {
            let y = (1.0 - 0.3 * i as f64) * common + 0.6 * shock + 0.7 * noise();
            rows.push(if (t * width + i) % 11 == 3 { f64::NAN } else { y });
        }
    }
    rows
}

fn em(num_iters: usize) -> Em {
    Em { num_iters, tolerance: None, prior: true }
}

fn close(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance * (1.0 + want.abs()), "{what}: {got} for {want}");
}

/// diag(A, B) of matrices of two rows.
fn direct_sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    vec![a[0], a[1], 0., 0., a[2], a[3], 0., 0., 0., 0., b[0], b[1], 0., 0., b[2], b[3]]
}

#[test]
fn a_block_diagonal_model_is_two_models_fitted_apart() {
    let steps = 60;
    let all = rows(steps, 4);
    let part = LinearGaussianSsm::new(LinearGaussianSpec::new(2, 2)).unwrap();
    let halves =
        || CovarianceForm::Blocks(vec![block(&[0, 1], BlockForm::Full), block(&[2, 3], BlockForm::Full)]);
    let whole = LinearGaussianSsm::new(LinearGaussianSpec {
        initial_cov: halves(),
        dynamics_cov: halves(),
        emissions_cov: halves(),
        ..LinearGaussianSpec::new(4, 4)
    })
    .unwrap();
    let (a, b) = (vec![1.0, 0.2, -0.3, 0.8], vec![0.7, -0.1, 0.4, 1.1]);
    let starts = [&a, &b].map(|h| start(&part, &[("emissions.weights", h.clone())]));
    let together = start(&whole, &[("emissions.weights", direct_sum(&a, &b))]);
    let mut properties = Properties::trainable(whole.schema());
    let inside: Vec<bool> = (0..16).map(|at| (at / 4 < 2) == (at % 4 < 2)).collect();
    for path in ["dynamics.weights", "emissions.weights"] {
        properties.0[place(&whole, path)] =
            ParamProperties { free: Some(inside.clone()), ..Default::default() };
    }
    let data = Dataset::single(&all[..], 4).unwrap();
    // The first iterations only: initial covariances of single sequences then begin to collapse.
    let fit = em(8).fit(&whole, &together, &properties, &data, &mut |_| true).unwrap();
    let plain = Properties::trainable(part.schema());
    let fits = [0, 2].map(|first| {
        let half: Vec<f64> = all.chunks_exact(4).flat_map(|y| y[first..first + 2].to_vec()).collect();
        let data = Dataset::single(half, 2).unwrap();
        em(8).fit(&part, &starts[first / 2], &plain, &data, &mut |_| true).unwrap()
    });
    for (k, log_prob) in fit.log_probs.iter().enumerate() {
        close("log likelihood", *log_prob, fits[0].log_probs[k] + fits[1].log_probs[k], 1e-10);
    }
    for (array, spec) in whole.schema().iter().enumerate() {
        let parts = [0, 1].map(|k| fits[k].params.arrays()[array].values());
        let want = if parts[0].len() == 4 { direct_sum(parts[0], parts[1]) } else { parts.concat() };
        for (got, want) in fit.params.arrays()[array].values().iter().zip(want) {
            close(&spec.path, *got, want, 1e-8);
        }
    }
}

/// A grid that narrows around its best point.
fn brute_force(mut centre: [f64; 2], f: impl Fn([f64; 2]) -> f64) -> [f64; 2] {
    let mut width = 1.5;
    while width > 1e-7 {
        let grid = (-4..=4).flat_map(|i| (-4..=4).map(move |j| (f64::from(i) / 4.0, f64::from(j) / 4.0)));
        let points = grid.map(|(i, j)| [centre[0] + width * i, centre[1] + width * j]);
        centre = points.max_by(|a, b| f(*a).total_cmp(&f(*b))).unwrap();
        width *= 0.6;
    }
    centre
}

/// A likelihood tells its maximum to half its digits: 1e-6.
#[test]
fn em_of_equal_variances_and_covariances_finds_what_brute_force_finds() {
    let r = CovarianceForm::Blocks(vec![block(&[0, 1, 2], BlockForm::Equal)]);
    let model =
        LinearGaussianSsm::new(LinearGaussianSpec { emissions_cov: r, ..LinearGaussianSpec::new(1, 3) })
            .unwrap();
    let matrix = |v: f64, c: f64| vec![v, c, c, c, v, c, c, c, v];
    let params = start(&model, &[("emissions.cov", matrix(1.0, 0.1))]);
    let mut properties = Properties::trainable(model.schema());
    let cov = place(&model, "emissions.cov");
    (0..properties.0.len()).filter(|i| *i != cov).for_each(|i| properties.0[i].trainable = false);
    let rows = rows(40, 3);
    let data = Dataset::single(&rows[..], 3).unwrap();
    let fit = em(400).fit(&model, &params, &properties, &data, &mut |_| true).unwrap();
    let loglik = |[log_across, log_along]: [f64; 2]| {
        let (across, along) = (log_across.exp(), log_along.exp());
        let c = (along - across) / 3.0;
        let mut at = params.clone();
        at.arrays_mut()[cov].values_mut().copy_from_slice(&matrix(c + across, c));
        model.lower(&at).unwrap().marginal_log_prob(&data, &GaussianOptions::default()).unwrap()[0]
    };
    let [across, along] = brute_force([0.0, 0.0], loglik).map(f64::exp);
    let values = fit.params.arrays()[cov].values();
    assert_eq!(values, matrix(values[0], values[1]));
    close("across", values[0] - values[1], across, 1e-6);
    close("along", values[0] + 2.0 * values[1], along, 1e-6);
    close("log likelihood", *fit.log_probs.last().unwrap(), loglik([across.ln(), along.ln()]), 1e-10);
}

/// A model with blocks of every form, fixed and shared, in which Q and R are to be learned.
fn patchwork(prior: bool) -> (LinearGaussianSsm, Params, Properties) {
    let q = CovarianceForm::Blocks(vec![
        block(&[2, 0], BlockForm::Full),
        block(&[1], BlockForm::Scalar).fixed(),
    ]);
    let last = if prior { BlockForm::Scalar } else { BlockForm::Equal };
    let r = CovarianceForm::Blocks(vec![
        block(&[0, 4], BlockForm::Full).shared("pair"),
        block(&[3, 1], BlockForm::Full).shared("pair"),
        block(&[2, 5, 6], last),
    ]);
    let spec = LinearGaussianSpec { dynamics_cov: q, emissions_cov: r, ..LinearGaussianSpec::new(3, 7) };
    let spec = if prior { spec.with_default_priors() } else { spec };
    let model = LinearGaussianSsm::new(spec).unwrap();
    let h = (0..21).map(|at| if at % 3 == at / 3 % 3 { 1.0 } else { 0.2 }).collect();
    let params = start(&model, &[("emissions.weights", h)]);
    let mut properties = Properties::trainable(model.schema());
    for (spec, property) in model.schema().iter().zip(&mut properties.0) {
        property.trainable = spec.path == "dynamics.cov" || spec.path == "emissions.cov";
    }
    (model, params, properties)
}

/// 1e-7: what remains to climb where a step of EM gains less than 1e-12.
#[test]
fn em_lbfgs_and_gradient_descent_reach_one_maximum() {
    for prior in [false, true] {
        let (model, params, properties) = patchwork(prior);
        // Data of the model, so that no variance of the maximum is near zero.
        let mut truth = params.clone();
        let q = truth.arrays_mut()[place(&model, "dynamics.cov")].values_mut();
        (q[0], q[2], q[6], q[8]) = (1.0, 0.5, 0.5, 1.5);
        let mut rows = model.lower(&truth).unwrap().sample(Seed(7), 0, 120, &[]).unwrap().1;
        rows.iter_mut().skip(3).step_by(11).for_each(|y| *y = f64::NAN);
        let data = Dataset::single(&rows[..], 7).unwrap();
        let newton = QuasiNewton { num_iters: 500, ..QuasiNewton::default() };
        let descent = GradientDescent {
            num_epochs: 1500,
            optimizer: Optimizer::constant(Rule::Adam(Adam::default()), 0.03),
            ..GradientDescent::default()
        };
        let fits = [
            em(3000).fit(&model, &params, &properties, &data, &mut |_| true).unwrap().params,
            newton.fit(&model, &params, &properties, &data, &mut |_| true).unwrap().params,
            descent.fit(&model, &params, &properties, &data, &mut |_| true).unwrap().params,
        ];
        let objective = |params: &Params| {
            let prior = if prior { model.log_prior(params) } else { 0.0 };
            model.e_step(params, &data).unwrap().marginal_loglik + prior
        };
        let best = objective(&fits[0]);
        assert!(best > objective(&params) + 1.0);
        for (k, fit) in fits.iter().enumerate() {
            close(&format!("learner {k}, prior {prior}"), objective(fit), best, 1e-7);
            fit.check(model.schema()).unwrap();
            let (q, r) = (&fit.arrays()[place(&model, "dynamics.cov")], place(&model, "emissions.cov"));
            assert_eq!(q.values()[4], 0.1, "the fixed block");
            assert_eq!([q.values()[1], q.values()[3], q.values()[5]], [0.0; 3], "between blocks");
            let r = fit.arrays()[r].values();
            assert_eq!([r[0], r[4], r[4 * 7 + 4]], [r[3 * 7 + 3], r[3 * 7 + 1], r[7 + 1]], "shared blocks");
        }
    }
}

#[test]
fn a_block_has_the_marginal_of_the_inverse_wishart() {
    let r = CovarianceForm::Blocks(vec![block(&[2, 0], BlockForm::Full), block(&[1], BlockForm::Full)]);
    let spec = LinearGaussianSpec { emissions_cov: r, ..LinearGaussianSpec::new(1, 3) };
    let mut spec = spec.with_default_priors();
    let scale = vec![2.0, 0.3, 0.5, 0.3, 1.5, 0.1, 0.5, 0.1, 0.8];
    let prior = &mut spec.prior.as_mut().unwrap().emissions;
    (prior.df, prior.scale) = (6.5, Array::new(&[3, 3], scale));
    let weights = prior.clone();
    let model = LinearGaussianSsm::new(spec).unwrap();
    let log_prior = |r: &[f64]| model.log_prior(&start(&model, &[("emissions.cov", r.to_vec())]));
    let direct = |r: &[f64]| {
        let params = start(&model, &[("emissions.cov", r.to_vec())]);
        let w: Vec<f64> = ["emissions.weights", "emissions.bias"]
            .map(|path| params.arrays()[place(&model, path)].values().to_vec())
            .concat();
        let w: Vec<f64> = (0..6).map(|at| w[at % 2 * 3 + at / 2]).collect();
        let pair = InverseWishart { df: 5.5, scale: Array::new(&[2, 2], vec![0.8, 0.5, 0.5, 2.0]) };
        let single = InverseWishart { df: 4.5, scale: Array::new(&[1, 1], vec![1.5]) };
        weights.weights_log_prob(&w, r)
            + pair.log_prob(&[r[8], r[2], r[2], r[0]])
            + single.log_prob(&r[4..5])
    };
    let (a, b) =
        ([1.0, 0.0, 0.4, 0.0, 2.0, 0.0, 0.4, 0.0, 0.5], [0.3, 0., -0.1, 0., 0.7, 0., -0.1, 0., 1.5]);
    close("difference", log_prior(&a) - log_prior(&b), direct(&a) - direct(&b), 1e-12);
}

#[test]
fn what_blocks_cannot_be_is_an_error_with_a_name() {
    use BlockForm::{Diagonal, Equal, Full};
    let build = |blocks: Vec<CovarianceBlock>| {
        let form = CovarianceForm::Blocks(blocks);
        LinearGaussianSpec { emissions_cov: form, ..LinearGaussianSpec::new(1, 4) }
    };
    let message = |blocks| LinearGaussianSsm::new(build(blocks)).unwrap_err().to_string();
    let (front, back) = (block(&[0, 1], Full), block(&[2, 3], Full));
    assert!(message(vec![front.clone()]).contains("no block with entry 2"));
    assert!(
        message(vec![front.clone(), block(&[1, 2, 3], Full)]).contains("entry 1, out of range or twice")
    );
    assert!(message(vec![front.clone(), block(&[2, 4], Full)]).contains("emissions_cov.blocks[1]"));
    assert!(message(vec![block(&[], Full)]).contains("no entries"));
    let unlike = vec![front.clone().shared("x"), block(&[2, 3], Diagonal).shared("x")];
    assert!(message(unlike).contains("emissions_cov.blocks[1]"));
    let equal = build(vec![front.clone(), block(&[2, 3], Equal)]).with_default_priors();
    assert!(LinearGaussianSsm::new(equal).unwrap_err().to_string().contains("conjugate prior"));

    let spec = build(vec![front.clone().shared("x"), back.clone().shared("x")]);
    let json = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<LinearGaussianSpec>(&json).unwrap(), spec);
    let model = LinearGaussianSsm::new(spec).unwrap();
    let cov = place(&model, "emissions.cov");
    let check = |values: [f64; 3]| {
        let mut params = start(&model, &[]);
        let [variance, other, between] = values;
        let r = params.arrays_mut()[cov].values_mut();
        (r[0], r[10], r[2]) = (variance, other, between);
        params.check(model.schema()).map_err(|e| e.to_string())
    };
    assert!(check([0.1, 0.1, 0.0]).is_ok());
    assert!(check([0.1, 0.2, 0.0]).unwrap_err().contains("share"));
    assert!(check([0.1, 0.1, 0.01]).unwrap_err().contains("support"));
    assert!(check([-0.1, -0.1, 0.0]).unwrap_err().contains("block of entry (0, 0)"));
    let mut properties = Properties::trainable(model.schema());
    properties.0[cov].free = Some((0..16).map(|at| at >= 8).collect());
    assert!(properties.check(model.schema()).unwrap_err().to_string().contains("emissions.cov.free"));
}

/// Differences have half the digits.
#[test]
fn coordinates_of_equal_blocks_are_a_bijection_with_the_jacobian_they_state() {
    let blocks = vec![
        block(&[0, 2, 3], BlockForm::Equal).shared("a"),
        block(&[1, 4, 5], BlockForm::Equal).shared("a"),
    ];
    let r = CovarianceForm::Blocks(blocks);
    let spec = LinearGaussianSpec { emissions_cov: r, ..LinearGaussianSpec::new(1, 6) };
    let model = LinearGaussianSsm::new(spec).unwrap();
    let cov = place(&model, "emissions.cov");
    let mut properties = Properties::trainable(model.schema());
    (0..properties.0.len()).filter(|i| *i != cov).for_each(|i| properties.0[i].trainable = false);
    let space = FreeSpace::new(model.schema(), &properties, &start(&model, &[]));
    let x = [0.3, 1.2];
    let params = space.from_free(&x);
    params.check(model.schema()).unwrap();
    space.to_free(&params).iter().zip(x).for_each(|(got, want)| close("x", *got, want, 1e-14));
    let pair = |x: [f64; 2]| {
        let params = space.from_free(&x);
        [0, 2].map(|at| params.arrays()[cov].values()[at])
    };
    let h = 1e-5;
    let slope = |up: [f64; 2], down: [f64; 2]| [0, 1].map(|k| (pair(up)[k] - pair(down)[k]) / (2.0 * h));
    let a = slope([x[0] + h, x[1]], [x[0] - h, x[1]]);
    let b = slope([x[0], x[1] + h], [x[0], x[1] - h]);
    let determinant = (a[0] * b[1] - a[1] * b[0]).abs();
    close("log det", space.log_det_jacobian(&params), determinant.ln(), 1e-8);
    assert_eq!(space.log_det_jacobian_gradient(&params), [1.0, 1.0]);
}

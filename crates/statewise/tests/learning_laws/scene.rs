//! Every family as a whole model, with drawn parameters and data.

use rand::RngExt;
use serde_json::{Value, json};
use statewise::data::Dataset;
use statewise::model::hmm::emission::EmissionSpec;
use statewise::model::hmm::transition::{SoftmaxTransitions, TransitionSpec};
use statewise::model::hmm::{Hmm, HmmSpec, Start};
use statewise::params::{Constraint, FreeSpace, ParamProperties, ParamSpec, Params, Properties};
use statewise_kernels::random::Seed;

const GOLDEN: &str = include_str!("../../../../testdata/golden/dynamax_hmm.json");

/// A model with parameters, and data drawn from it: three ragged sequences with gaps.
pub(crate) struct Scene {
    pub(crate) name: String,
    pub(crate) hmm: Hmm,
    pub(crate) truth: Params,
    rows: Vec<f64>,
    inputs: Vec<f64>,
}

const LENGTHS: [usize; 3] = [25, 1, 14];

/// One scene for each family of Dynamax, each family beyond it, and input-driven transitions.
pub(crate) fn scenes() -> Vec<Scene> {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let mut specs: Vec<Value> = golden["models"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|m| m["name"] != "gaussian_batch")
        .map(|m| {
            let mut spec = m["constructor"].clone();
            spec["family"] = m["name"].clone();
            spec
        })
        .collect();
    for family in [
        "exponential",
        "log_normal",
        "negative_binomial",
        "von_mises",
        "zero_inflated_poisson",
        "student_t",
    ] {
        specs.push(json!({"family": family, "num_states": 2, "emission_dim": 2}));
    }
    let poisson = json!({"family": "poisson", "num_states": 2, "emission_dim": 1});
    let labels = json!({"family": "categorical", "num_states": 2, "emission_dim": 1, "num_classes": 3});
    specs.push(json!({
        "family": "channels",
        "channels": [poisson, labels]
    }));
    let mut scenes: Vec<Scene> = specs.into_iter().filter_map(scene).collect();
    scenes.push(softmax_transitions());
    scenes
}

/// A scene by the name of its family.
pub(crate) fn scene_of(name: &str) -> Scene {
    scenes().into_iter().find(|scene| scene.name == name).unwrap()
}

fn scene(mut spec: Value) -> Option<Scene> {
    let name = spec["family"].as_str().unwrap().to_owned();
    spec["family"] = Value::from(name.as_str());
    let spec: EmissionSpec = match serde_json::from_value(spec) {
        Ok(spec) => spec,
        Err(error) if error.to_string().contains("unknown variant") => return None,
        Err(error) => panic!("{name}: {error}"),
    };
    Some(draw(name, Hmm::new(HmmSpec::new(spec)).unwrap()))
}

fn softmax_transitions() -> Scene {
    let emission = json!({"family": "poisson", "num_states": 3, "emission_dim": 1});
    let emission: EmissionSpec = serde_json::from_value(emission).unwrap();
    let transitions = SoftmaxTransitions {
        num_states: 3,
        input_dim: 2,
        transition_weights_scale: 1.0,
        transition_stickiness: 1.0,
    };
    let spec = HmmSpec { transitions: TransitionSpec::Softmax(transitions), ..HmmSpec::new(emission) };
    draw("softmax_transitions".into(), Hmm::new(spec).unwrap())
}

fn draw(name: String, hmm: Hmm) -> Scene {
    let truth = moderate(&hmm);
    let (width, u) = (hmm.emission_width(), hmm.input_dim());
    let total: usize = LENGTHS.iter().sum();
    let inputs: Vec<f64> = (0..total * u).map(|i| (1.3 * i as f64 + 0.2).sin()).collect();
    let mut rows = Vec::new();
    for (n, length) in LENGTHS.into_iter().enumerate() {
        let t = rows.len() / width;
        let inputs = &inputs[t * u..(t + length) * u];
        rows.extend(hmm.sample(&truth, Seed(5), n as u64, length, inputs).unwrap().1);
    }
    rows[4 * width..5 * width].fill(f64::NAN);
    rows[11 * width] = f64::NAN;
    rows[30 * width + width - 1] = f64::NAN;
    Scene { name, hmm, truth, rows, inputs }
}

/// Parameters whose free coordinates lie between −1 and 1: of order one, and all different.
fn moderate(hmm: &Hmm) -> Params {
    let (drawn, properties) = hmm.initialize(Start::Prior, Seed(3), &[]).unwrap();
    let space = FreeSpace::new(hmm.schema(), &properties, &drawn);
    let mut rng = Seed(3).stream("truth", 0);
    let x: Vec<f64> = (0..space.dim()).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect();
    space.from_free(&x)
}

impl Scene {
    pub(crate) fn data(&self) -> Dataset<'_> {
        self.with_lengths(&LENGTHS, &self.rows, &self.inputs)
    }

    fn with_lengths<'a>(&self, lengths: &[usize], rows: &'a [f64], inputs: &'a [f64]) -> Dataset<'a> {
        let data = Dataset::ragged(rows, lengths, self.hmm.emission_width()).unwrap();
        match self.hmm.input_dim() {
            0 => data,
            dim => data.with_inputs(inputs, dim).unwrap(),
        }
    }

    /// Parameters near the truth, different for each seed.
    pub(crate) fn near_truth(&self, seed: u64) -> Params {
        let properties = Properties::trainable(self.hmm.schema());
        let space = FreeSpace::new(self.hmm.schema(), &properties, &self.truth);
        let mut rng = Seed(seed).stream("near_truth", 0);
        let x: Vec<f64> =
            space.to_free(&self.truth).iter().map(|x| x + 0.6 * (rng.random::<f64>() - 0.5)).collect();
        space.from_free(&x)
    }

    pub(crate) fn loglik(&self, params: &Params, data: &Dataset<'_>) -> f64 {
        let logliks = self.hmm.marginal_log_prob(params, data).unwrap();
        logliks.iter().enumerate().map(|(n, loglik)| data.weight(n) * loglik).sum()
    }

    pub(crate) fn trainable(&self) -> Properties {
        Properties::trainable(self.hmm.schema())
    }

    /// The first emission array wholly fixed.
    pub(crate) fn first_emission_fixed(&self) -> Properties {
        let mut properties = self.trainable();
        let index = self.hmm.schema().iter().position(|spec| spec.path.starts_with("emissions.")).unwrap();
        properties.0[index].trainable = false;
        properties
    }

    /// The first block of every array fixed in part where it can be, else as a whole.
    pub(crate) fn masked(&self) -> Properties {
        let mask = |spec: &ParamSpec| {
            let size: usize = spec.shape.iter().product();
            let whole = spec.constraint == Constraint::PositiveDefinite;
            let fixed = if whole { spec.constraint.block_len(&spec.shape) } else { 1 };
            ParamProperties { free: Some((0..size).map(|i| i >= fixed).collect()), ..Default::default() }
        };
        Properties(self.hmm.schema().iter().map(mask).collect())
    }

    /// States 0 and 1 tied in every array of their own values, but for the transitions.
    pub(crate) fn tied(&self) -> Properties {
        let mut properties = self.trainable();
        for (spec, property) in self.hmm.schema().iter().zip(&mut properties.0) {
            if spec.state_axes == 1 && !spec.is_one_block() {
                property.tied = vec![vec![0, 1]];
            }
        }
        properties
    }

    /// As [`Scene::tied`], with the first entry (or matrix) of both tied states fixed where it is.
    pub(crate) fn tied_and_masked(&self) -> Properties {
        let mut properties = self.tied();
        for (spec, property) in self.hmm.schema().iter().zip(&mut properties.0) {
            let size: usize = spec.shape.iter().product();
            let stride = size / spec.shape[0];
            let whole = spec.constraint == Constraint::PositiveDefinite;
            let fixed = if whole { spec.constraint.block_len(&spec.shape) } else { 1 };
            if !property.tied.is_empty() && stride > 1 {
                property.free = Some((0..size).map(|i| i >= 2 * stride || i % stride >= fixed).collect());
            }
        }
        properties
    }

    /// Panics if a fixed entry moved from `start`, or tied entries differ.
    pub(crate) fn check_kept(&self, properties: &Properties, start: &Params, got: &Params) {
        got.check(self.hmm.schema()).unwrap();
        for (i, (spec, property)) in self.hmm.schema().iter().zip(&properties.0).enumerate() {
            let (from, to) = (&start.arrays()[i], &got.arrays()[i]);
            for (j, (a, b)) in from.values().iter().zip(to.values()).enumerate() {
                let free = property.trainable && property.free.as_ref().is_none_or(|f| f[j]);
                assert!(free || a == b, "{} {}[{j}]: fixed {a} became {b}", self.name, spec.path);
            }
            // Tied distributions with different fixed entries share what is left in proportion only.
            if property.free.is_some() && spec.constraint == Constraint::Simplex {
                continue;
            }
            for group in &property.tied {
                let stride = to.stride();
                let free = |j: &usize| property.free.as_ref().is_none_or(|f| f[group[0] * stride + j]);
                for j in (0..stride).filter(free) {
                    let (a, b) = (to.row(group[0])[j], to.row(group[1])[j]);
                    assert_eq!(a, b, "{} {}: tied", self.name, spec.path);
                }
            }
        }
    }

    /// Whether a fit changed anything.
    pub(crate) fn moved(&self, start: &Params, got: &Params) -> bool {
        start.arrays() != got.arrays()
    }
}

/// A family added later must be added to [`scenes`]; the error for an unknown one lists them all.
#[test]
fn every_family_has_a_scene() {
    let names: Vec<String> = scenes().into_iter().map(|scene| scene.name).collect();
    let unknown = serde_json::from_value::<EmissionSpec>(json!({"family": "?"})).unwrap_err().to_string();
    let families: Vec<&str> = unknown.split('`').skip(3).step_by(2).collect();
    assert!(families.len() > 3, "{unknown}");
    for family in families {
        assert!(names.iter().any(|name| name == family), "no scene for {family}");
    }
}

//! Model files: what is saved reads back exactly; what is damaged is an error with a reason.

use std::path::PathBuf;

use proptest::prelude::*;
use statewise::Error;
use statewise::model::hmm::emission::{EmissionSpec, Poisson};
use statewise::model::hmm::transition::{StandardTransitions, TransitionSpec};
use statewise::model::hmm::{Hmm, HmmSpec, InitialState, Start};
use statewise::model::linear_gaussian::{self, CovarianceForm, LinearGaussianSpec, LinearGaussianSsm};
use statewise::output::{ModelFile, ModelSpec};
use statewise::params::ParamProperties;
use statewise_kernels::random::Seed;

fn testdata(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/model_files").join(name)
}

fn poisson(num_states: usize, emission_dim: usize, seed: u64) -> ModelFile {
    let hmm = Hmm::new(HmmSpec {
        initial: InitialState::new(num_states),
        transitions: TransitionSpec::Standard(StandardTransitions::new(num_states)),
        emissions: EmissionSpec::Poisson(Poisson {
            num_states,
            emission_dim,
            emission_prior_concentration: 1.1,
            emission_prior_rate: 0.1,
        }),
    })
    .unwrap();
    let (params, _) = hmm.initialize(Start::Prior, Seed(seed), &[]).unwrap();
    ModelFile::hmm("PoissonHMM", &hmm, params)
}

fn message(text: &str) -> String {
    match ModelFile::from_json(text) {
        Err(Error::ModelFile(message)) => message,
        other => panic!("expected Error::ModelFile, got {other:?}"),
    }
}

/// The pin of version 1: these files must be read, with these values, by every later version.
#[test]
fn version_1_is_read_forever() {
    let file = ModelFile::load(testdata("v1_poisson_hmm.json")).unwrap();
    assert_eq!(file.name, "PoissonHMM");
    let hmm = file.build_hmm().unwrap();
    let get = |path: &str| file.params.get(hmm.schema(), path).unwrap().values().to_vec();
    assert_eq!(get("initial.probs"), [1.0, 0.0, 0.0]);
    assert_eq!(get("transitions.transition_matrix")[..3], [0.9, 0.07500000000000001, 0.025]);
    assert_eq!(get("emissions.rates"), [13.1338, 19.7132, 29.7097]);
    let tied = ParamProperties { tied: vec![vec![0, 2]], ..Default::default() };
    assert_eq!(file.properties.0[2], tied);
    assert!(!file.properties.0[0].trainable);
    assert_eq!(file.provenance["data"], "earthquakes_major_yearly.csv");
}

/// If this fails the format has changed: raise the version and keep reading the old one.
#[test]
fn version_1_is_written_to_the_letter() {
    let file = ModelFile::load(testdata("v1_poisson_hmm.json")).unwrap();
    let text = std::fs::read_to_string(testdata("v1_poisson_hmm.json")).unwrap();
    assert_eq!(file.to_json().unwrap(), text);
}

#[test]
fn a_saved_file_loads_as_the_same_model_and_replaces_the_old_one() {
    let directory = std::env::temp_dir().join(format!("statewise-model-file-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("model.json");
    std::fs::write(&path, "the old file").unwrap();
    let file = poisson(3, 2, 1);
    file.save(&path).unwrap();
    assert_eq!(ModelFile::load(&path).unwrap(), file);
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1, "the temporary file is gone");
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn every_kind_of_damage_is_told() {
    let good = poisson(2, 1, 0).to_json().unwrap();
    let replaced = |from: &str, to: &str| {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from} is not in the file");
        message(&text)
    };
    assert!(message("").contains("not JSON"));
    assert!(message("[1, 2]").contains("not a model file"));
    assert!(replaced("statewise-model", "safetensors").contains("not a model file"));
    assert!(replaced("\"version\": 1", "\"version\": 2").contains("reads version 1"));
    assert!(replaced("\"version\": 1,", "").contains("no member \"version\""));
    assert!(replaced("\"name\": ", "\"nom\": ").contains("unknown field `nom`"));
    assert!(replaced("\"kind\": \"hmm\"", "\"kind\": \"hmn\"").contains("unknown variant `hmn`"));
    assert!(replaced("\"num_states\": 2", "\"num_states\": 0").contains("num_states"));
    assert!(
        replaced("\"num_states\": 2", "\"num_states\": 4000000000").contains("num_states of 4000000000")
    );
    assert!(replaced("\"num_states\": 2", "\"num_states\": 3").contains("expected"));
    assert!(replaced("\"emission_dim\": 1", "\"emission_dims\": 1").contains("emission_dims"));
    assert!(replaced("\"probs\": [", "\"probs\": [0.1, ").contains("params.initial.probs"));
    assert!(replaced("\"probs\": [", "\"probs\": [null, ").contains("params.initial.probs"));
    assert!(replaced("\"probs\": [", "\"probs\": [NaN, ").contains("not JSON"));
    assert!(replaced("\"probs\": [", "\"probs\": [1e999, ").contains("not JSON"));
    assert!(replaced("\"probs\": [", "\"prob\": [").contains("params.initial.probs is missing"));
    assert!(replaced("\"probs\": [", "\"extra\": 1, \"probs\": [").contains("params.initial.extra is no"));
    let empty = "\"properties\": {}";
    let properties = |text: &str| replaced(empty, &format!("\"properties\": {{{text}}}"));
    assert!(properties("\"emissions.means\": {}").contains("emissions.means is no parameter"));
    assert!(properties("\"emissions.rates\": {\"tied\": [[0, 7]]}").contains("index 7"));
    assert!(properties("\"emissions.rates\": {\"free\": [true]}").contains("emissions.rates.free"));
    assert!(properties("\"emissions.rates\": {\"frozen\": true}").contains("unknown field `frozen`"));
    assert!(message(&"[".repeat(1_000_000)).contains("not JSON"));
    assert!(message(&"{\"a\":".repeat(1_000_000)).contains("not JSON"));
}

#[test]
fn every_truncation_is_an_error() {
    let good = poisson(2, 1, 0).to_json().unwrap();
    for end in 0..good.trim_end().len() {
        assert!(message(&good[..end]).contains("not JSON"), "cut at {end}");
    }
}

#[test]
fn parameters_that_do_not_fit_are_not_written() {
    let mut file = poisson(2, 1, 0);
    file.params.arrays_mut()[2].values_mut()[0] = f64::NAN;
    assert!(
        matches!(file.to_json(), Err(Error::Argument { argument, .. }) if argument == "emissions.rates")
    );
}

#[test]
fn a_file_that_is_not_there_names_its_path() {
    let error = ModelFile::load("no/such/model.json").unwrap_err();
    assert!(error.to_string().contains("no/such/model.json"), "{error}");
    let error = ModelFile::load(testdata("")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn doubles_come_back_bit_for_bit(seed in any::<u64>(), num_states in 1usize..5, dim in 1usize..4) {
        let file = poisson(num_states, dim, seed);
        let back = ModelFile::from_json(&file.to_json().unwrap()).unwrap();
        for (a, b) in file.params.arrays().iter().zip(back.params.arrays()) {
            let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(a.values()), bits(b.values()));
        }
        prop_assert_eq!(back, file);
    }

    /// What the fuzz target does, in small: mutated files are read or refused, never a panic.
    #[test]
    fn mutated_files_never_panic(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..8)) {
        let mut bytes = poisson(2, 1, 0).to_json().unwrap().into_bytes();
        for (place, byte, kind) in edits {
            let i = place.index(bytes.len());
            match kind {
                0 => bytes[i] = byte,
                1 => bytes.insert(i, byte),
                _ => { bytes.remove(i); }
            }
        }
        if let Ok(text) = std::str::from_utf8(&bytes)
            && let Ok(file) = ModelFile::from_json(text)
        {
            prop_assert_eq!(ModelFile::from_json(&file.to_json().unwrap()).unwrap(), file);
        }
    }

    /// Numbers, brackets and names of the file are exchanged for others of its own.
    #[test]
    fn shuffled_tokens_never_panic(swaps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..6)) {
        let text = poisson(3, 2, 0).to_json().unwrap();
        let mut tokens: Vec<&str> = text.split_inclusive([',', ':', '[', ']', '{', '}', '\n', ' ']).collect();
        for (a, b) in swaps {
            let (a, b) = (a.index(tokens.len()), b.index(tokens.len()));
            tokens[a] = tokens[b];
        }
        let _ = ModelFile::from_json(&tokens.concat());
    }
}

#[test]
fn a_linear_gaussian_model_reads_back_with_its_priors_and_ties() {
    for conjugate in [false, true] {
        let spec = LinearGaussianSpec {
            input_dim: 1,
            has_dynamics_bias: false,
            emissions_cov: CovarianceForm::Diagonal,
            ..LinearGaussianSpec::new(2, 3)
        };
        let spec = if conjugate { spec.with_default_priors() } else { spec };
        let model = LinearGaussianSsm::new(spec.clone()).unwrap();
        let (params, _) = model.initialize(linear_gaussian::Start::Default, Seed(2), &[]).unwrap();
        let mut file = ModelFile::linear_gaussian("LinearGaussianSSM", &model, params);
        let last = file.properties.0.len() - 1;
        file.properties.0[last] = ParamProperties { equal: vec![vec![0, 2]], ..Default::default() };
        let text = file.to_json().unwrap();
        assert_eq!(ModelFile::from_json(&text).unwrap(), file);
        assert_eq!(text.contains("\"prior\""), conjugate);
        assert_eq!(file.spec, ModelSpec::LinearGaussian(spec));
        assert_eq!(file.build_linear_gaussian().unwrap().schema(), model.schema());
        assert!(file.build_hmm().unwrap_err().to_string().contains("not a hidden Markov model"));
        assert!(message(&text.replace("\"state_dim\": 2", "\"state_dims\": 2")).contains("state_dims"));
        assert!(message(&text.replace("[0, 2]", "[0, 3]")).contains("emissions.cov.equal"));
        let other = text.replace("\"kind\": \"linear_gaussian\"", "\"kind\": \"particle\"");
        assert!(message(&other).contains("particle"));
    }
    let hmm = poisson(2, 1, 0);
    assert!(hmm.build_linear_gaussian().unwrap_err().to_string().contains("not a linear Gaussian model"));
}

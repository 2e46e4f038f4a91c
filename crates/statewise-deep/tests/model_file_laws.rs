//! Model files: read back as written, never a panic on damage.

use std::collections::BTreeMap;

use rand::RngExt;
use statewise::Seed;
use statewise::data::Dataset;
use statewise_deep::DeepMarkovModel;
use statewise_deep::model::{Combiner, DmmConfig, EmissionKind, Evidence, TransitionKind};

fn models() -> Vec<DeepMarkovModel<f32>> {
    let small = |emission: EmissionKind| DmmConfig {
        emission,
        num_classes: 3,
        latent_dim: 3,
        emission_width: 5,
        transition_width: 4,
        rnn_size: 4,
        ..DmmConfig::preset("default", 2).unwrap()
    };
    let other = DmmConfig {
        evidence: Evidence::Both,
        combiner: Combiner::Product,
        transition: TransitionKind::Mlp,
        rnn_layers: 2,
        iaf_layers: 2,
        iaf_width: 3,
        embedding: 3,
        ..small(EmissionKind::Nade)
    };
    let configs = [small(EmissionKind::Bernoulli), small(EmissionKind::Categorical), other];
    configs.iter().map(|config| DeepMarkovModel::new(config, Seed(1)).unwrap()).collect()
}

fn notes() -> BTreeMap<String, String> {
    BTreeMap::from([("data".to_owned(), "nottingham, \"quoted\" and Größe".to_owned())])
}

#[test]
fn a_model_is_read_as_it_was_written() {
    for model in models() {
        let bytes = model.to_bytes(&notes()).unwrap();
        let (read, read_notes) = DeepMarkovModel::<f32>::from_bytes(&bytes).unwrap();
        assert_eq!(read.config(), model.config());
        assert_eq!(read.parameters(), model.parameters());
        assert_eq!(read.tensors(), model.tensors());
        assert_eq!(read_notes, notes());
        assert_eq!(read.to_bytes(&notes()).unwrap(), bytes);
        let data = Dataset::batch(vec![1.0, 0.0, f64::NAN, 1.0], 2, 2).unwrap();
        assert_eq!(read.bound(&data, 2, Seed(3)).unwrap(), model.bound(&data, 2, Seed(3)).unwrap());
        let (wide, _) = DeepMarkovModel::<f64>::from_bytes(&bytes).unwrap();
        for (wide, narrow) in wide.parameters().iter().zip(model.parameters()) {
            assert_eq!(*wide, f64::from(*narrow));
        }
    }
}

#[test]
fn a_file_is_written_whole_and_read_back() {
    let path =
        std::env::temp_dir().join(format!("statewise-deep-{}-model.safetensors", std::process::id()));
    let model = &models()[0];
    model.save(&path, &notes()).unwrap();
    model.save(&path, &notes()).unwrap();
    assert_eq!(DeepMarkovModel::<f32>::load(&path).unwrap().0.parameters(), model.parameters());
    std::fs::remove_file(&path).unwrap();
    assert!(DeepMarkovModel::<f32>::load(&path).unwrap_err().to_string().contains("model.safetensors"));
    assert!(model.save(path.join("no such folder"), &notes()).is_err());
}

#[test]
fn a_cut_file_is_an_error() {
    let bytes = models()[0].to_bytes(&notes()).unwrap();
    for cut in (0..bytes.len()).step_by(13).chain([bytes.len() - 1]) {
        assert!(DeepMarkovModel::<f32>::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(DeepMarkovModel::<f32>::from_bytes(&longer).is_err());
}

#[test]
fn a_flipped_bit_is_an_error_or_a_model() {
    let bytes = models()[0].to_bytes(&notes()).unwrap();
    let header = 8 + usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let mut rng = Seed(1).stream("flips", 0);
    let mut refused = 0;
    for k in 0..4000 {
        // Every byte of the header, then any.
        let place = if k < header { k } else { (rng.random::<f64>() * bytes.len() as f64) as usize };
        let mut damaged = bytes.clone();
        damaged[place] ^= 1 << (k % 8);
        match DeepMarkovModel::<f32>::from_bytes(&damaged) {
            Ok((model, _)) => assert!(model.parameters().iter().all(|x| x.is_finite())),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > header / 2);
}

#[test]
fn a_header_that_lies_about_sizes_is_an_error() {
    let bytes = models()[0].to_bytes(&notes()).unwrap();
    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
    for (from, to) in [
        ("latent_dim\\\":3", "latent_dim\\\":4"),
        ("latent_dim\\\":3", "latent_dim\\\":4000000000000000000"),
        ("rnn_size\\\":4", "rnn_size\\\":4000000000000000000"),
        ("rnn_size\\\":4", "rnn_size\\\":2000000"),
        ("rnn_layers\\\":1", "rnn_layers\\\":4000000000000000000"),
        ("emission_layers\\\":2", "emission_layers\\\":4000000000000000000"),
        ("emission_width\\\":5", "emission_width\\\":3000000000"),
        ("latent_dim\\\":3", "latent_dim\\\":-3"),
        ("\\\"emission\\\":", "\\\"omission\\\":"),
    ] {
        assert!(header.contains(from), "{header}");
        let mut changed = header.replacen(from, to, 1).into_bytes();
        changed.resize(changed.len().next_multiple_of(8), b' ');
        let mut file = (changed.len() as u64).to_le_bytes().to_vec();
        file.extend(changed);
        file.extend(&bytes[8 + length..]);
        assert!(DeepMarkovModel::<f32>::from_bytes(&file).is_err(), "{to}");
    }
}

//! `statewise dmm` by the real binary: tiny models on chorales, tables, arrays and MIDI files.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use statewise::Seed;
use statewise::data::Table;
use statewise_deep::DeepMarkovModel;
use statewise_deep::data::PianoRolls;

use common::{Scratch, column, csv};

fn chorales() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/polyphonic/jsb_chorales.npz");
    path.display().to_string()
}

fn dmm(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_statewise")).arg("dmm").args(args).output().unwrap()
}

fn stdout(args: &[&str]) -> String {
    let output = dmm(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The message of a command that must fail with this exit code.
fn failure(args: &[&str], code: i32) -> String {
    let output = dmm(args);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
    error
}

/// Flags of a model that trains in a moment.
const TINY: [&str; 6] =
    ["--latent-dim=3", "--rnn-size=6", "--emission-width=8", "--transition-width=8", "--seed=1", "-q"];

fn fit(args: &[&str]) -> String {
    stdout(&[&["fit"], args, &TINY[..]].concat())
}

/// Two sequences of two real series, with a gap, and an input.
fn tracks() -> String {
    let mut text = "animal,x,y,wind\n".to_owned();
    for (n, length) in [(0, 12), (1, 9)] {
        for t in 0..length {
            let phase = f64::from(t) / 3.0 + f64::from(n);
            let x = if t == 4 { String::new() } else { phase.sin().to_string() };
            text += &format!("a{n},{x},{},{}\n", phase.cos(), t % 3);
        }
    }
    text
}

#[test]
fn a_fit_of_chorales_saves_the_best_epoch_and_its_curves() {
    let scratch = Scratch::new("chorales");
    let (data, model) = (chorales(), scratch.path("m.safetensors"));
    let (history, plot) = (scratch.path("curves.csv"), scratch.path("curves.svg"));
    let args = ["--epochs=2", "--evaluate-every=1", "--evaluate-samples=1"];
    let outputs = ["-o", &model, "--history", &history, "--plot", &plot];
    let report = stdout(&[&["fit", &data], &args[..], &outputs[..], &TINY[..5]].concat());
    for word in [
        "ST-R over GRU 6",
        "229 sequences",
        "all epochs done",
        "valid bound",
        "test bound",
        "(b)",
        "warning",
    ] {
        assert!(report.contains(word), "no {word} in\n{report}");
    }

    let curves = Table::read_csv(&history).unwrap();
    assert_eq!(column(&curves, "epoch"), [1.0, 2.0]);
    let bounds = column(&curves, "train_bound");
    assert!(bounds[1] < bounds[0], "{bounds:?}");
    let svg = std::fs::read_to_string(&plot).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("validation bound") && svg.contains("epoch"));

    // The command's bound is the library's.
    let (saved, notes) = DeepMarkovModel::<f32>::load(&model).unwrap();
    let valid = PianoRolls::read(&data).unwrap().valid;
    let want = saved.bound(&valid, 2, Seed(3)).unwrap();
    let sequences = scratch.path("sequences.csv");
    let bound = ["bound", &model, &data, "--split=valid", "--samples=2", "--seed=3", "--importance=3"];
    let rest = ["--particles=3", "--format=csv", "--sequences", &sequences];
    let table = csv(&stdout(&[&bound[..], &rest[..]].concat()));
    assert_eq!(column(&table, "per_step")[0], want.per_step());
    assert_eq!(column(&table, "mean_of_sequences")[0], want.mean_of_sequences());
    assert_eq!(column(&table, "num_samples"), [2.0, 3.0, 3.0]);
    assert_eq!(column(&Table::read_csv(&sequences).unwrap(), "bound"), want.per_sequence);
    let text = stdout(&bound);
    assert!(text.contains("importance sampling") && text.contains("mean of sequences (c)"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&[&bound[..], &["--format=json"]].concat())).unwrap();
    assert_eq!(json["estimates"][0]["per_step"], want.per_step());
    assert!(failure(&[&bound[..], &["--device=gpu"]].concat(), 2).contains("expected cpu or cuda"));
    if cfg!(not(feature = "cuda")) {
        let message = failure(&[&bound[..], &["--device=cuda"]].concat(), 1);
        assert!(message.contains("a build without the feature `cuda`"), "{message}");
    }

    // The last epoch's valid bound, or the best of both, is what the notes say.
    let best = column(&curves, "valid_bound").into_iter().fold(f64::INFINITY, f64::min);
    assert_eq!(notes["valid_bound"].parse::<f64>().unwrap(), best);
    let inspected =
        Command::new(env!("CARGO_BIN_EXE_statewise")).args(["inspect", &model]).output().unwrap();
    let inspected = String::from_utf8(inspected.stdout).unwrap();
    for word in ["DeepMarkovModel of 88 features", "latent_dim", "arrays", "best_epoch", "key_21"] {
        assert!(inspected.contains(word), "no {word} in\n{inspected}");
    }
}

#[cfg(feature = "parquet")]
#[test]
fn tables_are_parquet_where_the_name_says_so() {
    let scratch = Scratch::new("parquet");
    let (model, table) = (scratch.path("m.safetensors"), scratch.path("tracks.csv"));
    std::fs::write(&table, tracks()).unwrap();
    let common = ["--emission=gaussian", "--columns=x,y", "--epochs=2", "--evaluate-every=1"];
    let histories = ["curves.csv", "curves.parquet"].map(|name| {
        let history = scratch.path(name);
        let rest = ["--id=animal", "-o", &model, "--history", &history];
        fit(&[&[table.as_str()][..], &common[..], &rest[..]].concat());
        history
    });
    let csv = Table::read_csv(&histories[0]).unwrap();
    let parquet = Table::read_parquet(&histories[1]).unwrap();
    for name in ["epoch", "train_bound", "kl_weight"] {
        assert_eq!(column(&csv, name), column(&parquet, name), "{name}");
    }
}

#[test]
fn a_table_with_gaps_ids_and_inputs_goes_through_every_verb() {
    let scratch = Scratch::new("tracks");
    let (data, model) = (scratch.write("tracks.csv", &tracks()), scratch.path("m.safetensors"));
    let options = ["--id=animal", "--columns=x,y", "--inputs=wind", "--emission=gaussian"];
    fit(&[&[data.as_str()], &options[..], &["--epochs=3", "-o", &model, "--inference=MF-LR"]].concat());
    let (saved, _) = DeepMarkovModel::<f32>::load(&model).unwrap();
    assert_eq!((saved.config().emission_dim, saved.config().input_dim), (2, 1));
    assert!(saved.config().combiner == statewise_deep::model::Combiner::MeanField);

    // The model remembers its columns.
    let posterior = csv(&stdout(&["infer", &model, &data]));
    assert_eq!(posterior.num_rows(), 21);
    assert!(column(&posterior, "z2_sd").iter().all(|sd| *sd > 0.0));
    let means = csv(&stdout(&["reconstruct", &model, &data]));
    assert!(column(&means, "x").iter().all(|x| x.is_finite()));
    let filled = column(&csv(&stdout(&["reconstruct", &model, &data, "--filled"])), "x");
    assert!(filled[4].is_finite());
    assert_eq!(filled[5], (5.0f64 / 3.0).sin());

    let future = scratch.write("future.csv", "wind\n0\n1\n0\n1\n");
    let steps = ["forecast", &model, &data, "--steps=2", "--samples=20"];
    let forecast = csv(&stdout(&[&steps[..], &["--future", &future]].concat()));
    assert_eq!(column(&forecast, "steps_ahead"), [1.0, 2.0, 1.0, 2.0]);
    let (lower, upper) = (column(&forecast, "x_lower"), column(&forecast, "x_upper"));
    assert!(lower.iter().zip(&upper).all(|(low, high)| low < high));
    let paths = csv(&stdout(&[&steps[..], &["--future", &future, "--paths"]].concat()));
    assert_eq!(paths.num_rows(), 2 * 20 * 2);
    assert!(failure(&steps, 1).contains("--future FILE with columns wind"));

    let args = ["sample", &model, &future, "--sequences=3", "--latents", "--seed=5"];
    let drawn = stdout(&args);
    assert_eq!(drawn, stdout(&args), "the same seed draws the same numbers");
    assert_eq!(column(&csv(&drawn), "step").len(), 12);
    let mean = |seed| stdout(&["sample", &model, &future, "--mean-path", "--means", seed]);
    assert_eq!(mean("--seed=1"), mean("--seed=2"), "a mean path has no chance in it");
}

#[test]
fn drawn_rolls_become_midi_files_that_can_be_learned_from() {
    let scratch = Scratch::new("midi");
    let (data, model, again) = (chorales(), scratch.path("m.safetensors"), scratch.path("n.safetensors"));
    fit(&[&data, "--epochs=1", "--evaluate-samples=1", "-o", &model]);
    let midi = scratch.path("song.mid");
    stdout(&["sample", &model, "--steps=12", "--sequences=2", "--midi", &midi, "--seconds-per-step=0.5"]);
    assert!(!Path::new(&midi).exists() && Path::new(&scratch.path("song-1.mid")).exists());
    fit(&[&scratch.0.display().to_string(), "--midi-seconds=0.5", "--epochs=1", "-o", &again]);
    let posterior = csv(&stdout(&["infer", &again, &scratch.path("song-0.mid"), "--midi-seconds=0.5"]));
    assert_eq!(posterior.num_rows(), 12);
    let sampled = stdout(&["inspect", &again]);
    assert!(sampled.contains("seconds_per_step: 0.5"), "{sampled}");
}

#[test]
fn labels_are_learned_and_forecast_by_name() {
    let scratch = Scratch::new("labels");
    let words: String = (0..30).map(|t| ["sun\n", "sun\n", "rain\n", "fog\n"][t % 4]).collect();
    let data = scratch.write("sky.csv", &format!("sky\n{words}"));
    let model = scratch.path("m.safetensors");
    fit(&[&data, "--emission=categorical", "--epochs=1", "-o", &model]);
    let forecast = csv(&stdout(&["forecast", &model, &data, "--steps=2", "--samples=10"]));
    let total: Vec<f64> = (0..2)
        .map(|h| ["sky_fog", "sky_rain", "sky_sun"].iter().map(|name| column(&forecast, name)[h]).sum())
        .collect();
    // Probabilities of the model are in single precision.
    assert!(total.iter().all(|sum| (sum - 1.0).abs() < 1e-5), "{total:?}");
    assert!(stdout(&["sample", &model, "--steps=40"]).contains("sun"));
    assert!(failure(&["fit", &data], 1).contains("--emission categorical"));
}

#[test]
fn a_resumed_fit_ends_where_an_uninterrupted_one_does() {
    let scratch = Scratch::new("resume");
    let data = scratch.write("tracks.csv", &tracks());
    let run = |epochs: &str, checkpoint: &str, model: &str| {
        let options =
            ["--id=animal", "--columns=x,y", "--emission=gaussian", "--cosine=false", "--average=0"];
        fit(&[&[data.as_str()], &options[..], &[epochs, "--checkpoint", checkpoint, "-o", model]].concat());
        DeepMarkovModel::<f32>::load(model).unwrap().0.parameters().to_vec()
    };
    let (first, second, model) = (scratch.path("a"), scratch.path("b"), scratch.path("m.safetensors"));
    run("--epochs=2", &first, &model);
    assert_eq!(run("--epochs=4", &first, &model), run("--epochs=4", &second, &model));
}

#[test]
fn wrong_options_and_files_are_named() {
    let scratch = Scratch::new("wrong");
    let data = scratch.write("tracks.csv", &tracks());
    let fit = ["fit", &data, "--columns=x,y", "-q", "--epochs=1"];
    let with = |more: &[&str], code| failure(&[&fit[..], more].concat(), code);
    assert!(with(&["--rnn=gruu"], 2).contains("unknown variant `gruu`"));
    assert!(with(&["--inference=ST-X"], 2).contains("expected one of ST-R"));
    assert!(with(&["--set=latent_dimm=3"], 2).contains("did you mean 'latent_dim'?"));
    assert!(with(&["--set=optimizer.rule.b9=3"], 2).contains("b9"));
    assert!(with(&["--latent-dim=0"], 1).contains("latent_dim"));
    assert!(with(&["--preset=krishnan"], 1).contains("krishnan2017"));
    assert!(with(&[], 1).contains("--emission gaussian"));
    assert!(with(&["--device=gpu"], 2).contains("unknown variant `gpu`"));
    if cfg!(not(feature = "cuda")) {
        let message = with(&["--emission=gaussian", "--device=cuda"], 1);
        assert!(message.contains("a build without the feature `cuda`"), "{message}");
    }
    assert!(with(&["-o", "/no/such/folder/m.safetensors"], 1).contains("there is no folder"));
    assert!(failure(&["bound", &data, &data], 1).contains("statewise dmm fit"));
    let help = stdout(&["fit", "--help"]);
    for word in ["--iaf-layers", "-usenade", "--set", "Inference network"] {
        assert!(help.contains(word), "no {word} in\n{help}");
    }
    assert!(!stdout(&["fit", "-h"]).contains("--iaf-layers"));
}

//! Inference networks on the synthetic systems, whose exact evidence and posteriors are known.
//!
//! `cargo run --release -p statewise-deep --example synthetic -- SYSTEM EPOCHS [MODEL_JSON [FIT_JSON]]`
//!
//! Prints, for the six inference networks, the validation bound and the error of the posterior means on
//! validation and test data (twice as long as what was learned from); the exact values stand beside them
//! for linear systems. MODEL_JSON and FIT_JSON override options; "networks" in MODEL_JSON picks networks.

use serde_json::{Value, json};
use statewise::Seed;
use statewise::infer::gaussian::GaussianOptions;
use statewise_deep::DeepMarkovModel;
use statewise_deep::data::{SyntheticSplit, SyntheticSystem};
use statewise_deep::learn::{Fit, FitOptions};
use statewise_deep::model::DmmConfig;

type Failure = Box<dyn std::error::Error>;

/// The names of the networks with what they read and how they use z_{t−1}.
const NETWORKS: [(&str, &str, &str); 6] = [
    ("ST-R", "right", "average"),
    ("ST-LR", "both", "average"),
    ("ST-L", "left", "average"),
    ("MF-LR", "both", "mean_field"),
    ("MF-R", "right", "mean_field"),
    ("MF-L", "left", "mean_field"),
];

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [id, epochs, overrides @ ..] = &arguments[..] else {
        return Err("usage: synthetic SYSTEM EPOCHS [MODEL_JSON [FIT_JSON]]".into());
    };
    let system = SyntheticSystem::new(id.parse()?)?;
    let data = system.generate()?;
    if let Ok(exact) = system.to_lgssm() {
        for (name, split) in [("valid", &data.valid), ("test", &data.test)] {
            let smoothed = exact.smoother(&split.observations, &GaussianOptions::default())?;
            let evidence: f64 = smoothed.marginal_loglik.iter().sum();
            let rows = split.observations.num_rows() as f64;
            let rmse = split.rmse(&smoothed.smoothed.means)?;
            println!("exact {name}: {:.4} nats a step, RMSE {rmse:.4}", -evidence / rows);
        }
    }
    let mut model_options = json!({ "rnn_size": 40, "rnn_dropout": 0.0 });
    merge(&mut model_options, overrides.first())?;
    let chosen = model_options.as_object_mut().and_then(|options| options.remove("networks"));
    for (name, evidence, combiner) in NETWORKS {
        if let Some(Value::Array(chosen)) = &chosen
            && !chosen.contains(&json!(name))
        {
            continue;
        }
        let mut options = serde_json::to_value(DmmConfig::preset("default", system.emission_dim())?)?;
        merge_value(&mut options, json!({ "evidence": evidence, "combiner": combiner }));
        merge_value(&mut options, model_options.clone());
        let guide: DmmConfig = serde_json::from_value(options)?;
        let mut fit_options = serde_json::to_value(FitOptions::preset("default")?)?;
        let annealing = json!({ "start": 1.0, "updates": 0.0 });
        merge_value(
            &mut fit_options,
            json!({ "annealing": annealing, "batch_size": 250, "shard_size": 125 }),
        );
        merge_value(&mut fit_options, json!({ "epochs": epochs.parse::<usize>()?, "evaluate_every": 10 }));
        merge_value(&mut fit_options, json!({ "frozen": SyntheticSystem::LAW }));
        merge(&mut fit_options, overrides.get(1))?;
        let options: FitOptions = serde_json::from_value(fit_options)?;
        let mut model: DeepMarkovModel = system.model(&guide, Seed(options.seed))?;
        if let Ok(parameters) = model.tensor_mut("transition.parameters")
            && !options.frozen.iter().any(|prefix| prefix == "transition")
        {
            parameters.copy_from_slice(&[0.1, 0.1]);
        }
        let fit = Fit::new(options)?;
        let report =
            fit.run(&mut model, &data.train.observations, Some(&data.valid.observations), &mut |_| true)?;
        let seconds = report.history.last().map_or(0.0, |record| record.seconds);
        print!("{name:6} epoch {:4} {seconds:6.0} s", report.best_epoch);
        for split in [&data.valid, &data.test] {
            let (bound, rmse) = score(&model, split)?;
            print!("  bound {bound:.4} RMSE {rmse:.4}");
        }
        println!("  {:?}", model.tensor("transition.parameters").unwrap_or_default());
    }
    Ok(())
}

fn score(model: &DeepMarkovModel, split: &SyntheticSplit) -> Result<(f64, f64), Failure> {
    let bound = model.bound(&split.observations, 20, Seed(1))?.per_step();
    let posterior = model.infer(&split.observations, 200, Seed(2))?;
    Ok((bound, split.rmse(&posterior.means)?))
}

fn merge(options: &mut Value, text: Option<&String>) -> Result<(), Failure> {
    if let Some(text) = text {
        merge_value(options, serde_json::from_str(text)?);
    }
    Ok(())
}

fn merge_value(options: &mut Value, changes: Value) {
    for (name, value) in changes.as_object().into_iter().flatten() {
        options[name] = value.clone();
    }
}

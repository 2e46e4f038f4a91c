//! `statewise dmm bound`: estimates of −log p(x) side by side.

use std::io::Write;

use serde_json::{Value, json};
use statewise::Seed;
use statewise::data::{Column, Table, Values};
use statewise_deep::{Estimator, Evaluation};

use super::args::{BoundArgs, Format};
use super::describe;
use super::saved::Task;
use crate::failure::Failure;
use crate::output::{results, write_table, write_text};

/// An estimate with its names for people and for files.
struct Estimate {
    name: &'static str,
    title: &'static str,
    value: Evaluation,
}

impl Estimate {
    fn new(value: Evaluation) -> Self {
        let (name, title) = match value.estimator {
            Estimator::Bound => ("bound", "bound"),
            Estimator::ImportanceSampling => ("importance_sampling", "importance sampling"),
            Estimator::ParticleFilter => ("particle_filter", "particle filter"),
        };
        Estimate { name, title, value }
    }

    /// The share of the divergence, which only a bound has.
    fn divergence(&self) -> Option<f64> {
        (self.value.estimator == Estimator::Bound).then(|| self.value.divergence_per_step())
    }
}

pub(super) fn bound(args: &BoundArgs) -> Result<(), Failure> {
    let task = Task::read(&args.data)?;
    let (model, data, seed) = (&task.saved.model, &task.sequences.data, Seed(args.data.seed));
    let mut estimates = vec![Estimate::new(model.bound_on(args.device, data, args.samples, seed)?)];
    if let Some(samples) = args.importance {
        estimates.push(Estimate::new(model.importance_sampling(data, samples, seed)?));
    }
    if let Some(particles) = args.particles {
        estimates.push(Estimate::new(model.particle_bound(data, particles, args.resample_below, seed)?));
    }
    if let Some(path) = &args.sequences {
        write_table(&by_sequence(&task, &estimates)?, Some(path))?;
    }
    let text = match args.format {
        Format::Csv => return write_table(&table(&estimates)?, args.data.output.as_deref()),
        Format::Json => {
            format!("{:#}\n", document(&task, &estimates))
        }
        Format::Text => text(&task, &estimates),
    };
    match &args.data.output {
        Some(path) => write_text(&text, path),
        None => Ok(std::io::stdout().write_all(text.as_bytes())?),
    }
}

fn text(task: &Task, estimates: &[Estimate]) -> String {
    let mut out = format!(
        "{}\n-log p(x) of {}, nats per time step; lower is better\n\n{:26}{:>9}{:>14}{:>23}{:>14}\n",
        describe::model(&task.saved.model),
        describe::data(&task.sequences.data),
        "",
        "paths",
        "per step (b)",
        "mean of sequences (c)",
        "divergence",
    );
    for estimate in estimates {
        let value = &estimate.value;
        out += &format!(
            "{:26}{:>9}{:>14.4}{:>23.4}{:>14}\n",
            estimate.title,
            value.num_samples,
            value.per_step(),
            value.mean_of_sequences(),
            estimate.divergence().map_or_else(String::new, |x| format!("{x:.4}")),
        );
    }
    out
}

fn document(task: &Task, estimates: &[Estimate]) -> Value {
    let estimates: Vec<Value> = estimates
        .iter()
        .map(|estimate| {
            json!({
                "estimator": estimate.name,
                "num_samples": estimate.value.num_samples,
                "per_step": estimate.value.per_step(),
                "mean_of_sequences": estimate.value.mean_of_sequences(),
                "divergence_per_step": estimate.divergence(),
            })
        })
        .collect();
    let data = &task.sequences.data;
    json!({ "sequences": data.num_sequences(), "steps": data.num_rows(), "estimates": estimates })
}

fn table(estimates: &[Estimate]) -> Result<Table, Failure> {
    let numbers = |name: &str, of: &dyn Fn(&Estimate) -> f64| Column {
        name: name.into(),
        values: Values::Numbers(estimates.iter().map(of).collect()),
    };
    let names = Values::text(estimates.iter().map(|estimate| Some(estimate.name)));
    results(vec![
        Column { name: "estimator".into(), values: names },
        numbers("num_samples", &|estimate| estimate.value.num_samples as f64),
        numbers("per_step", &|estimate| estimate.value.per_step()),
        numbers("mean_of_sequences", &|estimate| estimate.value.mean_of_sequences()),
        numbers("divergence_per_step", &|estimate| estimate.divergence().unwrap_or(f64::NAN)),
    ])
}

/// One row for each sequence.
fn by_sequence(task: &Task, estimates: &[Estimate]) -> Result<Table, Failure> {
    let mut columns = Vec::from_iter(task.sequences.ids(1));
    let lengths = task.sequences.data.lengths().map(|length| length as f64).collect();
    columns.push(Column { name: "steps".into(), values: Values::Numbers(lengths) });
    for Estimate { name, value, .. } in estimates {
        columns.push(Column { name: (*name).into(), values: Values::Numbers(value.per_sequence.clone()) });
    }
    results(columns)
}

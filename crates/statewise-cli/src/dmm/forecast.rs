//! `statewise dmm forecast`: moments and bounds of the steps to come, or drawn continuations.

use std::path::Path;

use statewise::Seed;
use statewise::data::{Column, Values};
use statewise_deep::infer::Forecasts;
use statewise_deep::model::EmissionKind;

use super::args::ForecastArgs;
use super::infer::{mean_names, numbers, observations};
use super::saved::{Saved, Task};
use crate::args::ColumnArgs;
use crate::failure::Failure;
use crate::output::{results, write_table};
use crate::source::Source;

pub(super) fn forecast(args: &ForecastArgs) -> Result<(), Failure> {
    let task = Task::read(&args.data)?;
    let Task { saved, sequences } = &task;
    let missing = format!("--future FILE with columns {}", saved.selection.inputs.join(", "));
    let inputs = inputs(saved, args.future.as_deref(), &missing)?;
    let seed = Seed(args.data.seed);
    let forecasts = saved.model.forecast(&sequences.data, args.steps, args.samples, &inputs, seed)?;
    let repeat = if args.paths { args.samples * args.steps } else { args.steps };
    let mut columns = Vec::from_iter(sequences.ids(repeat));
    columns.extend(match args.paths {
        true => paths(saved, &forecasts),
        false => moments(saved, &forecasts, args.level)?,
    });
    write_table(&results(columns)?, args.data.output.as_deref())
}

/// The inputs in a file, for a model that reads some.
pub(super) fn inputs(saved: &Saved, path: Option<&Path>, missing: &str) -> Result<Vec<f64>, Failure> {
    match path {
        _ if saved.model.config().input_dim == 0 => Ok(Vec::new()),
        None => Err(Failure::hinted("the model reads inputs, also in the steps to come", missing)),
        Some(path) => {
            let args = ColumnArgs { columns: saved.selection.inputs.clone(), ..ColumnArgs::default() };
            Ok(Source::read(path, &args, &Default::default())?.data.dataset.rows().to_vec())
        }
    }
}

fn moments(saved: &Saved, forecasts: &Forecasts, level: f64) -> Result<Vec<Column>, Failure> {
    let summary = forecasts.summary(level)?;
    let steps = forecasts.sequences.iter().flat_map(|_| 1..=forecasts.horizon);
    let mut columns = vec![counts("steps_ahead", steps)];
    let names = mean_names(saved);
    let width = names.len();
    // Numbers of labels have probabilities, but no bounds.
    let labels = saved.model.config().emission == EmissionKind::Categorical;
    for (d, name) in names.into_iter().enumerate() {
        if labels {
            columns.push(numbers(name, &summary.means, d, width));
            continue;
        }
        columns.push(numbers(format!("{name}_mean"), &summary.means, d, width));
        columns.push(numbers(format!("{name}_sd"), &summary.deviations, d, width));
        columns.push(numbers(format!("{name}_lower"), &summary.lower, d, width));
        columns.push(numbers(format!("{name}_upper"), &summary.upper, d, width));
    }
    Ok(columns)
}

fn paths(saved: &Saved, forecasts: &Forecasts) -> Vec<Column> {
    let (samples, horizon) = (forecasts.num_samples, forecasts.horizon);
    let rows = || {
        forecasts
            .sequences
            .iter()
            .flat_map(|_| (0..samples).flat_map(|s| (1..=horizon).map(move |h| (s, h))))
    };
    let mut columns =
        vec![counts("path", rows().map(|(s, _)| s)), counts("steps_ahead", rows().map(|(_, h)| h))];
    let values: Vec<f64> =
        forecasts.sequences.iter().flat_map(|paths| paths.observations.iter().copied()).collect();
    columns.extend(observations(saved, &values));
    columns
}

pub(super) fn counts(name: &str, values: impl Iterator<Item = usize>) -> Column {
    Column { name: name.into(), values: Values::Numbers(values.map(|n| n as f64).collect()) }
}

//! `statewise dmm infer` and `reconstruct`: what all rows say of each of them.

use statewise::Seed;
use statewise::data::{Column, Values};
use statewise_deep::model::EmissionKind;

use super::args::{InferArgs, ReconstructArgs};
use super::saved::{Saved, Task};
use crate::failure::Failure;
use crate::output::write_table;

pub(super) fn infer(args: &InferArgs) -> Result<(), Failure> {
    let task = Task::read(&args.data)?;
    let posterior = task.saved.model.infer(&task.sequences.data, args.samples, Seed(args.data.seed))?;
    let size = posterior.latent_dim;
    let deviations: Vec<f64> = posterior.variances.iter().map(|variance| variance.sqrt()).collect();
    let mut columns = Vec::with_capacity(2 * size);
    for j in 0..size {
        columns.push(numbers(format!("z{j}_mean"), &posterior.means, j, size));
        columns.push(numbers(format!("z{j}_sd"), &deviations, j, size));
    }
    write_table(&task.sequences.with_rows(columns)?, args.data.output.as_deref())
}

pub(super) fn reconstruct(args: &ReconstructArgs) -> Result<(), Failure> {
    let task = Task::read(&args.data)?;
    let data = &task.sequences.data;
    let samples = if args.filled { 1 } else { args.samples };
    let reconstruction = task.saved.model.reconstruct(data, samples, Seed(args.data.seed))?;
    let columns = match args.filled {
        true => observations(&task.saved, &reconstruction.filled),
        false => means(&task.saved, &reconstruction.means),
    };
    write_table(&task.sequences.with_rows(columns)?, args.data.output.as_deref())
}

/// Column `j` of rows of `width` values.
pub(super) fn numbers(name: String, values: &[f64], j: usize, width: usize) -> Column {
    Column { name, values: Values::Numbers(values.iter().skip(j).step_by(width).copied().collect()) }
}

/// One column for each feature, labels as text.
pub(super) fn observations(saved: &Saved, values: &[f64]) -> Vec<Column> {
    let names = saved.columns();
    let width = names.len();
    let column = |(d, name): (usize, String)| match saved.selection.labels.get(&name) {
        Some(labels) => {
            let codes = values.iter().skip(d).step_by(width);
            let texts = codes.map(|code| labels.get(*code as usize).map(String::as_str));
            Column { values: Values::text(texts), name }
        }
        None => numbers(name, values, d, width),
    };
    names.into_iter().enumerate().map(column).collect()
}

/// One column for each feature's mean, or for the probability of each of its labels.
pub(super) fn means(saved: &Saved, values: &[f64]) -> Vec<Column> {
    let names = mean_names(saved);
    let width = names.len();
    names.into_iter().enumerate().map(|(d, name)| numbers(name, values, d, width)).collect()
}

/// What the entries of a row of means are called: features, or features with a label.
pub(super) fn mean_names(saved: &Saved) -> Vec<String> {
    let config = saved.model.config();
    let features = saved.columns();
    if config.emission != EmissionKind::Categorical {
        return features;
    }
    let classes = |name: &String| -> Vec<String> {
        let labels = saved.selection.labels.get(name);
        let label =
            |k: usize| labels.and_then(|labels| labels.get(k)).cloned().unwrap_or_else(|| k.to_string());
        (0..config.num_classes).map(|k| format!("{name}_{}", label(k))).collect()
    };
    features.iter().flat_map(classes).collect()
}

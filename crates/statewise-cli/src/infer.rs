//! Commands that use a fitted model; results are CSV.

use std::io::Write;

use statewise::Seed;
use statewise::data::{Column, Dataset, Values};
use statewise::model::hmm::Hmm;
use statewise::params::Params;

use crate::args::{ColumnArgs, DataArgs, DecodeArgs, ForecastArgs, SampleArgs};
use crate::failure::Failure;
use crate::fit::{describe_path, numbers, state_columns};
use crate::kind::Model;
use crate::output::{results, write_table};
use crate::saved::load;
use crate::source::Source;

/// A model with data for it.
struct Task {
    model: Model,
    params: Params,
    source: Source,
}

impl Task {
    fn read(args: &DataArgs) -> Result<Self, Failure> {
        let (file, model, mut remembered) = load(&args.model)?;
        let source = match Source::read(&args.file, &args.columns, &remembered) {
            // New data are often one sequence of a model of many.
            Err(_) if args.columns.id.is_none() && remembered.id.is_some() => {
                remembered.id = None;
                Source::read(&args.file, &args.columns, &remembered)?
            }
            other => other?,
        };
        source.check_text(&model, &file.name)?;
        model.learnable().check_data(&source.data.dataset)?;
        Ok(Task { model, params: file.params, source })
    }

    /// One row for each row of the data, with these columns behind those that name it.
    fn write_rows(&self, args: &DataArgs, columns: Vec<Column>) -> Result<(), Failure> {
        let mut all = self.source.row_columns();
        all.extend(columns);
        write_table(&results(all)?, args.output.as_deref())
    }

    /// A column of sequence ids, each repeated, where there are ids.
    fn id_column(&self, repeat: usize) -> Option<Column> {
        let name = self.source.selection.id.clone()?;
        let ids = self.source.data.ids.iter().flat_map(|id| std::iter::repeat_n(Some(id.as_str()), repeat));
        Some(Column { name, values: Values::text(ids) })
    }
}

pub(crate) fn decode(args: &DecodeArgs) -> Result<(), Failure> {
    let task = Task::read(&args.data)?;
    let hmm = task.model.discrete("decode")?;
    let (states, _) = hmm.most_likely_states(&task.params, &task.source.data.dataset)?;
    if args.runs {
        return Ok(std::io::stdout().write_all(describe_path(&task.source, &states).as_bytes())?);
    }
    let states = numbers(states.iter().map(|z| f64::from(*z)));
    task.write_rows(&args.data, vec![Column { name: "state".into(), values: states }])
}

pub(crate) fn smooth(args: &DataArgs) -> Result<(), Failure> {
    let task = Task::read(args)?;
    let (params, data) = (&task.params, &task.source.data.dataset);
    let columns = match &task.model {
        Model::Hmm(hmm) => state_columns(hmm.num_states(), &hmm.smoother(params, data)?.smoothed_probs),
        Model::Gaussian(model) => model.smooth(params, data)?,
    };
    task.write_rows(args, columns)
}

pub(crate) fn filter(args: &DataArgs) -> Result<(), Failure> {
    let task = Task::read(args)?;
    let (params, data) = (&task.params, &task.source.data.dataset);
    let columns = match &task.model {
        Model::Hmm(hmm) => state_columns(hmm.num_states(), &hmm.filter(params, data)?.filtered_probs),
        Model::Gaussian(model) => model.filter(params, data)?,
    };
    task.write_rows(args, columns)
}

pub(crate) fn score(args: &DataArgs) -> Result<(), Failure> {
    let task = Task::read(args)?;
    let data = &task.source.data.dataset;
    let logliks = match &task.model {
        Model::Hmm(hmm) => hmm.marginal_log_prob(&task.params, data)?,
        Model::Gaussian(model) => model.score(&task.params, data)?,
    };
    let mut columns = Vec::from_iter(task.id_column(1));
    columns.push(Column { name: "rows".into(), values: numbers(data.lengths().map(|n| n as f64)) });
    columns.push(Column { name: "log_likelihood".into(), values: Values::Numbers(logliks) });
    write_table(&results(columns)?, args.output.as_deref())
}

pub(crate) fn forecast(args: &ForecastArgs) -> Result<(), Failure> {
    let task = Task::read(&args.data)?;
    let selection = &task.source.selection;
    let future = match &args.future {
        Some(path) => {
            let inputs = ColumnArgs { columns: selection.inputs.clone(), ..ColumnArgs::default() };
            Source::read(path, &inputs, &Default::default())?.data.dataset.rows().to_vec()
        }
        None if task.model.input_dim() > 0 => {
            return Err(Failure::hinted(
                "the model reads inputs, also in the steps to come",
                format!("--future FILE with columns {}", selection.inputs.join(", ")),
            ));
        }
        None => Vec::new(),
    };
    let data = &task.source.data.dataset;
    let mut columns = Vec::from_iter(task.id_column(args.steps));
    let steps = (0..data.num_sequences()).flat_map(|_| (1..=args.steps).map(|h| h as f64));
    columns.push(Column { name: "steps_ahead".into(), values: numbers(steps) });
    let names = &selection.columns;
    columns.extend(match &task.model {
        Model::Hmm(hmm) => forecast_columns(hmm, &task.params, data, (args.steps, &future), names)?,
        Model::Gaussian(model) => {
            model.forecast(&task.params, data, (args.steps, &future), args.level, names)?
        }
    });
    write_table(&results(columns)?, args.data.output.as_deref())
}

/// Moments of the observations to come, and probabilities of the states.
fn forecast_columns(
    hmm: &Hmm,
    params: &Params,
    data: &Dataset<'_>,
    (horizon, future): (usize, &[f64]),
    names: &[String],
) -> Result<Vec<Column>, Failure> {
    let (k, width) = (hmm.num_states(), hmm.emission_width());
    let forecasts = hmm.forecast(params, data, horizon, future)?;
    let gather =
        |take: &dyn Fn(usize) -> Vec<f64>| (0..forecasts.len()).flat_map(take).collect::<Vec<f64>>();
    let means = gather(&|n| forecasts[n].means.clone());
    let deviations = gather(&|n| forecasts[n].standard_deviations(width));
    let probs = gather(&|n| forecasts[n].state_probs.clone());
    let mut columns = Vec::new();
    for (d, name) in names.iter().enumerate() {
        let entries = |values: &[f64]| numbers(values.iter().skip(d).step_by(width).copied());
        columns.push(Column { name: format!("{name}_mean"), values: entries(&means) });
        columns.push(Column { name: format!("{name}_sd"), values: entries(&deviations) });
    }
    columns.extend(state_columns(k, &probs));
    Ok(columns)
}

pub(crate) fn sample(args: &SampleArgs) -> Result<(), Failure> {
    let (file, model, remembered) = load(&args.model)?;
    let width = model.width();
    let inputs = match &args.file {
        Some(path) if model.input_dim() > 0 => {
            let names = ColumnArgs { columns: remembered.inputs.clone(), ..ColumnArgs::default() };
            Source::read(path, &names, &Default::default())?.data.dataset.rows().to_vec()
        }
        None if model.input_dim() > 0 => {
            return Err(Failure::hinted(
                "the model reads inputs",
                format!("give a FILE with columns {}", remembered.inputs.join(", ")),
            ));
        }
        _ => Vec::new(),
    };
    let rows = inputs.len().checked_div(model.input_dim());
    let num_steps = args.steps.or(rows).unwrap_or(100);
    let inputs = inputs.get(..num_steps * model.input_dim()).unwrap_or(&inputs);

    let (mut sequence, mut step) = (Vec::new(), Vec::new());
    let (mut states, mut emissions) = (Vec::new(), Vec::new());
    for n in 0..args.sequences as u64 {
        let seed = Seed(args.seed);
        let (path, values) = match &model {
            Model::Hmm(hmm) => {
                let (path, values) = hmm.sample(&file.params, seed, n, num_steps, inputs)?;
                (path.into_iter().map(f64::from).collect(), values)
            }
            Model::Gaussian(model) => model.sample(&file.params, seed, n, num_steps, inputs)?,
        };
        sequence.extend(std::iter::repeat_n(n as f64, num_steps));
        step.extend((0..num_steps).map(|t| t as f64));
        states.extend(path);
        emissions.extend(values);
    }
    let named = |name: &str, values| Column { name: name.into(), values: Values::Numbers(values) };
    let mut columns = vec![named("sequence", sequence), named("step", step)];
    let names: Vec<String> = match &model {
        Model::Hmm(_) => vec!["state".into()],
        Model::Gaussian(model) => model.state_names().iter().map(|name| format!("state_{name}")).collect(),
    };
    for (i, name) in names.iter().enumerate() {
        columns.push(named(name, states.iter().skip(i).step_by(names.len()).copied().collect()));
    }
    for d in 0..width {
        let name = remembered.columns.get(d).cloned().unwrap_or_else(|| format!("y{d}"));
        let values = emissions.iter().skip(d).step_by(width);
        let values = match remembered.labels.get(&name) {
            Some(labels) => Values::text(values.map(|code| labels.get(*code as usize).map(String::as_str))),
            None => numbers(values.copied()),
        };
        columns.push(Column { name, values });
    }
    write_table(&results(columns)?, args.output.as_deref())
}

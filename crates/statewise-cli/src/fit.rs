//! `statewise fit`: read, start, fit, report, save.

use std::io::Write;

use statewise::data::{Column, Selection, Table, Values};
use statewise::learn::{
    FitReport, Progress, fit_restarts, information_criteria, order_by_parameter, permute_params,
};
use statewise::model::hmm::Hmm;
use statewise::params::{Params, Properties};

use crate::args::FitArgs;
use crate::failure::Failure;
use crate::interrupt;
use crate::kind::Model;
use crate::model;
use crate::output::{results, write_table, write_text};
use crate::plot;
use crate::progress::ProgressLine;
use crate::report::{self, Names};
use crate::saved::model_file;
use crate::source::Source;
use crate::start::Starts;

/// A model with the parameters it was fitted to have.
pub(crate) struct Fitted {
    pub(crate) model: Model,
    pub(crate) name: String,
    pub(crate) properties: Properties,
    pub(crate) report: FitReport,
}

pub(crate) fn run(args: &FitArgs) -> Result<(), Failure> {
    model::check_name(&args.model)?;
    if args.plot.is_some() && [model::LINEAR_GAUSSIAN, model::STRUCTURAL].contains(&args.model.as_str()) {
        return Err(Failure::hinted(
            "--plot draws models with discrete states",
            "--path-output saves moments",
        ));
    }
    let source = Source::read(&args.file, &args.columns, &Selection::default())?;
    let fitted = fit(args, &source)?;
    // What was reached is saved before it is shown, so that a closed pipe loses nothing.
    if let Some(path) = &args.output {
        model_file(args, &source, &fitted)?.save(path)?;
    }
    let params = &fitted.report.params;
    let text = match &fitted.model {
        Model::Hmm(hmm) => {
            let (states, _) = hmm.most_likely_states(params, &source.data.dataset)?;
            save_paths(args, &source, &fitted, hmm, &states)?;
            describe(args, &source, &fitted)? + &describe_states(&source, &fitted, hmm, &states)
        }
        Model::Gaussian(model) => {
            if let Some(path) = &args.path_output {
                let columns = model.smooth(params, &source.data.dataset)?;
                write_table(&path_table(&source, columns)?, Some(path))?;
            }
            describe(args, &source, &fitted)?
        }
    };
    if !args.quiet {
        std::io::stdout().write_all(text.as_bytes())?;
    }
    if fitted.report.interrupted { Err(Failure::Interrupted) } else { Ok(()) }
}

/// Saves and draws decoded states with their probabilities.
fn save_paths(
    args: &FitArgs,
    source: &Source,
    fitted: &Fitted,
    hmm: &Hmm,
    states: &[u32],
) -> Result<(), Failure> {
    if args.path_output.is_none() && args.plot.is_none() {
        return Ok(());
    }
    let (params, data) = (&fitted.report.params, &source.data.dataset);
    let probs = hmm.smoother(params, data)?.smoothed_probs;
    if let Some(path) = &args.path_output {
        debug_assert_eq!(data.num_rows(), states.len());
        let states = numbers(states.iter().map(|z| f64::from(*z)));
        let mut columns = vec![Column { name: "state".into(), values: states }];
        columns.extend(state_columns(hmm.num_states(), &probs));
        write_table(&path_table(source, columns)?, Some(path))?;
    }
    if let Some(path) = &args.plot {
        let title = format!("{} {}", fitted.name, fitted.model.size());
        let name = args.file.file_name().unwrap_or(args.file.as_os_str()).display();
        let subtitle = format!("{name}, {} rows, coloured by the most likely path", data.num_rows());
        write_text(&plot::draw((&title, &subtitle), source, hmm, params, states, &probs)?, path)?;
    }
    Ok(())
}

fn fit(args: &FitArgs, source: &Source) -> Result<Fitted, Failure> {
    interrupt::listen();
    let Starts { model, name, properties, params: starts, learner } = Starts::new(args, source)?;
    let progress = ProgressLine::new(args.quiet, starts.len());
    let observe = |start: usize, seen: Progress<'_>| {
        progress.show(start, seen);
        !interrupt::seen()
    };
    let restarts =
        fit_restarts(&*learner, model.learnable(), &starts, &properties, &source.data.dataset, &observe)?;
    progress.clear();
    let mut report = restarts.best;
    if let Model::Hmm(hmm) = &model {
        report.params = ascending(hmm, report.params)?;
    }
    report.interrupted |= interrupt::seen();
    Ok(Fitted { model, name, properties, report })
}

/// Puts the states into the ascending order of their first emission parameter, so that their numbers
/// do not depend on the start. A model that forbids some moves keeps its order.
fn ascending(hmm: &Hmm, params: Params) -> Result<Params, Failure> {
    let schema = hmm.schema();
    let first = schema.iter().find(|spec| spec.state_axes == 1 && spec.path.starts_with("emissions."));
    match first {
        Some(first) if schema.iter().all(|spec| spec.support.is_none()) => {
            let permutation = order_by_parameter(schema, &params, &first.path, 0)?;
            Ok(permute_params(schema, &params, &permutation)?)
        }
        _ => Ok(params),
    }
}

/// The model, its parameters and how the fit went.
fn describe(args: &FitArgs, source: &Source, fitted: &Fitted) -> Result<String, Failure> {
    let Fitted { model, name, properties, report } = fitted;
    let data = &source.data.dataset;
    let columns = &source.selection.columns;
    let criteria = information_criteria(model.learnable(), &report.params, properties, data)?;
    let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let mut out = format!(
        "{name} {}, fitted to {} ({}) of {}\n\n",
        model.size(),
        columns.join(", "),
        [count(data.num_rows(), "row"), count(data.num_sequences(), "sequence")].join(" in "),
        args.file.display(),
    );
    for (name, labels) in &source.data.labels {
        let list: Vec<String> =
            labels.iter().enumerate().map(|(i, label)| format!("{i} = {label}")).collect();
        out += &format!("labels of {name}: {}\n\n", list.join(", "));
    }
    out += &report::parameters(
        model.learnable().schema(),
        &report.params,
        &Names { columns, labels: &source.data.labels },
    );
    let how = match (report.converged, report.interrupted) {
        (true, _) => "converged",
        (_, true) => "interrupted",
        _ => "not converged; raise --iterations",
    };
    let facts = [
        ("log-likelihood", report::number(criteria.marginal_loglik, 4)),
        ("iterations", format!("{} ({how})", report.iterations())),
        ("free parameters", criteria.num_parameters.to_string()),
        ("AIC", report::number(criteria.aic, 2)),
        ("BIC", report::number(criteria.bic, 2)),
    ];
    facts.iter().for_each(|(name, value)| out += &format!("{name:22}{value}\n"));
    report.warnings.iter().for_each(|warning| out += &format!("warning: {warning}\n"));
    Ok(out)
}

/// What only models with discrete states have.
fn describe_states(source: &Source, fitted: &Fitted, hmm: &Hmm, states: &[u32]) -> String {
    let mut out = String::new();
    if let Ok(dwell) = hmm.expected_dwell_times(&fitted.report.params) {
        let dwell: Vec<String> = dwell.iter().map(|steps| report::number(*steps, 1)).collect();
        out += &format!("{:22}{} steps (states 0, 1, …)\n", "expected dwell times", dwell.join(", "));
    }
    out + "\nmost likely path\n" + &describe_path(source, states)
}

/// The decoded path of every sequence, as runs.
pub(crate) fn describe_path(source: &Source, states: &[u32]) -> String {
    let data = &source.data.dataset;
    let ranges: Vec<_> = (0..data.num_sequences()).map(|n| data.range(n)).collect();
    let labels: Vec<_> =
        ranges.iter().map(|range| move |t: usize| source.row_label(range.start + t)).collect();
    let paths: Vec<report::Path<'_>> = ranges
        .iter()
        .enumerate()
        .map(|(n, range)| report::Path {
            id: source.data.ids.get(n).map(String::as_str),
            states: &states[range.clone()],
            label: &labels[n],
        })
        .collect();
    report::runs(&paths)
}

/// Row by row: what was observed, and columns of results.
fn path_table(source: &Source, results_of: Vec<Column>) -> Result<Table, Failure> {
    let mut columns = source.row_columns();
    for name in &source.selection.columns {
        let values = &source.table.column(name)?.values;
        let cells: Vec<String> = source.data.rows.iter().map(|row| values.cell(*row)).collect();
        let cells = cells.iter().map(|cell| (!cell.is_empty()).then_some(cell.as_str()));
        columns.push(Column { name: name.clone(), values: Values::text(cells) });
    }
    columns.extend(results_of);
    results(columns)
}

/// One column of probabilities for each state.
pub(crate) fn state_columns(num_states: usize, probs: &[f64]) -> Vec<Column> {
    let column = |k: usize| numbers(probs.iter().skip(k).step_by(num_states).copied());
    (0..num_states).map(|k| Column { name: format!("state_{k}"), values: column(k) }).collect()
}

pub(crate) fn numbers(values: impl Iterator<Item = f64>) -> Values {
    Values::Numbers(values.collect())
}

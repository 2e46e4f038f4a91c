//! `statewise fit`: read, start, fit, report, save.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use statewise::Seed;
use statewise::data::{Column, Selection, Table, Values};
use statewise::learn::{
    Em, FitReport, Progress, fit_restarts, information_criteria, order_by_parameter, permute_params,
};
use statewise::model::hmm::{Hmm, Start};
use statewise::params::{Params, Properties};

use crate::args::{FitArgs, Method};
use crate::failure::Failure;
use crate::model::{self, Request};
use crate::output::{results, write_table, write_text};
use crate::plot;
use crate::progress::ProgressLine;
use crate::report::{self, Names};
use crate::saved::model_file;
use crate::source::Source;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A model with the parameters it was fitted to have.
pub(crate) struct Fitted {
    pub(crate) hmm: Hmm,
    pub(crate) name: String,
    pub(crate) properties: Properties,
    pub(crate) report: FitReport,
}

pub(crate) fn run(args: &FitArgs) -> Result<(), Failure> {
    model::check_name(&args.model)?;
    let source = Source::read(&args.file, &args.columns, &Selection::default())?;
    let fitted = fit(args, &source)?;
    let params = &fitted.report.params;
    let data = &source.data.dataset;
    // What was reached is saved before it is shown, so that a closed pipe loses nothing.
    if let Some(path) = &args.output {
        model_file(args, &source, &fitted)?.save(path)?;
    }
    let (states, _) = fitted.hmm.most_likely_states(params, data)?;
    if args.path_output.is_some() || args.plot.is_some() {
        let probs = fitted.hmm.smoother(params, data)?.smoothed_probs;
        if let Some(path) = &args.path_output {
            write_table(&path_table(&source, fitted.hmm.num_states(), &states, &probs)?, Some(path))?;
        }
        if let Some(path) = &args.plot {
            let title = format!("{} with {} states", fitted.name, fitted.hmm.num_states());
            let name = args.file.file_name().unwrap_or(args.file.as_os_str()).display();
            let subtitle = format!("{name}, {} rows, coloured by the most likely path", data.num_rows());
            write_text(
                &plot::draw((&title, &subtitle), &source, &fitted.hmm, params, &states, &probs)?,
                path,
            )?;
        }
    }
    if !args.quiet {
        let text = describe(args, &source, &fitted, &states)?;
        std::io::stdout().write_all(text.as_bytes())?;
    }
    if fitted.report.interrupted { Err(Failure::Interrupted) } else { Ok(()) }
}

fn fit(args: &FitArgs, source: &Source) -> Result<Fitted, Failure> {
    // A second Ctrl-C ends the program at once.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    let data = &source.data.dataset;
    let classes: Vec<usize> = (0..data.width())
        .map(|c| match source.data.labels.get(&source.selection.columns[c]) {
            Some(labels) => labels.len(),
            None => {
                data.rows()[c..].iter().step_by(data.width()).fold(0.0f64, |max, x| max.max(*x)) as usize
                    + 1
            }
        })
        .collect();
    let (hmm, name) = model::build(&Request {
        model: &args.model,
        num_states: args.states,
        classes: &classes,
        input_dim: data.input_dim(),
        settings: &args.set,
    })?;
    check_text(source, &hmm, &args.model)?;
    hmm.check_data(data)?;

    let seed = Seed(args.seed);
    let start = match args.method {
        Method::Kmeans => Start::KMeans(data),
        Method::Prior => Start::Prior,
    };
    let mut starts = Vec::new();
    for restart in 0..args.restarts.max(1) as u64 {
        let seed = if restart == 0 { seed } else { seed.child("restart", restart) };
        starts.push(hmm.initialize(start, seed, &[])?.0);
    }
    let em = Em { num_iters: args.iterations, tolerance: Some(args.tolerance), prior: !args.no_prior };
    let properties = Properties::trainable(hmm.schema());
    let progress = ProgressLine::new(args.quiet, starts.len());
    let observe = |start: usize, seen: Progress<'_>| {
        progress.show(start, seen);
        !INTERRUPTED.load(Ordering::Relaxed)
    };
    let restarts = fit_restarts(&em, &hmm, &starts, &properties, data, &observe)?;
    progress.clear();
    let mut report = restarts.best;
    report.params = ascending(&hmm, report.params)?;
    report.interrupted |= INTERRUPTED.load(Ordering::Relaxed);
    Ok(Fitted { hmm, name, properties, report })
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

/// Text stands for labels only; a family of numbers must not fit the codes of words.
fn check_text(source: &Source, hmm: &Hmm, model: &str) -> Result<(), Failure> {
    let emissions = &hmm.spec().emissions;
    let columns = source.selection.columns.iter().enumerate();
    let inputs = source.selection.inputs.iter().map(|name| (false, name));
    let columns = columns.map(|(c, name)| (model::takes_labels(emissions, c), name)).chain(inputs);
    for (_, name) in columns.filter(|(labels, _)| !labels) {
        let Some(labels) = source.data.labels.get(name) else { continue };
        let example = labels.iter().find(|text| text.parse::<f64>().is_err()).map_or("", String::as_str);
        let comma = example.replace(',', ".").parse::<f64>().is_ok();
        let hint = match comma {
            true => "numbers need a dot, not a comma".to_owned(),
            false => "choose other --columns, or categorical-hmm for labels".to_owned(),
        };
        return Err(Failure::hinted(
            format!("column '{name}' holds text ('{example}'), but {model} needs numbers there"),
            hint,
        ));
    }
    Ok(())
}

/// The whole report.
fn describe(args: &FitArgs, source: &Source, fitted: &Fitted, states: &[u32]) -> Result<String, Failure> {
    let Fitted { hmm, name, properties, report } = fitted;
    let data = &source.data.dataset;
    let columns = &source.selection.columns;
    let criteria = information_criteria(hmm, &report.params, properties, data)?;
    let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let mut out = format!(
        "{name} with {}, fitted to {} ({}) of {}\n\n",
        count(hmm.num_states(), "state"),
        columns.join(", "),
        [count(data.num_rows(), "row"), count(data.num_sequences(), "sequence")].join(" in "),
        args.file.display(),
    );
    for (name, labels) in &source.data.labels {
        let list: Vec<String> =
            labels.iter().enumerate().map(|(i, label)| format!("{i} = {label}")).collect();
        out += &format!("labels of {name}: {}\n\n", list.join(", "));
    }
    out +=
        &report::parameters(hmm.schema(), &report.params, &Names { columns, labels: &source.data.labels });
    let how = match (report.converged, report.interrupted) {
        (true, _) => "converged",
        (_, true) => "interrupted",
        _ => "not converged; raise --iterations",
    };
    let mut facts = vec![
        ("log-likelihood", report::number(criteria.marginal_loglik, 4)),
        ("iterations", format!("{} ({how})", report.iterations())),
        ("free parameters", criteria.num_parameters.to_string()),
        ("AIC", report::number(criteria.aic, 2)),
        ("BIC", report::number(criteria.bic, 2)),
    ];
    if let Ok(dwell) = hmm.expected_dwell_times(&report.params) {
        let dwell: Vec<String> = dwell.iter().map(|steps| report::number(*steps, 1)).collect();
        facts.push(("expected dwell times", format!("{} steps (states 0, 1, …)", dwell.join(", "))));
    }
    facts.iter().for_each(|(name, value)| out += &format!("{name:22}{value}\n"));
    report.warnings.iter().for_each(|warning| out += &format!("warning: {warning}\n"));
    out += "\nmost likely path\n";
    out += &describe_path(source, states);
    Ok(out)
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

/// Row by row: what was observed, the decoded state and the smoothed probabilities.
fn path_table(source: &Source, num_states: usize, states: &[u32], probs: &[f64]) -> Result<Table, Failure> {
    let data = &source.data.dataset;
    let mut columns = source.row_columns();
    for name in &source.selection.columns {
        let values = &source.table.column(name)?.values;
        let cells: Vec<String> = source.data.rows.iter().map(|row| values.cell(*row)).collect();
        let cells = cells.iter().map(|cell| (!cell.is_empty()).then_some(cell.as_str()));
        columns.push(Column { name: name.clone(), values: Values::text(cells) });
    }
    debug_assert_eq!(data.num_rows(), states.len());
    columns.push(Column { name: "state".into(), values: numbers(states.iter().map(|z| f64::from(*z))) });
    columns.extend(state_columns(num_states, probs));
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

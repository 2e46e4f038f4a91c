//! `statewise dmm fit`: read, train, save, report.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use statewise::Seed;
use statewise::data::{Dataset, Selection};
use statewise_deep::DeepMarkovModel;
use statewise_deep::learn::{Fit, FitOptions, FitReport, StopReason};
use statewise_deep::model::{DmmConfig, EmissionKind};

use super::args::FitArgs;
use super::data::{Content, Sequences};
use super::progress::{ProgressLine, clock};
use super::saved::data_notes;
use super::{describe, history};
use crate::failure::Failure;
use crate::interrupt;
use crate::output::write_text;
use crate::plot;

/// Between two writings of the history while training runs.
const HISTORY_EVERY: Duration = Duration::from_secs(10);

/// What is learned from, chosen by and scored on.
struct Sets {
    train: Sequences,
    valid: Option<Sequences>,
    test: Option<Sequences>,
}

pub(crate) fn run(args: &FitArgs) -> Result<(), Failure> {
    let outputs = [&args.output, &args.history, &args.plot, &args.checkpoint];
    outputs.into_iter().flatten().try_for_each(|path| check_place(path))?;
    let sets = Sets::read(args)?;
    let (config, options) = options(args, &sets.train)?;
    for set in [Some(&sets.train), sets.valid.as_ref(), sets.test.as_ref()].into_iter().flatten() {
        set.check_text(config.emission == EmissionKind::Categorical)?;
    }
    let mut model = DeepMarkovModel::new(&config, Seed(options.seed))?;
    if let Some(test) = &sets.test {
        check_data(&model, "test", &test.data)?;
    }
    let report = train(args, &sets, &options, &mut model)?;
    // What was reached is saved before it is shown, so that a closed pipe loses nothing.
    if let Some(path) = &args.output {
        let mut notes = data_notes(&args.file, &sets.train);
        notes.extend(fit_notes(args, &options, &report)?);
        model.save(path, &notes)?;
    }
    if let Some(path) = &args.history {
        history::write(&report.history, path)?;
    }
    if let Some(path) = &args.plot {
        let name = args.file.file_name().unwrap_or(args.file.as_os_str()).display();
        let subtitle = format!("{name}, {}", describe::data(&sets.train.data));
        write_text(&plot::curves(&describe::model(&model), &subtitle, &report)?, path)?;
    }
    if !args.quiet {
        let text = describe_fit(args, &sets, &options, &model, &report)?;
        std::io::stdout().write_all(text.as_bytes())?;
    }
    match report.stop {
        StopReason::Interrupted => Err(Failure::Interrupted),
        StopReason::NotFinite(message) => Err(Failure::new(message)),
        _ => Ok(()),
    }
}

impl Sets {
    fn read(args: &FitArgs) -> Result<Self, Failure> {
        let (train, valid, test) = match Content::read(&args.file, &args.reading, &Selection::default())? {
            Content::Whole(train) => (*train, None, None),
            Content::Splits(splits) => {
                let [train, valid, test] = *splits;
                (train, Some(valid), Some(test))
            }
        };
        let other = |path: &Path, own: fn([Sequences; 3]) -> Sequences| -> Result<Sequences, Failure> {
            Ok(match Content::read(path, &args.reading, &train.selection)? {
                Content::Whole(sequences) => *sequences,
                Content::Splits(splits) => own(*splits),
            })
        };
        let valid = match &args.valid {
            Some(path) => Some(other(path, |[_, valid, _]| valid)?),
            None => valid,
        };
        let test = match &args.test {
            Some(path) => Some(other(path, |[_, _, test]| test)?),
            None => test,
        };
        Ok(Sets { train, valid, test })
    }
}

/// A fit of hours must not end at a folder that does not exist.
fn check_place(path: &Path) -> Result<(), Failure> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(Failure::new(format!("{}: there is no folder {}", path.display(), folder.display())))
        }
        _ => Ok(()),
    }
}

fn options(args: &FitArgs, train: &Sequences) -> Result<(DmmConfig, FitOptions), Failure> {
    let (width, input_dim) = (train.data.width(), train.data.input_dim());
    let (mut config, mut options) = args.settings.build(&args.preset, width, input_dim)?;
    if config.emission == EmissionKind::Categorical && config.num_classes == 0 {
        config.num_classes = train.num_classes();
    }
    options.checkpoint = args.checkpoint.clone();
    Ok((config, options))
}

/// Checks data with a hint at the emission that would fit them.
fn check_data(model: &DeepMarkovModel, argument: &str, data: &Dataset<'_>) -> Result<(), Failure> {
    model.check_data(argument, data).map_err(|error| {
        let of_values =
            matches!(&error, statewise::Error::Argument { argument, .. } if argument.contains(" row "));
        match of_values {
            true => Failure::hinted(
                error.to_string(),
                "--emission gaussian for real values, poisson for counts, categorical for labels",
            ),
            false => error.into(),
        }
    })
}

fn train(
    args: &FitArgs,
    sets: &Sets,
    options: &FitOptions,
    model: &mut DeepMarkovModel,
) -> Result<FitReport, Failure> {
    let valid = sets.valid.as_ref().map(|valid| &valid.data);
    check_data(model, "train", &sets.train.data)?;
    if let Some(valid) = valid {
        check_data(model, "valid", valid)?;
    }
    interrupt::listen();
    let mut line = ProgressLine::new(args.quiet);
    let mut written = Instant::now();
    let report = Fit::new(options.clone())?.run(model, &sets.train.data, valid, &mut |progress| {
        line.show(&progress);
        if let Some(path) = &args.history
            && written.elapsed() > HISTORY_EVERY
        {
            // It is written once more at the end, where an error ends the command.
            let _ = history::write(progress.history, path);
            written = Instant::now();
        }
        !interrupt::seen()
    });
    line.clear();
    Ok(report?)
}

/// What a model file says of the fit.
fn fit_notes(
    args: &FitArgs,
    options: &FitOptions,
    report: &FitReport,
) -> Result<Vec<(String, String)>, Failure> {
    let training = serde_json::to_string(options).map_err(|e| Failure::new(e.to_string()))?;
    let mut notes = vec![
        ("preset", args.preset.clone()),
        ("training", training),
        ("epochs", report.history.len().to_string()),
        ("best_epoch", report.best_epoch.to_string()),
        ("stop", describe::word(&report.stop)),
        ("seed", options.seed.to_string()),
    ];
    if let Some(bound) = report.best_valid_bound {
        notes.push(("valid_bound", bound.to_string()));
    }
    Ok(notes.into_iter().map(|(name, note)| (name.to_owned(), note)).collect())
}

/// The model and how training went.
fn describe_fit(
    args: &FitArgs,
    sets: &Sets,
    options: &FitOptions,
    model: &DeepMarkovModel,
    report: &FitReport,
) -> Result<String, Failure> {
    let mut out = format!(
        "{}\nfitted to {} of {}\n\n",
        describe::model(model),
        describe::data(&sets.train.data),
        args.file.display(),
    );
    let why = match &report.stop {
        StopReason::Epochs => "all epochs done".to_owned(),
        StopReason::TimeLimit => "time limit reached".to_owned(),
        StopReason::Patience => "validation bound no longer falls".to_owned(),
        StopReason::Interrupted => "interrupted".to_owned(),
        StopReason::NotFinite(_) => "not finite".to_owned(),
    };
    let mut fact = |name: &str, value: String| out += &format!("{name:22}{value}\n");
    fact("epochs", format!("{} ({why})", report.history.len()));
    fact("kept", format!("epoch {}", report.best_epoch));
    if let Some(last) = report.history.last() {
        fact("time", clock(last.seconds));
        fact(
            "last training bound",
            format!("{:.4} (NLL {:.4}, KL {:.4})", last.train_bound, last.nll, last.kl),
        );
    }
    for (name, set) in [("valid", &sets.valid), ("test", &sets.test)] {
        let Some(set) = set else { continue };
        let seed = Seed(options.seed).child(name, 0);
        let bound = model.bound(&set.data, options.evaluate_samples, seed)?;
        fact(
            &format!("{name} bound"),
            format!(
                "{:.4} per step (b), {:.4} mean of sequences (c)",
                bound.per_step(),
                bound.mean_of_sequences()
            ),
        );
    }
    out += "\nBounds are upper bounds of -log p(x) in nats per time step; lower is better.\n";
    if !matches!(report.stop, StopReason::NotFinite(_)) {
        report.warnings().iter().for_each(|warning| out += &format!("warning: {warning}\n"));
    }
    Ok(out)
}

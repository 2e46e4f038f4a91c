//! The `statewise` command: fit state space models to CSV and Parquet files, and use them.
//!
//! Nothing is computed here: the command reads files, calls the library and writes what it answers.

mod args;
mod components;
mod dmm;
mod failure;
mod fit;
mod gaussian;
mod infer;
mod inspect;
mod interrupt;
mod kind;
mod model;
mod output;
mod plot;
mod progress;
mod report;
mod saved;
mod source;
mod start;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use failure::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    statewise::threads::set_num_threads(cli.threads.unwrap_or(0));
    let result = match &cli.command {
        Command::Fit(args) => fit::run(args),
        Command::Decode(args) => infer::decode(args),
        Command::Smooth(args) => infer::smooth(args),
        Command::Filter(args) => infer::filter(args),
        Command::Score(args) => infer::score(args),
        Command::Forecast(args) => infer::forecast(args),
        Command::Sample(args) => infer::sample(args),
        Command::Dmm(command) => dmm::run(command),
        Command::Inspect(args) => inspect::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // A reader such as `head` has seen enough.
        Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(Failure::Interrupted) => ExitCode::from(130),
        Err(Failure::Message { text, hint }) => {
            eprintln!("error: {text}");
            if let Some(hint) = hint {
                eprintln!("  hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

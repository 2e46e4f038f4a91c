//! `statewise dmm`: deep Markov models on tables, arrays, piano rolls and MIDI files.

pub(crate) mod args;
mod data;
mod describe;
mod evaluate;
mod fit;
mod flags;
mod forecast;
mod history;
mod infer;
mod inspect;
mod progress;
mod sample;
mod saved;
mod settings;

use args::DmmCommand;
pub(crate) use inspect::inspect;
pub(crate) use saved::is_model_file;

use crate::failure::Failure;

pub(crate) fn run(command: &DmmCommand) -> Result<(), Failure> {
    match command {
        DmmCommand::Fit(args) => fit::run(args),
        DmmCommand::Bound(args) => evaluate::bound(args),
        DmmCommand::Infer(args) => infer::infer(args),
        DmmCommand::Reconstruct(args) => infer::reconstruct(args),
        DmmCommand::Forecast(args) => forecast::forecast(args),
        DmmCommand::Sample(args) => sample::sample(args),
        DmmCommand::Inspect(args) => inspect(&args.model),
    }
}

//! `statewise dmm sample`: sequences as a table or as MIDI files.

use std::path::{Path, PathBuf};

use statewise::Seed;
use statewise_deep::data::{MidiWriteOptions, midi_of_roll};
use statewise_deep::infer::{Generated, PathKind};
use statewise_deep::model::EmissionKind;

use super::args::SampleArgs;
use super::forecast::{counts, inputs};
use super::infer::{means, numbers, observations};
use super::saved::Saved;
use crate::failure::Failure;
use crate::output::{results, write_table};

pub(super) fn sample(args: &SampleArgs) -> Result<(), Failure> {
    let saved = Saved::load(&args.model)?;
    let missing = format!("give a FILE with columns {}", saved.selection.inputs.join(", "));
    let inputs = inputs(&saved, args.file.as_deref(), &missing)?;
    let input_dim = saved.model.config().input_dim;
    let num_steps = args.steps.or(inputs.len().checked_div(input_dim)).unwrap_or(100);
    let inputs = inputs.get(..num_steps * input_dim).unwrap_or(&inputs).repeat(args.sequences);
    let kind = if args.mean_path { PathKind::Mean } else { PathKind::Stochastic };
    let generated = saved.model.sample(args.sequences, num_steps, kind, &inputs, Seed(args.seed))?;
    match &args.midi {
        Some(path) => write_midi(args, &saved, &generated, path),
        None => write(args, &saved, &generated),
    }
}

fn write(args: &SampleArgs, saved: &Saved, generated: &Generated) -> Result<(), Failure> {
    let (paths, steps) = (generated.num_paths, generated.num_steps);
    let mut columns = vec![
        counts("sequence", (0..paths).flat_map(|n| std::iter::repeat_n(n, steps))),
        counts("step", (0..paths).flat_map(|_| 0..steps)),
    ];
    if args.latents {
        let size = saved.model.config().latent_dim;
        columns.extend((0..size).map(|j| numbers(format!("z{j}"), &generated.latents, j, size)));
    }
    columns.extend(match args.means {
        true => means(saved, &generated.emission_means),
        false => observations(saved, &generated.observations),
    });
    write_table(&results(columns)?, args.output.as_deref())
}

/// One file for each path.
fn write_midi(args: &SampleArgs, saved: &Saved, generated: &Generated, path: &Path) -> Result<(), Failure> {
    let config = saved.model.config();
    if !matches!(config.emission, EmissionKind::Bernoulli | EmissionKind::Nade) {
        return Err(Failure::new("--midi: the model does not give ones and zeros, expected piano rolls"));
    }
    let default = MidiWriteOptions::default();
    let of_data = saved.notes.get("seconds_per_step").and_then(|text| text.parse().ok());
    let options = MidiWriteOptions {
        seconds_per_step: args.seconds_per_step.or(of_data).unwrap_or(default.seconds_per_step),
        ..default
    };
    let values = if args.means { &generated.emission_means } else { &generated.observations };
    let rolls = values.chunks_exact(generated.num_steps * config.emission_dim);
    for (n, roll) in rolls.enumerate() {
        let bytes = midi_of_roll(roll, config.emission_dim, &options)?;
        let path = if generated.num_paths == 1 { path.to_owned() } else { numbered(path, n) };
        std::fs::write(&path, bytes).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    }
    Ok(())
}

/// OUT.mid as OUT-n.mid.
fn numbered(path: &Path, n: usize) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().map_or_else(|| "mid".into(), |ending| ending.to_string_lossy());
    path.with_file_name(format!("{stem}-{n}.{ending}"))
}

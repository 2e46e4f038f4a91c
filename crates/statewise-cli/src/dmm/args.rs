//! The command line of `statewise dmm`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use statewise_deep::learn::Device;

use super::settings::Settings;
use crate::args::{ColumnArgs, InspectArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum DmmCommand {
    /// Train a model and save it
    Fit(Box<FitArgs>),
    /// Bounds of -log p(x), per time step
    Bound(BoundArgs),
    /// Mean and standard deviation of every latent dimension at every row
    Infer(InferArgs),
    /// Expected observations given all rows, also where they are missing
    Reconstruct(ReconstructArgs),
    /// Means, standard deviations and bounds of the steps to come
    Forecast(ForecastArgs),
    /// Draw sequences from a model
    Sample(SampleArgs),
    /// Print what a model file holds
    Inspect(InspectArgs),
}

const FIT_HELP: &str = "\
Examples:
  statewise dmm fit jsb_chorales.npz --output jsb.safetensors --history curves.csv --plot curves.svg
  statewise dmm fit jsb_chorales.npz --preset krishnan2017 --inference ST-LR --time-limit 600 -o lr.safetensors
  statewise dmm fit tracks.csv --id animal --columns x,y --emission gaussian --latent-dim 8 -o tracks.safetensors
  statewise dmm fit midi/ --valid midi-valid/ --midi-beats 1 -o songs.safetensors

Data are CSV or Parquet; .npz, .npy or .safetensors arrays ([T, E], [N, T, E], or [sum T, E] with
lengths); an .npz of piano rolls with its own splits; a MIDI file or a folder of them. With validation
data the weights of the best validation bound are kept, without them the last. In square brackets:
values of the preset default. `-h` shows common options, `--help` all. Ctrl-C stops and keeps the best.";

const PUBLISHED: &str = "\
Published options (clinicalml/structuredinference and clinicalml/dmm) and ours:
  -vm R, L, LR (-infm R, LR) with -infm structured   --inference ST-R, ST-L, ST-LR
  -vm R, L, LR with -infm mean_field                 --inference MF-R, MF-L, MF-LR
  -use_p true, -useprior                             --combiner product
  -rc, -rs, -rl, -rd                                 --rnn, --rnn-size and --embedding, --rnn-layers, --rnn-dropout
  -ds                                                --latent-dim
  -dh                                                --emission-width, --transition-width
  -el, -tl                                           --emission-layers, --transition-layers
  -ttype mlp, gated, simple_gated                    --transition mlp, gated-dmm, gated
  -previnp, -usenade                                 --transition-previous, --emission nade
  -etype conditional, res                            --emission-previous, --emission-residual
  -iw, -ischeme, -nl                                 --init-weight, --init-scheme, --nonlinearity
  -lr, -opt, -bs, -ep, -seed                         --learning-rate, --optimizer, --batch-size, --epochs, --seed
  -ar                                                --kl-updates
  -reg l2, -rv                                       --l2
  -sfreq, -reload                                    --checkpoint-every, --checkpoint";

#[derive(Debug, Args)]
#[command(after_help = FIT_HELP, after_long_help = format!("{FIT_HELP}\n\n{PUBLISHED}"))]
pub(crate) struct FitArgs {
    /// The data to learn from
    pub(crate) file: PathBuf,
    /// Data to choose among epochs (default: the file's own, if it has some)
    #[arg(long, value_name = "FILE")]
    pub(crate) valid: Option<PathBuf>,
    /// Data for the final score (default: the file's own, if it has some)
    #[arg(long, value_name = "FILE")]
    pub(crate) test: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: ReadArgs,
    /// Where options start from: default, krishnan2017, dmm-repo or pyro
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) preset: String,
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Resume from this file if it exists, and write the state of training to it
    #[arg(long, value_name = "FILE", help_heading = super::flags::TRAINING)]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Save the model
    #[arg(long, short = 'o', value_name = "MODEL.safetensors")]
    pub(crate) output: Option<PathBuf>,
    /// Save bounds, gradient norms and rates of every epoch, also while training runs (CSV or .parquet)
    #[arg(long, value_name = "CURVES.csv")]
    pub(crate) history: Option<PathBuf>,
    /// Draw the bounds over epochs
    #[arg(long, value_name = "CURVES.svg")]
    pub(crate) plot: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(long, short = 'q')]
    pub(crate) quiet: bool,
}

/// How files become sequences.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ReadArgs {
    #[command(flatten)]
    pub(crate) columns: ColumnArgs,
    /// Array of observations in a file of arrays (default: all but lengths and inputs)
    #[arg(long, value_name = "NAME")]
    pub(crate) array: Option<String>,
    /// Array of the sequences' lengths, or of a mask
    #[arg(long, value_name = "NAME")]
    pub(crate) lengths: Option<String>,
    /// Array of inputs
    #[arg(long, value_name = "NAME")]
    pub(crate) input_array: Option<String>,
    /// Length of a step of MIDI files, in seconds [default: 0.3]
    #[arg(long, value_name = "S", conflicts_with = "midi_beats")]
    pub(crate) midi_seconds: Option<f64>,
    /// Length of a step of MIDI files, in beats
    #[arg(long, value_name = "B")]
    pub(crate) midi_beats: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Split {
    Train,
    Valid,
    Test,
}

/// A model with data for it.
#[derive(Debug, Args)]
pub(crate) struct UseArgs {
    /// A model file
    pub(crate) model: PathBuf,
    /// The data, of any kind that `statewise dmm fit` reads
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) reading: ReadArgs,
    /// Part of a file that has splits [default: test]
    #[arg(long, value_enum)]
    pub(crate) split: Option<Split>,
    /// Seed of all random numbers
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Write here (CSV or .parquet) instead of standard output
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct BoundArgs {
    #[command(flatten)]
    pub(crate) data: UseArgs,
    /// Latent paths of the evidence lower bound
    #[arg(long, value_name = "S", default_value_t = 10)]
    pub(crate) samples: usize,
    /// Where the evidence lower bound is computed: cpu or cuda
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    pub(crate) device: Device,
    /// Also importance sampling with so many latent paths
    #[arg(long, value_name = "S")]
    pub(crate) importance: Option<usize>,
    /// Also a particle filter with so many particles
    #[arg(long, value_name = "N")]
    pub(crate) particles: Option<usize>,
    /// Share of effective particles below which they are drawn anew
    #[arg(long, value_name = "P", default_value_t = 0.5, requires = "particles")]
    pub(crate) resample_below: f64,
    /// How results are written
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    /// Save the bounds of every sequence
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) sequences: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct InferArgs {
    #[command(flatten)]
    pub(crate) data: UseArgs,
    /// Latent paths that moments are taken over
    #[arg(long, value_name = "S", default_value_t = 10)]
    pub(crate) samples: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ReconstructArgs {
    #[command(flatten)]
    pub(crate) data: UseArgs,
    /// Latent paths that means are taken over
    #[arg(long, value_name = "S", default_value_t = 10)]
    pub(crate) samples: usize,
    /// Print the data with a draw for every missing entry instead of means
    #[arg(long)]
    pub(crate) filled: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ForecastArgs {
    #[command(flatten)]
    pub(crate) data: UseArgs,
    /// Steps to forecast
    #[arg(long, value_name = "H", default_value_t = 10)]
    pub(crate) steps: usize,
    /// Continuations drawn of every sequence
    #[arg(long, value_name = "S", default_value_t = 500)]
    pub(crate) samples: usize,
    /// Probability between the lower and the upper bound
    #[arg(long, value_name = "P", default_value_t = 0.95)]
    pub(crate) level: f64,
    /// Print the continuations themselves instead of their moments
    #[arg(long)]
    pub(crate) paths: bool,
    /// CSV or Parquet file with the inputs of the steps to come (H rows for each sequence)
    #[arg(long, value_name = "FILE")]
    pub(crate) future: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SampleArgs {
    /// A model file
    pub(crate) model: PathBuf,
    /// CSV or Parquet file with the inputs, for models that read inputs; one row a step
    pub(crate) file: Option<PathBuf>,
    /// Time steps of each sequence (default: 100, or the rows of FILE)
    #[arg(long, value_name = "T")]
    pub(crate) steps: Option<usize>,
    /// Sequences
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) sequences: usize,
    /// Follow the means of the transition instead of drawing from it
    #[arg(long)]
    pub(crate) mean_path: bool,
    /// Give expected observations instead of drawn ones
    #[arg(long)]
    pub(crate) means: bool,
    /// Give the latent states too
    #[arg(long)]
    pub(crate) latents: bool,
    /// Write piano rolls as MIDI instead of a table; several sequences as OUT-0.mid, OUT-1.mid, …
    #[arg(long, value_name = "OUT.mid")]
    pub(crate) midi: Option<PathBuf>,
    /// Length of a step in the MIDI file (default: that of the data, or 0.3)
    #[arg(long, value_name = "S", requires = "midi")]
    pub(crate) seconds_per_step: Option<f64>,
    /// Seed of all random numbers
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Write here (CSV or .parquet) instead of standard output
    #[arg(long, short = 'o', value_name = "FILE.csv", conflicts_with = "midi")]
    pub(crate) output: Option<PathBuf>,
}

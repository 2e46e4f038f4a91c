//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::dmm::args::DmmCommand;

const EXAMPLES: &str = "\
Examples:
  statewise fit gaussian-hmm nile.csv --states 2 --label year --output nile.json --plot nile.svg
  statewise fit poisson-hmm earthquakes.csv --states 3 --columns count --restarts 10 --no-prior
  statewise decode nile.json nile.csv
  statewise forecast nile.json nile.csv --steps 10
  statewise dmm fit jsb_chorales.npz --output jsb.safetensors --plot curves.svg

Data are CSV (a header line, a dot in numbers, nothing or NA where missing) or Parquet. Rows are in
the order of time. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.";

/// State space models on your data: fit, decode, smooth, filter, score, forecast, sample.
#[derive(Debug, Parser)]
#[command(name = "statewise", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Threads to use (default: all processors of this process, or STATEWISE_NUM_THREADS)
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fit a model to a file; print its parameters and the decoded path
    Fit(FitArgs),
    /// Most likely state of every row, jointly (Viterbi)
    Decode(DecodeArgs),
    /// State probabilities, or means and standard deviations, of every row given all rows
    Smooth(DataArgs),
    /// The same given the rows up to it
    Filter(DataArgs),
    /// Log-likelihood of every sequence
    Score(DataArgs),
    /// Means, standard deviations and state probabilities or bounds of the steps to come
    Forecast(ForecastArgs),
    /// Draw sequences from a model
    Sample(SampleArgs),
    /// Print what a model file holds
    Inspect(InspectArgs),
    /// Deep Markov models: fit, bound, infer, reconstruct, sample, forecast
    #[command(subcommand)]
    Dmm(DmmCommand),
}

const FIT_EXAMPLES: &str = "\
Examples:
  statewise fit gaussian-hmm nile.csv --states 2 --label year
  statewise fit categorical-hmm weather.csv --states 3 --columns weather --label date
  statewise fit gaussian-hmm tracks.csv --states 3 --columns speed,turn --id animal --restarts 8
  statewise fit poisson-hmm counts.csv --states 2 --set transition_matrix_stickiness=10
  statewise fit linear-gaussian tracks.csv --states 4 --columns x,y --set emissions_cov=diagonal
  statewise fit structural airpassengers.csv --components trend,seasonal:12 --label month";

#[derive(Debug, Args)]
#[command(after_help = FIT_EXAMPLES)]
pub(crate) struct FitArgs {
    /// The model: an emission family and `-hmm`, as gaussian-hmm or poisson-hmm; linear-gaussian; structural
    pub(crate) model: String,
    /// The data: a CSV or Parquet file, `-` for CSV from standard input
    pub(crate) file: PathBuf,
    /// Number of hidden states, or of dimensions of the state of linear-gaussian
    #[arg(long, short = 'k', value_name = "K", required_unless_present = "components")]
    pub(crate) states: Option<usize>,
    /// Components of structural, as level,trend,seasonal:12,cycle:18:144,ar:2,regression
    #[arg(long, value_name = "C,C", value_delimiter = ',', conflicts_with = "states")]
    pub(crate) components: Vec<String>,
    #[command(flatten)]
    pub(crate) columns: ColumnArgs,
    /// Most iterations (EM; L-BFGS for structural)
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(crate) iterations: usize,
    /// Stop when an iteration gains less than this times 1 + |log probability|; negative: never
    /// [default: 1e-8; 1e-12 and a value for structural]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) tolerance: Option<f64>,
    /// Fits from different starts, of which the best is kept
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) restarts: usize,
    /// Seed of all random numbers
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Leave out the priors: plain maximum likelihood
    #[arg(long)]
    pub(crate) no_prior: bool,
    /// Where parameters start [default: kmeans; pca for linear-gaussian]
    #[arg(long, value_enum)]
    pub(crate) method: Option<Method>,
    /// A hyper-parameter, as transition_matrix_stickiness=10 or num_components=3; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub(crate) set: Vec<(String, serde_json::Value)>,
    /// Save the fitted model
    #[arg(long, short = 'o', value_name = "MODEL.json")]
    pub(crate) output: Option<PathBuf>,
    /// Save decoded states and smoothed probabilities, or smoothed moments, of every row (CSV or .parquet)
    #[arg(long, value_name = "PATH.csv")]
    pub(crate) path_output: Option<PathBuf>,
    /// Draw the series with its states
    #[arg(long, value_name = "PLOT.svg")]
    pub(crate) plot: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(long, short = 'q')]
    pub(crate) quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Method {
    /// Clusters of the rows
    Kmeans,
    /// Draws from the priors
    Prior,
    /// Dynamax's start of linear-gaussian
    Default,
    /// Principal components, for linear-gaussian
    Pca,
    /// Subspace identification, for linear-gaussian
    Subspace,
}

/// Which columns mean what.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ColumnArgs {
    /// Columns of the observations (default: those of the model, or the only one left; all left for dmm)
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Column that tells sequences apart; its rows need not be neighbours
    #[arg(long, value_name = "COLUMN")]
    pub(crate) id: Option<String>,
    /// Columns of inputs that drive the model
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) inputs: Vec<String>,
    /// Column that names rows in the output (a year, a date)
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// A model file
    pub(crate) model: PathBuf,
    /// The data: a CSV or Parquet file, `-` for CSV from standard input
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) columns: ColumnArgs,
    /// Write here (CSV or .parquet) instead of standard output
    #[arg(long, short = 'o', value_name = "FILE.csv")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DecodeArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Print runs of equal states for reading instead of CSV
    #[arg(long)]
    pub(crate) runs: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ForecastArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Steps to forecast
    #[arg(long, value_name = "H", default_value_t = 10)]
    pub(crate) steps: usize,
    /// File with the inputs of the steps to come (the same columns, H rows for each sequence)
    #[arg(long, value_name = "FILE")]
    pub(crate) future: Option<PathBuf>,
    /// Probability between the lower and the upper bound, where the state is continuous
    #[arg(long, value_name = "P", default_value_t = 0.95)]
    pub(crate) level: f64,
}

#[derive(Debug, Args)]
pub(crate) struct SampleArgs {
    /// A model file
    pub(crate) model: PathBuf,
    /// File with the inputs, for models that read inputs; one row a step
    pub(crate) file: Option<PathBuf>,
    /// Time steps of each sequence (default: 100, or the rows of FILE)
    #[arg(long, value_name = "T")]
    pub(crate) steps: Option<usize>,
    /// Sequences
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) sequences: usize,
    /// Seed of all random numbers
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Write here (CSV or .parquet) instead of standard output
    #[arg(long, short = 'o', value_name = "FILE.csv")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A model file
    pub(crate) model: PathBuf,
}

/// `key=value`, the value as JSON or else as text.
fn parse_setting(text: &str) -> Result<(String, serde_json::Value), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    let parsed = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((key.trim().to_owned(), parsed))
}

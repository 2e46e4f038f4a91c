//! Channels: a product of families, each over columns of its own.
//!
//! p(y_t | z_t = k) = Π_i p_i(y_t^(i) | z_t = k),  y_t = (y_t^(0), y_t^(1), …)

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::column_view::ColumnView;
use super::{Emission, EmissionSpec, Prepared, maximise_clusters};
use crate::data::{Dataset, Sequence};
use crate::error::{Error, Result};
use crate::learn::maximise_numerically;
use crate::model::hmm::component::{Component, MStep, Maximised, check_size};
use crate::params::{Array, ParamSpec};

/// Independent channels given the state. A row is the channels' columns one after the other; a
/// scalar channel has one.
///
/// Parameters are named by channel: `emissions.0.means`, given as `emission_0_means`. All channels
/// have the same states; those that read inputs read all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channels {
    /// The families, in the order of their columns.
    pub channels: Vec<EmissionSpec>,
}

/// A channel and its parts of rows, parameters and statistics.
struct Channel<'a> {
    family: &'a dyn Emission,
    columns: Range<usize>,
    params: Range<usize>,
    stats: Range<usize>,
}

/// The channels made ready, with their columns, statistics and lags.
struct PreparedChannels<'a> {
    parts: Vec<PreparedPart<'a>>,
}

struct PreparedPart<'a> {
    prepared: Box<dyn Prepared + 'a>,
    columns: Range<usize>,
    stats: Range<usize>,
    num_lags: usize,
}

impl Channels {
    fn layout(&self) -> Vec<Channel<'_>> {
        let (mut column, mut param, mut stat) = (0, 0, 0);
        let advance = |start: &mut usize, len: usize| {
            *start += len;
            *start - len..*start
        };
        let mut channels = Vec::with_capacity(self.channels.len());
        for family in self.channels.iter().map(EmissionSpec::family) {
            channels.push(Channel {
                family,
                columns: advance(&mut column, family.emission_shape().iter().product()),
                params: advance(&mut param, family.schema().len()),
                stats: advance(&mut stat, family.num_stats()),
            });
        }
        channels
    }

    fn width(&self) -> usize {
        self.layout().last().map_or(0, |channel| channel.columns.end)
    }
}

impl Component for Channels {
    fn schema(&self) -> Vec<ParamSpec> {
        let mut specs = Vec::new();
        for (i, channel) in self.channels.iter().enumerate() {
            for spec in channel.family().schema() {
                let path = spec.path.strip_prefix("emissions.").unwrap_or(&spec.path);
                let keyword = spec.keyword.strip_prefix("emission_").unwrap_or(&spec.keyword);
                let (path, keyword) = (format!("emissions.{i}.{path}"), format!("emission_{i}_{keyword}"));
                specs.push(ParamSpec { path, keyword, ..spec });
            }
        }
        specs
    }

    fn check_hyperparameters(&self) -> Result<()> {
        check_size("channels", self.channels.len())?;
        for (i, channel) in self.channels.iter().enumerate() {
            let family = channel.family();
            let rename = |argument: &str| format!("channels[{i}].{argument}");
            family.check_hyperparameters().map_err(|error| rename_argument(error, rename))?;
            let (found, expected) = (family.num_states(), self.num_states());
            if found != expected {
                let expected = format!("{expected}, as in channels[0]");
                return Err(Error::argument(rename("num_states"), found, expected));
            }
            let (found, expected) = (family.input_dim(), self.input_dim());
            if found != 0 && found != expected {
                let expected = format!("{expected}: channels read all inputs or none");
                return Err(Error::argument(rename("input_dim"), found, expected));
            }
        }
        Ok(())
    }

    fn num_stats(&self) -> usize {
        self.layout().last().map_or(0, |channel| channel.stats.end)
    }

    fn expected_log_prob(&self, params: &[Array], stats: &[f64]) -> f64 {
        let term = |c: Channel<'_>| c.family.expected_log_prob(&params[c.params], &stats[c.stats]);
        self.layout().into_iter().map(term).sum()
    }

    fn expected_log_prob_gradient(&self, params: &[Array], stats: &[f64], gradient: &mut [Array]) {
        for c in self.layout() {
            let gradient = &mut gradient[c.params.clone()];
            c.family.expected_log_prob_gradient(&params[c.params], &stats[c.stats], gradient);
        }
    }

    fn log_prior(&self, params: &[Array]) -> f64 {
        self.layout().into_iter().map(|c| c.family.log_prior(&params[c.params])).sum()
    }

    fn log_prior_gradient(&self, params: &[Array], gradient: &mut [Array]) {
        for c in self.layout() {
            c.family.log_prior_gradient(&params[c.params.clone()], &mut gradient[c.params]);
        }
    }

    /// Maximises channel by channel, numerically those without a closed form.
    fn maximise(&self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        let mut total = 0;
        for c in self.layout() {
            let part = MStep {
                stats: &step.stats[c.stats],
                properties: &step.properties[c.params.clone()],
                ..*step
            };
            let params = &mut params[c.params];
            match c.family.maximise(&part, params) {
                Maximised::Done { repairs } => total += repairs,
                Maximised::NoClosedForm => maximise_numerically(c.family, &part, params),
            }
        }
        Maximised::Done { repairs: total }
    }

    fn sample_prior(&self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        self.channels.iter().flat_map(|channel| channel.family().sample_prior(rng)).collect()
    }
}

impl Emission for Channels {
    fn num_states(&self) -> usize {
        self.channels.first().map_or(0, |channel| channel.family().num_states())
    }

    fn emission_shape(&self) -> Vec<usize> {
        vec![self.width()]
    }

    fn input_dim(&self) -> usize {
        self.channels.iter().map(|channel| channel.family().input_dim()).max().unwrap_or(0)
    }

    fn num_lags(&self) -> usize {
        self.channels.iter().map(|channel| channel.family().num_lags()).max().unwrap_or(0)
    }

    fn check_rows(&self, rows: &[f64]) -> Result<()> {
        let width = self.width();
        for (i, channel) in self.layout().iter().enumerate() {
            let columns: Vec<f64> =
                rows.chunks_exact(width).flat_map(|row| &row[channel.columns.clone()]).copied().collect();
            let rename = |argument: &str| format!("{argument} of channel {i}");
            channel.family.check_rows(&columns).map_err(|error| rename_argument(error, rename))?;
        }
        Ok(())
    }

    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>> {
        let part = |channel: Channel<'a>| {
            let prepared = channel.family.prepare(&params[channel.params])?;
            let num_lags = channel.family.num_lags();
            Ok(PreparedPart { prepared, columns: channel.columns, stats: channel.stats, num_lags })
        };
        let parts = self.layout().into_iter().map(part).collect::<Result<_>>()?;
        Ok(Box::new(PreparedChannels { parts }))
    }

    fn features(&self, row: &[f64], out: &mut Vec<f64>) {
        self.layout().iter().for_each(|c| c.family.features(&row[c.columns.clone()], out));
    }

    /// Clusters whole rows, so that the channels agree on what a state is, then maximises.
    fn initialize_from_data(&self, data: &Dataset<'_>, rng: &mut ChaCha8Rng) -> Result<Vec<Array>> {
        maximise_clusters(self, self.sample_prior(rng), data, 0.95, rng)
    }
}

fn rename_argument(error: Error, rename: impl Fn(&str) -> String) -> Error {
    match error {
        Error::Argument { argument, found, expected } => {
            Error::Argument { argument: rename(&argument), found, expected }
        }
        other => other,
    }
}

impl PreparedPart<'_> {
    fn view<'s>(&self, sequence: &Sequence<'s>, steps: Range<usize>) -> ColumnView<'s> {
        ColumnView::new(sequence, self.columns.clone(), steps, self.num_lags)
    }
}

impl Prepared for PreparedChannels<'_> {
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]) {
        out.fill(0.0);
        let mut scratch = vec![0.0; out.len()];
        for part in &self.parts {
            let view = part.view(sequence, steps.clone());
            part.prepared.log_likelihoods(&view.sequence(), view.steps.clone(), &mut scratch);
            out.iter_mut().zip(&scratch).for_each(|(o, s)| *o += s);
        }
    }

    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]) {
        for part in &self.parts {
            let view = part.view(sequence, steps.clone());
            let stats = &mut stats[part.stats.clone()];
            part.prepared.accumulate(&view.sequence(), view.steps.clone(), gamma, stats);
        }
    }

    fn sample(
        &self,
        state: usize,
        sequence: &Sequence<'_>,
        t: usize,
        rng: &mut ChaCha8Rng,
        out: &mut [f64],
    ) {
        for part in &self.parts {
            let view = part.view(sequence, t..t + 1);
            let out = &mut out[part.columns.clone()];
            part.prepared.sample(state, &view.sequence(), view.steps.start, rng, out);
        }
    }

    /// Moments channel by channel; the covariance between channels is zero given the state.
    fn moments(&self, state: usize, sequence: &Sequence<'_>, t: usize, mean: &mut [f64], cov: &mut [f64]) {
        let width = mean.len();
        cov.fill(0.0);
        for part in &self.parts {
            let view = part.view(sequence, t..t + 1);
            let (columns, n) = (part.columns.clone(), part.columns.len());
            let mut block = vec![0.0; n * n];
            let mean = &mut mean[columns.clone()];
            part.prepared.moments(state, &view.sequence(), view.steps.start, mean, &mut block);
            for (i, row) in columns.clone().zip(block.chunks_exact(n)) {
                cov[i * width..][columns.clone()].copy_from_slice(row);
            }
        }
    }
}

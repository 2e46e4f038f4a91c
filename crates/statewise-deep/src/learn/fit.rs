//! The training loop.

use std::ops::Range;
use std::time::Instant;

use statewise::data::Dataset;
use statewise::learn::{Optimizer, Schedule};
use statewise::{Error, Result, Seed};

use super::checkpoint;
use super::device::{self, Engine};
use super::gradient::{ObjectiveCall, PathTerms, Worker, deal, run_shards};
use super::history::{EpochRecord, FitReport, Progress, StopReason};
use super::minibatches::minibatches;
use super::options::{FitOptions, GradientScale, Objective};
use super::state::TrainingState;
use crate::array::Real;
use crate::deep_markov_model::DeepMarkovModel;
use crate::parameters::Tensor;

/// Training of a model by stochastic gradients of a bound.
#[derive(Clone, Debug)]
pub struct Fit {
    options: FitOptions,
}

/// What a run of the loop works with.
struct Run<'a, R> {
    options: &'a FitOptions,
    model: &'a mut DeepMarkovModel<R>,
    train: &'a Dataset<'a>,
    valid: Option<&'a Dataset<'a>>,
    workers: Vec<Worker<R>>,
    /// Where passes run, if not here.
    engine: Option<Box<dyn Engine>>,
    gradient: Vec<f64>,
    /// With the rate of the latest update.
    optimizer: Optimizer,
    /// Of an epoch.
    updates: usize,
    frozen: Vec<Range<usize>>,
    started: Instant,
    steps_done: usize,
}

impl Fit {
    /// Training with these options.
    ///
    /// # Errors
    /// Options out of range.
    pub fn new(options: FitOptions) -> Result<Self> {
        options.check()?;
        Ok(Fit { options })
    }

    /// Trains `model` on `train`; `observe` sees every update and answers whether to go on.
    ///
    /// With validation data the model ends with the weights of the best validation bound, without with
    /// the last (averaged, if the options say so). If the options name a checkpoint that exists, training
    /// goes on from there, with the numbers of an uninterrupted run.
    ///
    /// # Errors
    /// Data that the model does not know; a checkpoint of something else, or that cannot be read or
    /// written; a device that is not there, that fails, or that does not know an option.
    pub fn run<R: Real>(
        &self,
        model: &mut DeepMarkovModel<R>,
        train: &Dataset<'_>,
        valid: Option<&Dataset<'_>>,
        observe: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<FitReport> {
        model.check_data("train", train)?;
        if let Some(valid) = valid {
            model.check_data("valid", valid)?;
        }
        let engine = device::open(self.options.device, model.config(), self.options.objective)?;
        self.run_on(engine, model, train, valid, observe)
    }

    /// The same on an engine that is open, with data that are checked.
    pub(crate) fn run_on<R: Real>(
        &self,
        engine: Option<Box<dyn Engine>>,
        model: &mut DeepMarkovModel<R>,
        train: &Dataset<'_>,
        valid: Option<&Dataset<'_>>,
        observe: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<FitReport> {
        let options = &self.options;
        let len = model.theta.len();
        let resumed = match &options.checkpoint {
            Some(path) => checkpoint::read(path, model.config(), options, train, len)?,
            None => None,
        };
        let first = || model.theta.iter().map(|x| x.to_f64()).collect();
        let mut state = match resumed {
            Some(state) => state,
            None => TrainingState::new(first(), &options.optimizer, options.average > 0.0),
        };
        let frozen = frozen_ranges(model.tensors(), &options.frozen)?;
        let mut run = Run {
            optimizer: options.optimizer.clone(),
            updates: train.num_sequences().div_ceil(options.batch_size),
            frozen,
            options,
            model,
            train,
            valid,
            workers: Vec::new(),
            engine,
            gradient: vec![0.0; len],
            started: Instant::now(),
            steps_done: 0,
        };
        let stop = run.epochs(&mut state, observe)?;
        let best = state.best_valid.is_some();
        if !best && stop_kept_weights(&stop) {
            state.best = state.evaluated().to_vec();
            state.best_epoch = state.epochs();
        }
        run.model.theta = state.best.iter().map(|x| R::from_f64(*x)).collect();
        Ok(FitReport {
            best_epoch: state.best_epoch,
            best_valid_bound: state.best_valid,
            history: state.history,
            stop,
        })
    }
}

/// The places of the tensors that stay as they are.
fn frozen_ranges(tensors: &[Tensor], prefixes: &[String]) -> Result<Vec<Range<usize>>> {
    if let Some(prefix) =
        prefixes.iter().find(|p| !tensors.iter().any(|tensor| tensor.name.starts_with(*p)))
    {
        let names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        return Err(Error::argument(
            "frozen",
            format!("{prefix:?}"),
            format!("the start of one of {names:?}"),
        ));
    }
    let is_frozen = |tensor: &&Tensor| prefixes.iter().any(|prefix| tensor.name.starts_with(prefix));
    Ok(tensors.iter().filter(is_frozen).map(|tensor| tensor.range.clone()).collect())
}

/// Whether the last weights are finite.
fn stop_kept_weights(stop: &StopReason) -> bool {
    !matches!(stop, StopReason::NotFinite(_))
}

/// How an epoch ended.
enum EpochEnd {
    Done,
    Stopped(StopReason),
}

impl<R: Real> Run<'_, R> {
    fn epochs(
        &mut self,
        state: &mut TrainingState,
        observe: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<StopReason> {
        let before = state.seconds;
        while state.epochs() < self.options.epochs {
            // An epoch that does not end leaves no trace but its weights.
            let kept = self.options.checkpoint.is_some().then(|| state.clone());
            if let EpochEnd::Stopped(reason) = self.epoch(state, before, observe)? {
                if let (Some(path), Some(kept)) = (&self.options.checkpoint, kept) {
                    checkpoint::write(path, self.model.config(), self.options, self.train, &kept)?;
                }
                return Ok(reason);
            }
            let last = state.epochs() == self.options.epochs;
            let epoch = state.epochs();
            if self.valid.is_none() {
                state.best = state.evaluated().to_vec();
                state.best_epoch = epoch;
            }
            if epoch.is_multiple_of(self.options.evaluate_every) || last {
                self.evaluate(state)?;
            }
            state.seconds = before + self.started.elapsed().as_secs_f64();
            if let Some(path) = &self.options.checkpoint
                && (epoch.is_multiple_of(self.options.checkpoint_every) || last)
            {
                checkpoint::write(path, self.model.config(), self.options, self.train, state)?;
            }
            if self.out_of_patience(state) {
                return Ok(StopReason::Patience);
            }
            if self.options.time_limit.is_some_and(|limit| state.seconds >= limit) {
                if self.valid.is_some() && state.history.last().is_some_and(|r| r.valid_bound.is_none()) {
                    self.evaluate(state)?;
                }
                return Ok(StopReason::TimeLimit);
            }
        }
        Ok(StopReason::Epochs)
    }

    fn epoch(
        &mut self,
        state: &mut TrainingState,
        before: f64,
        observe: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<EpochEnd> {
        let options = self.options;
        let seed = Seed(options.seed);
        let epoch = state.epochs();
        let batches = minibatches(self.train, options.batch_size, options.bucketed, seed, epoch as u64);
        let mut sum = PathTerms::default();
        let mut norms = 0.0;
        for (done, batch) in batches.iter().enumerate() {
            let seconds = before + self.started.elapsed().as_secs_f64();
            let rate = self.options.rate(state.optimizer.step, self.updates, seconds);
            self.optimizer.schedule = Schedule::Constant { rate };
            let (terms, norm) = self.update(state, batch, seed)?;
            if !(terms.bound.is_finite() && norm.is_finite()) {
                let report = self.report_not_finite(state, batch, terms);
                return Ok(EpochEnd::Stopped(StopReason::NotFinite(report)));
            }
            sum.add(terms);
            norms += norm;
            self.steps_done += terms.steps;
            let update = state.optimizer.step - 1;
            let steps = sum.steps as f64;
            let elapsed = self.started.elapsed().as_secs_f64();
            let running = EpochRecord {
                epoch: epoch + 1,
                updates: state.optimizer.step,
                seconds: before + elapsed,
                train_bound: -sum.bound / steps,
                nll: sum.nll / steps,
                kl: sum.divergence / steps,
                kl_weight: self.divergence_weight(update),
                gradient_norm: norms / (done + 1) as f64,
                learning_rate: rate,
                valid_bound: None,
            };
            let progress = self.progress(state, &running, done + 1, batches.len());
            let go_on = observe(progress);
            if done + 1 == batches.len() {
                state.history.push(running);
            }
            if !go_on {
                return Ok(EpochEnd::Stopped(StopReason::Interrupted));
            }
        }
        Ok(EpochEnd::Done)
    }

    fn divergence_weight(&self, update: u64) -> f64 {
        match self.options.objective {
            Objective::Elbo | Objective::SampledElbo => self.options.annealing.at(update),
            Objective::Iwae | Objective::Fivo { .. } => 1.0,
        }
    }

    /// One step of the optimiser; the norm is that of the gradient before it is limited.
    fn update(
        &mut self,
        state: &mut TrainingState,
        batch: &[usize],
        seed: Seed,
    ) -> Result<(PathTerms, f64)> {
        let options = self.options;
        let update = state.optimizer.step;
        let call = ObjectiveCall {
            objective: options.objective,
            num_particles: options.num_particles,
            divergence_weight: self.divergence_weight(update),
            seed: seed.child("update", update),
            training: true,
        };
        let terms = self.pass(state, batch, call)?;
        let gradient = &mut self.gradient;
        if options.l2 > 0.0 {
            gradient.iter_mut().zip(&state.theta).for_each(|(g, x)| *g += 2.0 * options.l2 * x);
        }
        for range in &self.frozen {
            gradient[range.clone()].fill(0.0);
        }
        let divisor = match options.gradient_scale {
            GradientScale::Sum => 1.0,
            GradientScale::Sequences => terms.sequences as f64,
            GradientScale::Steps => terms.steps as f64,
        };
        gradient.iter_mut().for_each(|g| *g /= divisor);
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        if !norm.is_finite() {
            return Ok((terms, norm));
        }
        if let Some(limit) = options.clip_value {
            gradient.iter_mut().for_each(|g| *g = g.clamp(-limit, limit));
        }
        let kept: Vec<Vec<f64>> =
            self.frozen.iter().map(|range| state.theta[range.clone()].to_vec()).collect();
        self.optimizer.step(&mut state.optimizer, &mut state.theta, gradient);
        for (range, kept) in self.frozen.iter().zip(kept) {
            // A rule may move weights that have no gradient: decay does.
            state.theta[range.clone()].copy_from_slice(&kept);
        }
        if options.average > 0.0 {
            state.take_average(options.average);
        }
        Ok((terms, norm))
    }

    /// The objective and its gradient at the weights, here or on the device.
    fn pass(&mut self, state: &TrainingState, batch: &[usize], call: ObjectiveCall) -> Result<PathTerms> {
        let DeepMarkovModel { network, theta } = &mut *self.model;
        let gradient = &mut self.gradient;
        if let Some(engine) = &mut self.engine {
            engine.set_weights(&state.theta);
            return engine.objective(network, self.train, batch, call, gradient);
        }
        theta.iter_mut().zip(&state.theta).for_each(|(x, wide)| *x = R::from_f64(*wide));
        let shards = deal(self.train, batch, self.options.shard_size);
        Ok(run_shards(network, theta, self.train, &shards, call, &mut self.workers, gradient))
    }

    /// Scores the validation data with the weights that would be kept.
    fn evaluate(&mut self, state: &mut TrainingState) -> Result<()> {
        let Some(valid) = self.valid else { return Ok(()) };
        self.model.theta = state.evaluated().iter().map(|x| R::from_f64(*x)).collect();
        // One seed for all evaluations: they differ by the weights, not by the draws.
        let seed = Seed(self.options.seed).child("validation", 0);
        let engine = self.engine.as_deref_mut();
        let bound = self.model.bound_with(engine, valid, self.options.evaluate_samples, seed)?.per_step();
        if let Some(record) = state.history.last_mut() {
            record.valid_bound = Some(bound);
        }
        if bound.is_finite() && state.best_valid.is_none_or(|best| bound < best) {
            state.best_valid = Some(bound);
            state.best_epoch = state.epochs();
            state.best = state.evaluated().to_vec();
        }
        Ok(())
    }

    fn out_of_patience(&self, state: &TrainingState) -> bool {
        // An epoch that was not evaluated says nothing.
        let evaluated = state.history.last().is_some_and(|record| record.valid_bound.is_some());
        let waited = state.epochs() - state.best_epoch;
        evaluated && self.options.patience.is_some_and(|patience| waited > patience)
    }

    fn progress<'b>(
        &self,
        state: &'b TrainingState,
        running: &'b EpochRecord,
        update: usize,
        updates: usize,
    ) -> Progress<'b> {
        let elapsed = self.started.elapsed().as_secs_f64();
        let steps_per_second = self.steps_done as f64 / elapsed.max(1e-9);
        let steps_left = (self.options.epochs - state.epochs()) as f64 * self.train.num_rows() as f64
            - self.train.num_rows() as f64 * update as f64 / updates as f64;
        let by_epochs = steps_left / steps_per_second.max(1e-9);
        let by_time = self.options.time_limit.map_or(f64::INFINITY, |limit| limit - running.seconds);
        Progress {
            epoch: running.epoch,
            epochs: self.options.epochs,
            update,
            updates,
            running,
            history: &state.history,
            steps_per_second,
            seconds_left: by_epochs.min(by_time).max(0.0),
        }
    }

    /// Says which sequences and which tensors were involved.
    fn report_not_finite(&self, state: &TrainingState, batch: &[usize], terms: PathTerms) -> String {
        let tensors = self.model.tensors().iter();
        let bad =
            tensors.filter(|tensor| self.gradient[tensor.range.clone()].iter().any(|g| !g.is_finite()));
        let names: Vec<&str> = bad.map(|tensor| tensor.name.as_str()).take(5).collect();
        let error = Error::argument(
            format!("update {} on training sequences {batch:?}", state.optimizer.step + 1),
            format!("bound {}, gradients that are not finite in {names:?}", terms.bound),
            "finite values; lower the learning rate, limit the gradient's norm or rescale the data",
        );
        error.to_string()
    }
}

//! How many threads work, and how sequences are shared out among them.
//!
//! Results never depend on the number of threads: work is cut into groups by the data alone, and
//! partial results are merged in the order of the groups.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::data::Dataset;

/// Rows after which a group of sequences is closed.
const GROUP_ROWS: usize = 8192;

static POOL: Mutex<Option<Arc<ThreadPool>>> = Mutex::new(None);
static DEFAULT: OnceLock<usize> = OnceLock::new();

/// The number of threads used when none is set: `STATEWISE_NUM_THREADS`, else the processors that
/// this process may run on.
pub fn default_num_threads() -> usize {
    *DEFAULT.get_or_init(|| {
        let set = std::env::var("STATEWISE_NUM_THREADS").ok().and_then(|v| v.trim().parse().ok());
        set.filter(|n| *n > 0)
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    })
}

/// Sets the number of threads for all later work; 0 goes back to the default.
pub fn set_num_threads(num_threads: usize) {
    let wanted = if num_threads == 0 { default_num_threads() } else { num_threads };
    *lock() = build(wanted);
}

/// The number of threads that work.
pub fn num_threads() -> usize {
    pool().map_or(1, |pool| pool.current_num_threads())
}

/// Forgets the pool in the child of a fork, where its threads do not exist. The next work starts a
/// new one.
pub fn forget_after_fork() {
    std::mem::forget(lock().take());
}

fn lock() -> std::sync::MutexGuard<'static, Option<Arc<ThreadPool>>> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pool of this size; one whose threads the system refuses to start becomes none at all.
fn build(num_threads: usize) -> Option<Arc<ThreadPool>> {
    ThreadPoolBuilder::new().num_threads(num_threads).build().ok().map(Arc::new)
}

fn pool() -> Option<Arc<ThreadPool>> {
    let mut pool = lock();
    if pool.is_none() {
        *pool = build(default_num_threads());
    }
    pool.clone()
}

/// Runs `work` on the pool, where rayon's own calls use its threads and no others.
pub fn install<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    match pool() {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

/// Maps groups of sequences, in parallel where there are threads; results are in order.
pub(crate) fn map_groups<R: Send>(data: &Dataset<'_>, work: impl Fn(Range<usize>) -> R + Sync) -> Vec<R> {
    map(groups(data.lengths()), work)
}

/// Maps items, in parallel where there are threads; results are in order.
///
/// PERF: the calling thread takes items too, from the first moment on; waiting for sleeping workers
/// costs as much as an iteration of EM on a small model.
pub(crate) fn map<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let Some(pool) = pool().filter(|pool| pool.current_num_threads() > 1 && items.len() > 1) else {
        return items.into_iter().map(work).collect();
    };
    let helpers = pool.current_num_threads().min(items.len()) - 1;
    let queue = Mutex::new(items.into_iter().enumerate());
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        let mut done = Vec::new();
        while let Some((index, item)) = take() {
            done.push((index, work(item)));
        }
        done
    };
    let mut done = Vec::new();
    let by_helpers = Mutex::new(Vec::new());
    pool.in_place_scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|_| {
                let part = run();
                by_helpers.lock().unwrap_or_else(PoisonError::into_inner).extend(part);
            });
        }
        done = run();
    });
    done.extend(by_helpers.into_inner().unwrap_or_else(PoisonError::into_inner));
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Neighbouring sequences of these lengths, cut where a group has enough rows.
///
/// Statistics are summed within groups and then over groups, in order; whoever shares out groups
/// among machines and merges in order gets the same bits.
pub fn groups(lengths: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let (mut start, mut end, mut rows) = (0, 0, 0);
    for (n, length) in lengths.enumerate() {
        end = n + 1;
        rows += length;
        if rows >= GROUP_ROWS {
            groups.push(start..n + 1);
            (start, rows) = (n + 1, 0);
        }
    }
    if start < end {
        groups.push(start..end);
    }
    groups
}

/// Maps one item per sequence, neighbours of a group on one thread; results are in order.
///
/// `state` makes what a group keeps between its sequences (a workspace).
pub(crate) fn map_sequences<T: Send, S, R: Send, E: Send>(
    data: &Dataset<'_>,
    items: Vec<T>,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let mut items = items.into_iter();
    let batches: Vec<(usize, Vec<T>)> = groups(data.lengths())
        .into_iter()
        .map(|group| (group.start, items.by_ref().take(group.len()).collect()))
        .collect();
    let parts = map(batches, |(first, batch)| {
        let mut state = state();
        let results = batch.into_iter().enumerate().map(|(i, item)| work(&mut state, first + i, item));
        results.collect::<Result<Vec<R>, E>>()
    });
    let mut results = Vec::with_capacity(data.num_sequences());
    for part in parts {
        results.extend(part?);
    }
    Ok(results)
}

//! One check on all samples, and what came of it.

use crate::sample::Sample;
use mlx_oxide_ir::Error;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a check found, where it found nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ran.
    Passed,
    /// The sample has nothing that the check could look at.
    Skipped(&'static str),
}

/// What a check found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure(error.to_string())
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Failure(message)
    }
}

/// The counts of a check by family, and its failures.
#[derive(Debug, Default)]
pub struct Trials {
    /// How many samples of a family ran.
    pub ran: BTreeMap<&'static str, usize>,
    /// How many were skipped, by family and reason.
    pub skipped: BTreeMap<(&'static str, &'static str), usize>,
    /// What went wrong, each beginning with the sample's name.
    pub failures: Vec<String>,
}

impl Trials {
    /// How many samples ran in all.
    pub fn total(&self) -> usize {
        self.ran.values().sum()
    }

    /// Fails with all failures, or if fewer than `least` samples ran: a check that skips
    /// everything proves nothing.
    ///
    /// # Panics
    /// As a test does.
    pub fn assert(&self, least: usize) {
        println!("{self}");
        assert!(self.failures.is_empty(), "{self}");
        assert!(self.total() >= least, "only {} ran\n{self}", self.total());
    }
}

impl fmt::Display for Trials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (family, count) in &self.ran {
            writeln!(formatter, "{family:>10}: {count:6} ran")?;
        }
        for ((family, reason), count) in &self.skipped {
            writeln!(formatter, "{family:>10}: {count:6} skipped, {reason}")?;
        }
        let shown = 60;
        for failure in self.failures.iter().take(shown) {
            writeln!(formatter, "{failure}")?;
        }
        let (ran, failed) = (self.total(), self.failures.len());
        write!(formatter, "{ran} ran, {failed} failed")
    }
}

/// Runs a check on all samples on all processors.
pub fn trials(
    samples: &[Sample],
    check: impl Fn(&Sample) -> Result<Outcome, Failure> + Sync,
) -> Trials {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut trials = Trials::default();
        while let Some(sample) = samples.get(next.fetch_add(1, Ordering::Relaxed)) {
            trials.add(sample, run(sample, &check));
        }
        trials
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all = Trials::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            all.merge(worker.join().expect("checks are guarded against panics"));
        }
    });
    all.failures.sort();
    all
}

fn run(
    sample: &Sample,
    check: &impl Fn(&Sample) -> Result<Outcome, Failure>,
) -> Result<Outcome, Failure> {
    let outcome = catch_unwind(AssertUnwindSafe(|| check(sample)));
    outcome.unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied());
        let message = message.unwrap_or("without a word");
        Err(Failure(format!("panicked: {message}")))
    })
}

impl Trials {
    fn add(&mut self, sample: &Sample, outcome: Result<Outcome, Failure>) {
        let family = sample.family();
        match outcome {
            Ok(Outcome::Skipped(reason)) => {
                *self.skipped.entry((family, reason)).or_default() += 1;
                return;
            }
            Ok(Outcome::Passed) => {}
            Err(Failure(message)) => self.failures.push(format!("{}: {message}", sample.name)),
        }
        *self.ran.entry(family).or_default() += 1;
    }

    fn merge(&mut self, other: Trials) {
        for (family, count) in other.ran {
            *self.ran.entry(family).or_default() += count;
        }
        for (reason, count) in other.skipped {
            *self.skipped.entry(reason).or_default() += count;
        }
        self.failures.extend(other.failures);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::samples;

    #[test]
    fn failures_panics_and_skips_are_all_counted() {
        let samples = &samples()[..6];
        let check = |sample: &Sample| match sample.name.len() % 3 {
            0 => Err(Failure("wrong".to_owned())),
            1 => panic!("lost"),
            _ => Ok(Outcome::Skipped("short")),
        };
        let trials = trials(samples, check);
        let skipped: usize = trials.skipped.values().sum();
        assert_eq!(trials.total() + skipped, 6);
        assert_eq!(trials.failures.len(), trials.total());
    }
}

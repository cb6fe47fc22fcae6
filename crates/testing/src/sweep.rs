//! All samples in all arrangements on a backend, against the reference.

use crate::backend::{evaluate, supports};
use crate::compare::compare;
use crate::sample::{Arrangement, Sample};
use mlx_oxide_reference::Reference;
use mlx_oxide_runtime::Backend;
use std::collections::BTreeMap;
use std::fmt;

/// How many samples of a family ran and how many the backend declined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Ran.
    pub ran: usize,
    /// Declined by the backend.
    pub declined: usize,
}

/// What came of a sweep.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Counts by family, all arrangements of a sample counted.
    pub families: BTreeMap<&'static str, Count>,
    /// What differed or failed.
    pub failures: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (family, count) in &self.families {
            let Count { ran, declined } = count;
            writeln!(
                formatter,
                "{family:>10}: {ran:6} ran, {declined:6} declined"
            )?;
        }
        let shown = 40;
        for failure in self.failures.iter().take(shown) {
            writeln!(formatter, "{failure}")?;
        }
        if self.failures.len() > shown {
            writeln!(formatter, "… {} failures in all", self.failures.len())?;
        }
        Ok(())
    }
}

/// Every layout in which a sample is to be run.
pub fn arrangements(sample: &Sample) -> Vec<Sample> {
    if sample.inputs.is_empty() {
        return vec![sample.clone()];
    }
    let uniform = Arrangement::ALL.iter().map(|way| sample.arranged(*way));
    match sample.inputs.len() {
        1 => uniform.collect(),
        _ => uniform.chain([sample.mixed()]).collect(),
    }
}

/// Runs the samples that a backend supports, in every arrangement, and compares them with the
/// reference. `adapt` may change a sample's tolerance, or leave it out by `None`.
pub fn sweep(
    backend: &dyn Backend,
    samples: &[Sample],
    adapt: impl Fn(&Sample) -> Option<Sample>,
) -> Report {
    let mut report = Report::default();
    for sample in samples.iter().filter_map(adapt) {
        for arranged in arrangements(&sample) {
            let count = report.families.entry(sample.family()).or_default();
            if !supports(&arranged, backend) {
                count.declined += 1;
                continue;
            }
            count.ran += 1;
            if let Err(failure) = agrees(&arranged, backend) {
                report.failures.push(failure);
            }
        }
    }
    report
}

/// Whether a backend and the reference give the same, errors included.
fn agrees(sample: &Sample, backend: &dyn Backend) -> Result<(), String> {
    match (evaluate(sample, backend), evaluate(sample, &Reference)) {
        (Ok(found), Ok(expected)) => {
            compare(sample, &found, &expected).map_err(|mismatch| mismatch.to_string())
        }
        (Err(found), Err(expected)) if found == expected => Ok(()),
        (found, expected) => {
            let outcome = |result: Result<_, _>| match result {
                Ok(_) => "success".to_owned(),
                Err(error) => format!("{error}"),
            };
            Err(format!(
                "{}: {} instead of {}",
                sample.name,
                outcome(found.map(|_| ())),
                outcome(expected.map(|_| ()))
            ))
        }
    }
}

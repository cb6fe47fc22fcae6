//! Trains a small convolutional network to read handwritten digits, draws how it went, and checks
//! that its checkpoint reads the same.
//!
//! ```text
//! cargo run --release --example digits -- [directory]
//! ```

mod data;
mod network;
mod picture;

use data::Digits;
use indicatif::{ProgressBar, ProgressStyle};
use mlx_oxide::io::safetensors;
use mlx_oxide::nn::{self, ModuleExt};
use mlx_oxide::optim::{Optimizer, rules::Adam};
use mlx_oxide::{Array, ops};
use network::DigitReader;
use std::error::Error;
use std::path::{Path, PathBuf};

const EPOCHS: usize = 25;
const BATCH: usize = 64;
const LEARNING_RATE: f64 = 3e-3;
const SEED: u64 = 0;

/// What was measured after each epoch.
#[derive(Default)]
struct History {
    training_loss: Vec<f32>,
    held_out_loss: Vec<f32>,
    training_accuracy: Vec<f32>,
    held_out_accuracy: Vec<f32>,
}

fn main() -> Result<(), Box<dyn Error>> {
    mlx_oxide::init();
    let directory = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("demo-output"), PathBuf::from);
    std::fs::create_dir_all(&directory)?;
    ops::random::seed(SEED)?;

    let (training, held_out) = data::split(&data::read()?)?;
    let mut model = DigitReader::new()?;
    let history = train(&mut model, &training, &held_out)?;

    let (images, labels) = held_out.all()?;
    let (loss, read) = model.read(&images, &labels)?;
    let checkpoint = directory.join("digits.safetensors");
    std::fs::write(&checkpoint, safetensors::write(&model.parameters(), None)?)?;
    check(&checkpoint, &images, &labels, (loss, &read))?;
    picture::draw(&directory.join("digits.png"), &history, &held_out, &read)?;

    println!(
        "held-out accuracy {:.2}% of {} images; the checkpoint reads the same; see {}",
        100.0 * accuracy(&read, &held_out.labels),
        held_out.len(),
        directory.display()
    );
    Ok(())
}

fn train(
    model: &mut DigitReader,
    training: &Digits,
    held_out: &Digits,
) -> Result<History, Box<dyn Error>> {
    let rule = Adam {
        bias_correction: true,
        ..Adam::with_decay(0.01)
    };
    let mut optimizer = Optimizer::new(rule, LEARNING_RATE);
    let steps = EPOCHS * training.len().div_ceil(BATCH);
    let all_training = training.all()?;
    let all_held_out = held_out.all()?;
    let mut history = History::default();
    let progress = ProgressBar::new(steps as u64).with_style(ProgressStyle::with_template(
        "training {bar:40} {pos}/{len} steps, {eta} left  {msg}",
    )?);
    for _ in 0..EPOCHS {
        for chosen in data::shuffled(training.len())?.chunks(BATCH) {
            optimizer.learning_rate = cosine_decay(optimizer.step(), steps);
            let (images, labels) = training.batch(chosen)?;
            let (loss, gradients) =
                nn::value_and_grad(model, |model| model.loss(&images, &labels))?;
            optimizer.update(model, &gradients)?;
            let mut wanted: Vec<Array> = model.parameters().into_values().collect();
            wanted.extend(optimizer.state());
            wanted.push(loss);
            mlx_oxide::eval(&wanted)?;
            progress.inc(1);
        }
        let (loss, read) = model.read(&all_training.0, &all_training.1)?;
        history.training_loss.push(loss);
        history
            .training_accuracy
            .push(accuracy(&read, &training.labels));
        let (loss, read) = model.read(&all_held_out.0, &all_held_out.1)?;
        history.held_out_loss.push(loss);
        let right = accuracy(&read, &held_out.labels);
        history.held_out_accuracy.push(right);
        progress.set_message(format!("loss {loss:.4}, held out {:.2}%", 100.0 * right));
    }
    progress.finish();
    Ok(history)
}

/// From [`LEARNING_RATE`] to zero along half a wave.
fn cosine_decay(step: u64, steps: usize) -> f64 {
    let done = step as f64 / steps as f64;
    LEARNING_RATE * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

fn accuracy(read: &[i32], labels: &[i32]) -> f32 {
    let right = read.iter().zip(labels).filter(|(a, b)| a == b).count();
    right as f32 / labels.len() as f32
}

/// Loads the weights into a fresh network, which must read exactly the same.
fn check(
    checkpoint: &Path,
    images: &Array,
    labels: &Array,
    expected: (f32, &[i32]),
) -> Result<(), Box<dyn Error>> {
    let mut fresh = DigitReader::new()?;
    let (weights, _metadata) = safetensors::read(&std::fs::read(checkpoint)?)?;
    fresh.load_weights(&weights)?;
    let (loss, read) = fresh.read(images, labels)?;
    if (loss, read.as_slice()) != expected {
        let path = checkpoint.display();
        return Err(format!("{path} reads otherwise: loss {loss}, not {}", expected.0).into());
    }
    Ok(())
}

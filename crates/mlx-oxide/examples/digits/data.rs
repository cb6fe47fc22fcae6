//! The images and how they are dealt out.

use flate2::read::GzDecoder;
use mlx_oxide::{Array, ops};
use std::error::Error;
use std::io::Read;

/// Edge of an image in pixels.
pub(crate) const EDGE: usize = 8;

/// Pixels of an image.
pub(crate) const PIXELS: usize = EDGE * EDGE;

/// Images with their labels.
pub(crate) struct Digits {
    /// Rows of [`PIXELS`] values between 0 and 1.
    pub(crate) images: Vec<f32>,
    /// The digit that each shows.
    pub(crate) labels: Vec<i32>,
}

impl Digits {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// The chosen images `(N, 8, 8, 1)` and their labels `(N,)`.
    pub(crate) fn batch(&self, chosen: &[usize]) -> mlx_oxide::Result<(Array, Array)> {
        let pixels: Vec<f32> = chosen
            .iter()
            .flat_map(|&index| self.image(index).iter().copied())
            .collect();
        let labels: Vec<i32> = chosen.iter().map(|&index| self.labels[index]).collect();
        Ok((
            Array::from_slice(&pixels, [chosen.len(), EDGE, EDGE, 1])?,
            Array::from_slice(&labels, [chosen.len()])?,
        ))
    }

    /// All images and labels.
    pub(crate) fn all(&self) -> mlx_oxide::Result<(Array, Array)> {
        self.batch(&(0..self.len()).collect::<Vec<_>>())
    }

    /// The pixels of one image.
    pub(crate) fn image(&self, index: usize) -> &[f32] {
        &self.images[index * PIXELS..][..PIXELS]
    }

    fn push(&mut self, other: &Digits, index: usize) {
        self.images.extend_from_slice(other.image(index));
        self.labels.push(other.labels[index]);
    }
}

/// The file that comes with the example.
pub(crate) fn read() -> Result<Digits, Box<dyn Error>> {
    let mut text = String::new();
    GzDecoder::new(include_bytes!("digits.csv.gz").as_slice()).read_to_string(&mut text)?;
    let mut digits = Digits {
        images: Vec::new(),
        labels: Vec::new(),
    };
    for line in text.lines() {
        let values: Vec<f32> = line.split(',').map(str::parse).collect::<Result<_, _>>()?;
        let Some((label, pixels)) = values.split_last().filter(|row| row.1.len() == PIXELS) else {
            return Err(format!("a line has {} values, not {}", values.len(), PIXELS + 1).into());
        };
        digits
            .images
            .extend(pixels.iter().map(|pixel| pixel / 16.0));
        digits.labels.push(*label as i32);
    }
    Ok(digits)
}

/// Training and held-out images: of each digit a fifth is held out, at random.
pub(crate) fn split(digits: &Digits) -> mlx_oxide::Result<(Digits, Digits)> {
    let empty = || Digits {
        images: Vec::new(),
        labels: Vec::new(),
    };
    let (mut training, mut held_out) = (empty(), empty());
    let mut seen = [0usize; 10];
    for index in shuffled(digits.len())? {
        let count = &mut seen[digits.labels[index] as usize];
        let part = if *count % 5 == 0 {
            &mut held_out
        } else {
            &mut training
        };
        part.push(digits, index);
        *count += 1;
    }
    Ok((training, held_out))
}

/// The numbers below `count` in random order.
pub(crate) fn shuffled(count: usize) -> mlx_oxide::Result<Vec<usize>> {
    let order = ops::random::permutation(count, None)?;
    Ok(order
        .to_vec::<u32>()?
        .into_iter()
        .map(|i| i as usize)
        .collect())
}

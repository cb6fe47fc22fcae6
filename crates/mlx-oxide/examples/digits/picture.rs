//! The picture: two plots and a grid of held-out images.

use crate::History;
use crate::data::{Digits, EDGE};
use embedded_graphics::mono_font::ascii::{FONT_7X13, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Line, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Alignment, Text};
use std::convert::Infallible;
use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

const SIZE: Size = Size::new(1200, 900);
const INK: Rgb888 = Rgb888::new(40, 40, 40);
const GRID: Rgb888 = Rgb888::new(220, 220, 220);
const BLUE: Rgb888 = Rgb888::new(31, 119, 180);
const ORANGE: Rgb888 = Rgb888::new(255, 127, 14);
const RED: Rgb888 = Rgb888::new(200, 20, 50);

/// Pixels in memory, three bytes each.
struct Canvas(Vec<u8>);

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        SIZE
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        let bounds = self.bounding_box();
        for Pixel(point, color) in pixels {
            if bounds.contains(point) {
                let at = 3 * (point.y as usize * SIZE.width as usize + point.x as usize);
                self.0[at..at + 3].copy_from_slice(&[color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}

/// Writes the picture as PNG.
pub(crate) fn draw(
    path: &Path,
    history: &History,
    digits: &Digits,
    read: &[i32],
) -> Result<(), Box<dyn Error>> {
    let mut canvas = Canvas(vec![255; (3 * SIZE.width * SIZE.height) as usize]);
    let logarithm = |values: &[f32]| values.iter().map(|v| v.max(1e-6).log10()).collect();
    plot(
        &mut canvas,
        Point::new(90, 50),
        "Loss, powers of ten",
        [
            ("training", BLUE, logarithm(&history.training_loss)),
            ("held out", ORANGE, logarithm(&history.held_out_loss)),
        ],
    )?;
    plot(
        &mut canvas,
        Point::new(690, 50),
        "Share read correctly",
        [
            ("training", BLUE, history.training_accuracy.clone()),
            ("held out", ORANGE, history.held_out_accuracy.clone()),
        ],
    )?;
    samples(&mut canvas, digits, read)?;
    let mut encoder =
        png::Encoder::new(BufWriter::new(File::create(path)?), SIZE.width, SIZE.height);
    encoder.set_color(png::ColorType::Rgb);
    Ok(encoder.write_header()?.write_image_data(&canvas.0)?)
}

fn text(
    canvas: &mut Canvas,
    at: Point,
    words: &str,
    font: &'static MonoFont<'static>,
    color: Rgb888,
    alignment: Alignment,
) -> Result<(), Infallible> {
    let style = MonoTextStyle::new(font, color);
    Text::with_alignment(words, at, style, alignment).draw(canvas)?;
    Ok(())
}

fn line(canvas: &mut Canvas, from: Point, to: Point, color: Rgb888) -> Result<(), Infallible> {
    let width = if color == GRID || color == INK { 1 } else { 2 };
    Line::new(from, to)
        .into_styled(PrimitiveStyle::with_stroke(color, width))
        .draw(canvas)
}

/// Curves over epochs in a frame of 440 × 320 pixels, with the range of the values marked.
fn plot(
    canvas: &mut Canvas,
    corner: Point,
    title: &str,
    curves: [(&str, Rgb888, Vec<f32>); 2],
) -> Result<(), Infallible> {
    let (width, height) = (440, 320);
    let values = || curves.iter().flat_map(|curve| curve.2.iter().copied());
    let low = values().fold(f32::INFINITY, f32::min);
    let high = values().fold(f32::NEG_INFINITY, f32::max).max(low + 1e-3);
    let last = curves[0].2.len().saturating_sub(1).max(1);
    let place = |epoch: usize, value: f32| {
        let down = (high - value) / (high - low) * height as f32;
        corner + Point::new((epoch * width as usize / last) as i32, down as i32)
    };
    text(
        canvas,
        corner + Point::new(width / 2, -14),
        title,
        &FONT_10X20,
        INK,
        Alignment::Center,
    )?;
    for step in 0..=4 {
        let value = low + (high - low) * step as f32 / 4.0;
        line(canvas, place(0, value), place(last, value), GRID)?;
        let label = format!("{value:.3}");
        text(
            canvas,
            place(0, value) + Point::new(-8, 4),
            &label,
            &FONT_7X13,
            INK,
            Alignment::Right,
        )?;
    }
    for epoch in (0..=last).step_by(last.div_ceil(8)) {
        let at = place(epoch, low);
        line(canvas, at, at + Point::new(0, 5), INK)?;
        let label = (epoch + 1).to_string();
        text(
            canvas,
            at + Point::new(0, 20),
            &label,
            &FONT_7X13,
            INK,
            Alignment::Center,
        )?;
    }
    let below = corner + Point::new(width / 2, height + 40);
    text(canvas, below, "epoch", &FONT_7X13, INK, Alignment::Center)?;
    line(canvas, corner, corner + Point::new(0, height), INK)?;
    line(
        canvas,
        corner + Point::new(0, height),
        corner + Point::new(width, height),
        INK,
    )?;
    for (row, (name, color, curve)) in curves.iter().enumerate() {
        for (epoch, pair) in curve.windows(2).enumerate() {
            line(
                canvas,
                place(epoch, pair[0]),
                place(epoch + 1, pair[1]),
                *color,
            )?;
        }
        let at = corner + Point::new(width - 110, height / 2 + 20 * row as i32);
        line(canvas, at, at + Point::new(24, 0), *color)?;
        text(
            canvas,
            at + Point::new(32, 4),
            name,
            &FONT_7X13,
            INK,
            Alignment::Left,
        )?;
    }
    Ok(())
}

/// Held-out images, first those read wrongly, in red.
fn samples(canvas: &mut Canvas, digits: &Digits, read: &[i32]) -> Result<(), Infallible> {
    const COLUMNS: usize = 14;
    const SHOWN: usize = 4 * COLUMNS;
    let is_wrong = |index: &usize| read[*index] != digits.labels[*index];
    let wrong = (0..read.len()).filter(is_wrong);
    let right = (0..read.len()).filter(|index| !is_wrong(index));
    let title = format!(
        "Held-out images and what was read: {} of {} wrong, in red",
        wrong.clone().count(),
        read.len()
    );
    let middle = Point::new(SIZE.width as i32 / 2, 460);
    text(canvas, middle, &title, &FONT_10X20, INK, Alignment::Center)?;
    for (place, index) in wrong.chain(right).take(SHOWN).enumerate() {
        let corner = Point::new(
            40 + 80 * (place % COLUMNS) as i32,
            480 + 104 * (place / COLUMNS) as i32,
        );
        image(canvas, corner, digits.image(index))?;
        let (color, label) = if is_wrong(&index) {
            (RED, format!("{}, is {}", read[index], digits.labels[index]))
        } else {
            (INK, read[index].to_string())
        };
        let below = corner + Point::new(32, 80);
        text(canvas, below, &label, &FONT_7X13, color, Alignment::Center)?;
        Rectangle::new(corner, Size::new(64, 64))
            .into_styled(PrimitiveStyle::with_stroke(
                color,
                if color == RED { 3 } else { 1 },
            ))
            .draw(canvas)?;
    }
    Ok(())
}

fn image(canvas: &mut Canvas, corner: Point, pixels: &[f32]) -> Result<(), Infallible> {
    for (index, pixel) in pixels.iter().enumerate() {
        let at = corner + Point::new(8 * (index % EDGE) as i32, 8 * (index / EDGE) as i32);
        let shade = 255 - (pixel * 255.0) as u8;
        let style = PrimitiveStyle::with_fill(Rgb888::new(shade, shade, shade));
        Rectangle::new(at, Size::new(8, 8))
            .into_styled(style)
            .draw(canvas)?;
    }
    Ok(())
}

//! Views, joining, indexing and sorting.

use super::Kind;
use super::draw::{Draw, axes_of, filled, is_ordered};
use super::elementwise::{kinds, number};
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::layout::SliceRange;
use mlx_oxide_ir::{ArrayType, Combine, Dtype, Result};

fn any(draw: &mut Draw<'_>) -> Option<()> {
    draw.any().map(|_| ())
}

fn order(draw: &mut Draw<'_>) -> Option<()> {
    let ndim = draw.any()?.shape.ndim();
    let mut axes: Vec<usize> = (0..ndim).collect();
    for place in (1..ndim).rev() {
        axes.swap(place, draw.numbers.below(place + 1));
    }
    axes.iter().for_each(|axis| draw.push(*axis));
    Some(())
}

fn axis(draw: &mut Draw<'_>) -> Option<()> {
    let it = draw.operand(|it| it.shape.ndim() > 0)?;
    draw.axis(it).map(|_| ())
}

fn filled_axis(draw: &mut Draw<'_>) -> Option<()> {
    let it = draw.operand(|it| it.shape.ndim() > 0 && filled(it))?;
    draw.axis(it).map(|_| ())
}

fn ordered_axis(draw: &mut Draw<'_>) -> Option<()> {
    let it = draw.operand(|it| it.shape.ndim() > 0 && is_ordered(it))?;
    draw.axis(it).map(|_| ())
}

fn axis_and_number(draw: &mut Draw<'_>) -> Option<()> {
    axis(draw)?;
    draw.below(4);
    Some(())
}

fn axes(draw: &mut Draw<'_>) -> Option<()> {
    let it = draw.any()?;
    draw.axes(it);
    Some(())
}

fn new_axis(draw: &mut Draw<'_>) -> Option<()> {
    let ndim = draw.operand(|it| it.shape.ndim() < 4)?.shape.ndim();
    draw.below(ndim + 1);
    Some(())
}

/// A factor that divides the number of elements.
fn regrouped(draw: &mut Draw<'_>) -> Option<()> {
    let size = draw.operand(filled)?.shape.size();
    let divisors: Vec<usize> = (1..=size).filter(|factor| size % factor == 0).collect();
    let divisor = divisors[draw.numbers.below(divisors.len())];
    draw.push(divisor);
    Some(())
}

/// For each axis a start, a step and a count; now and then none of it.
fn ranges(draw: &mut Draw<'_>) -> Option<()> {
    let it = draw.operand(|it| it.shape.ndim() > 0)?;
    for &extent in it.shape.iter() {
        if extent == 0 {
            [0, 1, 0].into_iter().for_each(|number| draw.push(number));
            continue;
        }
        let start = draw.below(extent);
        let forwards = draw.numbers.below(4) > 0;
        let reach = if forwards { extent - start } else { start + 1 };
        let step = 1 + draw.numbers.below(2);
        let most = reach.div_ceil(step);
        let count = match draw.numbers.below(20) {
            0 => 0,
            _ => 1 + draw.numbers.below(most),
        };
        draw.push_signed(if forwards {
            step as i64
        } else {
            -(step as i64)
        });
        draw.push(count);
    }
    Some(())
}

fn ranges_of(numbers: &[i64]) -> Vec<SliceRange> {
    let triples = numbers.chunks_exact(3);
    triples
        .map(|range| SliceRange {
            start: range[0] as usize,
            step: range[1] as isize,
            count: range[2] as usize,
        })
        .collect()
}

/// A second array like the first but for its extent along an axis.
fn joined(draw: &mut Draw<'_>) -> Option<()> {
    let first = draw.operand(|it| it.shape.ndim() > 0)?;
    let axis = draw.axis(first)?;
    let joins = |it: &ArrayType| {
        it.shape.ndim() == first.shape.ndim()
            && (0..it.shape.ndim()).all(|a| a == axis || it.shape[a] == first.shape[a])
    };
    draw.operand(joins).map(|_| ())
}

fn same_shape(draw: &mut Draw<'_>) -> Option<()> {
    let first = draw.any()?;
    draw.operand(|it| it.shape == first.shape)?;
    let ndim = first.shape.ndim();
    draw.below(ndim + 1);
    Some(())
}

/// Something to take from, along an axis, and computed indices.
fn taken(draw: &mut Draw<'_>) -> Option<()> {
    let from = draw.operand(|it| it.shape.ndim() > 0 && filled(it))?;
    draw.axis(from)?;
    draw.operand(|it| it.dtype.is_integer() && it.shape.size() <= 16)
        .map(|_| ())
}

/// Indices within an axis, from any integers.
fn within(indices: &Array, extent: usize) -> Result<Array> {
    let wide = ops::astype(indices, Dtype::Int32)?;
    ops::remainder(&wide, &number(&wide, extent as f64)?)
}

fn place(a: &Array, axis: i64) -> usize {
    (if axis < 0 {
        axis + a.ndim() as i64
    } else {
        axis
    }) as usize
}

fn extent(a: &Array, axis: i64) -> usize {
    a.shape()[place(a, axis)]
}

/// Positions along an axis, turned, for every element.
fn turned(a: &Array, axis: i64, by: i64) -> Result<Array> {
    let size = extent(a, axis);
    let positions = ops::arange(0.0, size as f64, 1.0, Dtype::Int32)?;
    let positions = ops::roll(&positions, by, 0)?;
    let mut shape = vec![1; a.ndim()];
    shape[place(a, axis)] = size;
    ops::broadcast_to(&ops::reshape_to(&positions, shape)?, a.shape().clone())
}

fn matrix(draw: &mut Draw<'_>) -> Option<()> {
    draw.operand(|it| it.shape.ndim() >= 2)?;
    draw.below(3);
    Some(())
}

pub(super) const KINDS: &[Kind] = kinds! {
    "transpose" order |x, n| ops::transpose(&x[0], n);
    "transpose twice" any |x| ops::transpose(&ops::transpose(&x[0], &[])?, &[]);
    "flatten" any |x| ops::flatten(&x[0], 0, -1);
    "reshape" regrouped |x, n| ops::reshape(&x[0], &[-1, n[0]]);
    "reshape back" any |x| ops::reshape_to(&ops::reshape_to(&x[0], [x[0].size()])?, x[0].shape().clone());
    "expand_dims" new_axis |x, n| ops::expand_dims(&x[0], n);
    "squeeze" any |x| ops::squeeze(&x[0], None);
    "broadcast_to" new_axis |x, n| {
        let mut shape = x[0].shape().clone();
        shape.insert(n[0] as usize, 3);
        ops::broadcast_to(&ops::expand_dims(&x[0], n)?, shape)
    };
    "slice" ranges |x, n| ops::slice(&x[0], &ranges_of(n));
    "slice_update" ranges |x, n| {
        let ranges = ranges_of(n);
        let part = ops::slice(&x[0], &ranges)?;
        ops::slice_update(&x[0], &super::elementwise::tame(&part)?, &ranges, Combine::Replace)
    };
    "slice_update add" ranges |x, n| {
        let ranges = ranges_of(n);
        let part = ops::slice(&x[0], &ranges)?;
        super::elementwise::tame(&ops::slice_update(&x[0], &part, &ranges, Combine::Add)?)
    };
    "flip" axes |x, n| ops::flip(&x[0], &axes_of(n[0]));
    "roll" axis_and_number |x, n| ops::roll(&x[0], n[1], n[0]);
    "repeat" axis_and_number |x, n| ops::repeat(&x[0], n[1] as usize, Some(n[0]));
    "tile" axis_and_number |x, n| {
        let mut repetitions = vec![1; x[0].ndim()];
        repetitions[place(&x[0], n[0])] = 1 + n[1] as usize % 2;
        ops::tile(&x[0], &repetitions)
    };
    "pad" axis_and_number |x, n| {
        let mut widths = vec![(0, 0); x[0].ndim()];
        widths[place(&x[0], n[0])] = (n[1] as usize % 2, n[1] as usize / 2);
        ops::pad(&x[0], &widths, &number(&x[0], 1.0)?)
    };
    "contiguous" any |x| ops::contiguous(&x[0]);
    "concatenate" joined |x, n| ops::concatenate(&[&x[0], &x[1]], n[0]);
    "stack" same_shape |x, n| ops::stack(&[&x[0], &x[1]], n[0]);
    "first half" filled_axis |x, n| {
        let size = extent(&x[0], n[0]);
        Ok(ops::split_at(&x[0], &[size.div_ceil(2) as i64], n[0])?.swap_remove(0))
    };
    "take" taken |x, n| ops::take(&x[0], &within(&x[1], extent(&x[0], n[0]))?, n[0]);
    "take_flat" taken |x| ops::take_flat(&x[0], &within(&x[1], x[0].size())?);
    "take_along_axis" axis_and_number |x, n| ops::take_along_axis(&x[0], &turned(&x[0], n[0], n[1])?, n[0]);
    "put_along_axis" axis_and_number |x, n| {
        let indices = turned(&x[0], n[0], n[1])?;
        super::elementwise::tame(&ops::put_along_axis(&x[0], &indices, &x[0], n[0], Combine::Add)?)
    };
    "scatter" filled_axis |x, n| {
        let update = ops::expand_dims(&x[0], &[0])?;
        let indices = ops::zeros([1], Dtype::Int32)?;
        let update = ops::slice_axis(&update, place(&x[0], n[0]) + 1, 0, 1)?;
        super::elementwise::tame(&ops::scatter(&x[0], &[&indices], &update, &[n[0]], Combine::Add)?)
    };
    "sort" ordered_axis |x, n| ops::sort(&x[0], Some(n[0]));
    "argsort" ordered_axis |x, n| ops::argsort(&x[0], Some(n[0]));
    "order taken" ordered_axis |x, n| ops::take_along_axis(&x[0], &ops::argsort(&x[0], Some(n[0]))?, n[0]);
    "tril" matrix |x, n| ops::tril(&x[0], n[0] - 1);
    "triu" matrix |x, n| ops::triu(&x[0], n[0] - 1);
    "diagonal" matrix |x| ops::diagonal(&x[0], 0, -2, -1);
};

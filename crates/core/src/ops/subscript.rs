//! NumPy-style subscripts: integers, slices, new axes, ellipses, integer arrays and boolean masks,
//! read and updated.

use super::{binary, compare, create, index, unary, view};
use crate::array::Array;
use crate::compile::shapeless::{self, Call, Part};
use mlx_oxide_ir::layout::SliceRange;
use mlx_oxide_ir::{Axes, Combine, Dtype, Error, Result, Shape};
use smallvec::SmallVec;

/// One part of a subscript.
#[derive(Clone)]
pub enum Subscript {
    /// One position; its axis goes away.
    Position(i64),
    /// `start:stop:step`.
    Range {
        /// First position.
        start: Option<i64>,
        /// End, not included.
        stop: Option<i64>,
        /// Distance, not zero.
        step: Option<i64>,
    },
    /// A new axis of size 1.
    NewAxis,
    /// As many whole axes as are left.
    Ellipsis,
    /// Integer positions, or a boolean mask over as many axes as it has.
    Array(Array),
}

/// What a subscript selects of an array's axes.
struct Selection {
    /// For each axis of the array the part that is kept, before arrays pick from it.
    ranges: SmallVec<[SliceRange; 4]>,
    /// For each axis whether it was given by a position and goes away.
    dropped: SmallVec<[bool; 4]>,
    /// Axes picked from by arrays of integers.
    picked: Vec<(usize, Array)>,
    /// The result's axes without those of the picks, in order; `None` is a new axis.
    kept: Vec<Option<usize>>,
    /// Where the picks' axes go among `kept`.
    place: usize,
}

fn too_many(a: &Array, count: usize) -> Error {
    Error::InvalidArgument {
        op: "getitem",
        argument: "indices",
        value: format!("{count} for an array of shape {}", a.shape()),
        expected: "at most one per axis",
    }
}

/// Axes that a part takes.
fn taken(subscript: &Subscript) -> usize {
    match subscript {
        Subscript::Position(_) | Subscript::Range { .. } => 1,
        Subscript::NewAxis | Subscript::Ellipsis => 0,
        Subscript::Array(array) if array.dtype() == Dtype::Bool => array.ndim(),
        Subscript::Array(_) => 1,
    }
}

/// Masks become the positions of their true elements, ellipses whole axes, and positions become
/// arrays where there are other arrays.
fn expand(a: &Array, subscripts: &[Subscript]) -> Result<Vec<Subscript>> {
    let count: usize = subscripts.iter().map(taken).sum();
    let ellipses = subscripts
        .iter()
        .filter(|part| matches!(part, Subscript::Ellipsis))
        .count();
    if count > a.ndim() || ellipses > 1 {
        return Err(too_many(a, count));
    }
    let whole = Subscript::Range {
        start: None,
        stop: None,
        step: None,
    };
    let missing = vec![whole; a.ndim() - count];
    let mut parts = Vec::new();
    let mut axis = 0;
    for subscript in subscripts {
        match subscript {
            Subscript::Ellipsis => parts.extend(missing.iter().cloned()),
            Subscript::Array(mask) if mask.dtype() == Dtype::Bool => {
                parts.extend(
                    positions_of(a, mask, axis)?
                        .into_iter()
                        .map(Subscript::Array),
                );
            }
            other => parts.push(other.clone()),
        }
        axis += match subscript {
            Subscript::Ellipsis => missing.len(),
            other => taken(other),
        };
    }
    if ellipses == 0 {
        parts.extend(missing);
    }
    if parts.iter().any(|part| matches!(part, Subscript::Array(_))) {
        for part in &mut parts {
            if let Subscript::Position(position) = part {
                *part = Subscript::Array(Array::scalar(*position)?);
            }
        }
    }
    Ok(parts)
}

/// For each axis of a mask the positions of its true elements.
fn positions_of(a: &Array, mask: &Array, axis: usize) -> Result<Vec<Array>> {
    let covered = a.shape().get(axis..axis + mask.ndim());
    if covered != Some(&mask.shape()[..]) {
        return Err(Error::ShapeMismatch {
            op: "getitem",
            rule: "a boolean mask must have the shape of the axes that it covers",
            lhs: a.shape().clone(),
            rhs: mask.shape().clone(),
        });
    }
    positions_where(mask)
}

/// For each axis the `int64` positions of the nonzero elements, in row-major order.
///
/// The number of elements depends on the values, so they are evaluated now.
///
/// # Errors
/// An array without axes; under vmap, compile or export, where there is no value.
pub fn nonzero(a: &Array) -> Result<Vec<Array>> {
    if a.ndim() == 0 {
        return Err(Error::ShapeUnsuitable {
            op: "nonzero",
            rule: "at least one axis is needed to tell positions",
            shape: a.shape().clone(),
        });
    }
    positions_where(a)
}

fn positions_where(a: &Array) -> Result<Vec<Array>> {
    let mask = unary::astype(a, Dtype::Bool)?
        .to_vec::<bool>()
        .map_err(|error| error.read_by("nonzero"))?;
    let mut positions: Vec<Vec<i64>> = vec![Vec::new(); a.ndim()];
    for (flat, _) in mask.iter().enumerate().filter(|(_, set)| **set) {
        let mut rest = flat;
        for axis in (0..a.ndim()).rev() {
            positions[axis].push((rest % a.shape()[axis]) as i64);
            rest /= a.shape()[axis];
        }
    }
    positions
        .iter()
        .map(|axis| Array::from_slice(axis, [axis.len()]))
        .collect()
}

fn range_of(part: &Subscript, axis: usize, size: usize) -> Result<SliceRange> {
    match part {
        Subscript::Position(position) => {
            let place = if *position < 0 {
                position + size as i64
            } else {
                *position
            };
            match usize::try_from(place) {
                Ok(start) if start < size => Ok(SliceRange {
                    start,
                    step: 1,
                    count: 1,
                }),
                _ => Err(Error::IndexOutOfBounds {
                    op: "getitem",
                    index: *position,
                    axis,
                    size,
                }),
            }
        }
        Subscript::Range { start, stop, step } => match step.unwrap_or(1) {
            0 => Err(Error::InvalidArgument {
                op: "getitem",
                argument: "step",
                value: "0".to_owned(),
                expected: "a nonzero step",
            }),
            step => Ok(SliceRange::from_python(*start, *stop, step, size)),
        },
        Subscript::NewAxis | Subscript::Ellipsis | Subscript::Array(_) => {
            Ok(SliceRange::full(size))
        }
    }
}

fn check_picks(a: &Array, picks: &Array, axis: usize) -> Result<()> {
    if !picks.dtype().is_integer() {
        return Err(Error::DtypeUnsupported {
            op: "getitem",
            dtype: picks.dtype(),
            expected: "an integer or bool dtype for indices",
        });
    }
    if a.shape()[axis] == 0 && picks.size() > 0 {
        return Err(Error::ShapeUnsuitable {
            op: "getitem",
            rule: "cannot take elements of an empty axis",
            shape: a.shape().clone(),
        });
    }
    Ok(())
}

fn select(a: &Array, subscripts: &[Subscript]) -> Result<Selection> {
    let parts = expand(a, subscripts)?;
    let mut selection = Selection {
        ranges: SmallVec::new(),
        dropped: SmallVec::new(),
        picked: Vec::new(),
        kept: Vec::new(),
        place: 0,
    };
    let mut runs = 0; // of neighbouring arrays
    let mut inside = false;
    for part in &parts {
        let axis = selection.ranges.len();
        if let Subscript::Array(picks) = part {
            check_picks(a, picks, axis)?;
            if !inside {
                runs += 1;
                selection.place = selection.kept.len();
            }
            selection.picked.push((axis, picks.clone()));
        }
        inside = matches!(part, Subscript::Array(_));
        if matches!(part, Subscript::NewAxis) {
            selection.kept.push(None);
            continue;
        }
        selection
            .ranges
            .push(range_of(part, axis, a.shape()[axis])?);
        selection
            .dropped
            .push(matches!(part, Subscript::Position(_)));
        if matches!(part, Subscript::Range { .. }) {
            selection.kept.push(Some(axis));
        }
    }
    if runs > 1 {
        selection.place = 0; // arrays that are apart put their axes first
    }
    Ok(selection)
}

/// The part of an array that subscripts name, by NumPy's rules.
///
/// # Errors
/// A position out of bounds (of arrays: at evaluation), too many parts, arrays of floats.
pub fn getitem(a: &Array, subscripts: &[Subscript]) -> Result<Array> {
    let arrays = subscripts.iter().filter_map(|subscript| match subscript {
        Subscript::Array(array) => Some(array),
        Subscript::Position(_)
        | Subscript::Range { .. }
        | Subscript::NewAxis
        | Subscript::Ellipsis => None,
    });
    let inputs: Vec<&Array> = std::iter::once(a).chain(arrays).collect();
    shapeless::call(
        || Call::Getitem(Part::list(subscripts)),
        &inputs,
        || {
            let selection = select(a, subscripts)?;
            let part = view::slice(a, &selection.ranges)?;
            if selection.picked.is_empty() {
                let shape: Shape = selection
                    .kept
                    .iter()
                    .map(|axis| axis.map_or(1, |axis| part.shape()[axis]))
                    .collect();
                return view::reshape_to(&part, shape);
            }
            let axes: Vec<i64> = selection
                .picked
                .iter()
                .map(|(axis, _)| *axis as i64)
                .collect();
            let picks: Vec<&Array> = selection.picked.iter().map(|(_, picks)| picks).collect();
            let mut sizes = part.shape().clone();
            for (axis, _) in &selection.picked {
                sizes[*axis] = 1;
            }
            let gathered = index::gather(&part, &picks, &axes, sizes)?;
            // (picks…, kept…): new axes come in, dropped and picked axes go
            let leading = gathered.ndim() - a.ndim();
            let mut shape: Shape = gathered.shape()[..leading].into();
            for axis in &selection.kept {
                shape.push(axis.map_or(1, |axis| part.shape()[axis]));
            }
            let order: Axes = (leading..leading + selection.place)
                .chain(0..leading)
                .chain(leading + selection.place..shape.ndim())
                .collect();
            view::permute(&view::reshape_to(&gathered, shape)?, order)
        },
    )
}

/// The array with the part that subscripts name replaced by, or combined with, `value`, which
/// broadcasts to the part.
pub fn setitem(
    a: &Array,
    subscripts: &[Subscript],
    value: &Array,
    combine: Combine,
) -> Result<Array> {
    let value = unary::astype(value, a.dtype())?;
    if let [Subscript::Array(mask)] = subscripts
        && mask.dtype() == Dtype::Bool
        && mask.ndim() <= a.ndim()
        && value.ndim() <= a.ndim() - mask.ndim()
    {
        return masked(a, mask, &value, combine);
    }
    let selection = select(a, subscripts)?;
    if selection.picked.is_empty() {
        let kept: Shape = selection
            .kept
            .iter()
            .map(|axis| axis.map_or(1, |axis| selection.ranges[axis].count))
            .collect();
        let value = stretch(&value, &kept)?;
        let part: Shape = selection.ranges.iter().map(|range| range.count).collect();
        return index::slice_update(
            a,
            &view::reshape_to(&value, part)?,
            &selection.ranges,
            combine,
        );
    }
    scatter(a, &selection, &value, combine)
}

/// The value stretched to the part's shape; axes of size 1 in front of it are dropped first.
fn stretch(value: &Array, shape: &Shape) -> Result<Array> {
    let extra = value.ndim().saturating_sub(shape.ndim());
    if value.shape()[..extra].iter().all(|size| *size == 1) {
        let dropped = view::reshape_to(value, &value.shape()[extra..])?;
        return view::stretch_to(&dropped, shape.clone());
    }
    Err(Error::BroadcastMismatch {
        op: "setitem",
        lhs: value.shape().clone(),
        rhs: shape.clone(),
    })
}

/// A value that no mask's count decides the shape of needs no positions: it works under tracing.
fn masked(a: &Array, mask: &Array, value: &Array, combine: Combine) -> Result<Array> {
    if a.shape()[..mask.ndim()] != mask.shape()[..] {
        return positions_of(a, mask, 0).map(|_| a.clone());
    }
    let mut shape = mask.shape().clone();
    for _ in mask.ndim()..a.ndim() {
        shape.push(1);
    }
    let combined = match combine {
        Combine::Replace => value.clone(),
        Combine::Add => binary::add(a, value)?,
        Combine::Multiply => binary::multiply(a, value)?,
        Combine::Maximum => binary::maximum(a, value)?,
        Combine::Minimum => binary::minimum(a, value)?,
    };
    let stretched = view::stretch_to(&combined, a.shape().clone())?;
    compare::select(&view::reshape_to(mask, shape)?, &stretched, a)
}

/// Updates by index arrays: parts of other axes become index arrays too.
fn scatter(a: &Array, selection: &Selection, value: &Array, combine: Combine) -> Result<Array> {
    let picks: Vec<&Array> = selection.picked.iter().map(|(_, picks)| picks).collect();
    let picks = view::broadcast_arrays(&picks)?;
    let picks_shape = picks[0].shape().clone();
    let partial: Vec<usize> = (0..a.ndim())
        .filter(|&axis| {
            !selection.ranges[axis].is_full(a.shape()[axis]) && !selection.dropped[axis]
        })
        .collect();
    let leading = picks_shape.ndim() + partial.len();
    let mut axes = Vec::new();
    let mut positions = Vec::new();
    for ((axis, _), picks) in selection.picked.iter().zip(&picks) {
        let mut shape = picks_shape.clone();
        for _ in &partial {
            shape.push(1);
        }
        axes.push(*axis as i64);
        positions.push(view::reshape_to(
            &unary::astype(picks, Dtype::Int64)?,
            shape,
        )?);
    }
    for (number, &axis) in partial.iter().enumerate() {
        let range = selection.ranges[axis];
        let mut shape: Shape = vec![1; leading].into();
        shape[picks_shape.ndim() + number] = range.count;
        let steps = create::arange(0.0, range.count as f64, 1.0, Dtype::Int64)?;
        let steps = binary::multiply(&steps, &Array::scalar(range.step as i64)?)?;
        let steps = binary::add(&steps, &Array::scalar(range.start as i64)?)?;
        axes.push(axis as i64);
        positions.push(view::reshape_to(&steps, shape)?);
    }
    let updates = arrange(a, selection, value, &picks_shape, &partial, &axes)?;
    index::scatter(
        a,
        &positions.iter().collect::<Vec<_>>(),
        &updates,
        &axes,
        combine,
    )
}

/// The value as `(picks…, partial…, slices)`, from the order that reading has.
fn arrange(
    a: &Array,
    selection: &Selection,
    value: &Array,
    picks: &Shape,
    partial: &[usize],
    axes: &[i64],
) -> Result<Array> {
    let count = |axis: usize| selection.ranges[axis].count;
    let mut read = Shape::scalar();
    for (number, axis) in selection.kept.iter().enumerate() {
        if number == selection.place {
            picks.iter().for_each(|&size| read.push(size));
        }
        read.push(axis.map_or(1, count));
    }
    if selection.place == selection.kept.len() {
        picks.iter().for_each(|&size| read.push(size));
    }
    let value = stretch(value, &read)?;
    // drop new axes, then bring the picks first, partial axes next, whole axes last
    let old: Vec<usize> = selection.kept.iter().flatten().copied().collect();
    let place = selection.kept[..selection.place].iter().flatten().count();
    let mut plain: Shape = old[..place].iter().map(|&axis| count(axis)).collect();
    picks.iter().for_each(|&size| plain.push(size));
    old[place..]
        .iter()
        .for_each(|&axis| plain.push(count(axis)));
    let value = view::reshape_to(&value, plain)?;
    let at = |number: usize| {
        if number < place {
            number
        } else {
            number + picks.ndim()
        }
    };
    let numbered = |wanted: bool| {
        old.iter()
            .enumerate()
            .filter(move |(_, axis)| partial.contains(axis) == wanted)
            .map(|(number, _)| at(number))
            .collect::<Vec<_>>()
    };
    let order: Axes = (place..place + picks.ndim())
        .chain(numbered(true))
        .chain(numbered(false))
        .collect();
    let value = view::permute(&value, order)?;
    let mut shape = picks.clone();
    partial.iter().for_each(|&axis| shape.push(count(axis)));
    for axis in 0..a.ndim() {
        shape.push(if axes.contains(&(axis as i64)) {
            1
        } else {
            a.shape()[axis]
        });
    }
    view::reshape_to(&value, shape)
}

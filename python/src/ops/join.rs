//! Joining, splitting, padding and repeating.

use crate::arguments::{
    ArrayArgument, Arrays, Axes, Numbers, items, numbers, to_array, to_size, wrong_type,
};
use crate::array::{PyArray, wrap, wrap_all};
use crate::error::{OrRaise, argument_error};
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::normalize_axis;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

fn references(arrays: &[ArrayArgument]) -> Vec<&Array> {
    arrays.iter().map(|array| &array.0).collect()
}

/// Arrays made flat where no axis is given.
fn flat(arrays: &[ArrayArgument]) -> PyResult<Vec<Array>> {
    arrays
        .iter()
        .map(|array| ops::reshape_to(&array.0, [array.0.size()]))
        .collect::<mlx_oxide_ir::Result<_>>()
        .or_raise()
}

/// Before and after for each axis, from the forms that NumPy takes.
fn pad_widths(ndim: usize, width: &Bound<'_, PyAny>) -> PyResult<Vec<(usize, usize)>> {
    let negative = |_| PyValueError::new_err("[pad] pad_width must not be negative");
    let pair = |low: i64, high: i64| -> PyResult<(usize, usize)> {
        Ok((
            usize::try_from(low).map_err(negative)?,
            usize::try_from(high).map_err(negative)?,
        ))
    };
    if ndim == 0 && width.extract::<i64>().is_ok() {
        return Ok(Vec::new()); // a scalar has no axis to widen
    }
    if let Ok(one) = width.extract::<i64>() {
        return Ok(vec![pair(one, one)?; ndim]);
    }
    if let Ok(flat) = numbers(width) {
        return match flat[..] {
            [one] => Ok(vec![pair(one, one)?; ndim]),
            [low, high] => Ok(vec![pair(low, high)?; ndim]),
            _ => Err(argument_error(
                "[pad] pad_width must be one number, a pair, or a pair per axis",
            )),
        };
    }
    let pairs: Vec<Numbers> = items(width, "pairs of integers")
        .map_err(|_| wrong_type("pad", "an integer or pairs of integers", width))?;
    let pairs: Vec<(usize, usize)> = pairs
        .iter()
        .map(|entry| match entry[..] {
            [low, high] => pair(low, high),
            _ => Err(argument_error(
                "[pad] each entry of pad_width must be a pair",
            )),
        })
        .collect::<PyResult<_>>()?;
    match pairs.len() {
        1 => Ok(vec![pairs[0]; ndim]),
        count if count == ndim => Ok(pairs),
        count => Err(PyValueError::new_err(format!(
            "[pad] pad_width has {count} pairs for an array of {ndim} axes"
        ))),
    }
}

/// The frame filled from the array itself.
fn pad_from_edge(a: &Array, widths: &[(usize, usize)], mode: &str) -> mlx_oxide_ir::Result<Array> {
    let mut padded = a.clone();
    for (axis, &(low, high)) in widths.iter().enumerate() {
        if (low, high) == (0, 0) {
            continue;
        }
        let size = a.shape()[axis] as i64;
        let period = match mode {
            "reflect" => (2 * (size - 1)).max(1),
            _ => 2 * size,
        };
        let source = |place: i64| match mode {
            "edge" => place.clamp(0, size - 1),
            "reflect" => {
                let place = place.rem_euclid(period);
                if place < size { place } else { period - place }
            }
            _ => {
                let place = place.rem_euclid(period);
                if place < size {
                    place
                } else {
                    period - 1 - place
                }
            }
        };
        let places: Vec<i64> = (-(low as i64)..size + high as i64).map(source).collect();
        let places = Array::from_slice(&places, [places.len()])?;
        padded = ops::take(&padded, &places, axis as i64)?;
    }
    Ok(padded)
}

/// A number of repetitions for each slice, if the argument is a vector of them.
fn counts(repeats: &Bound<'_, PyAny>) -> PyResult<Option<Vec<usize>>> {
    let numbers: Vec<i64> = match repeats.cast::<PyArray>() {
        Ok(array) if array.get().get().ndim() == 0 => return Ok(None),
        Ok(array) => {
            let array = array.get().get();
            if array.ndim() != 1 || !array.dtype().is_integer() {
                return Err(PyValueError::new_err(format!(
                    "[repeat] repeats has shape {} and dtype {}; expected a vector of integers",
                    array.shape(),
                    array.dtype()
                )));
            }
            let scalars = repeats.py().detach(|| array.to_scalars());
            let scalars = scalars
                .map_err(|error| error.read_by("repeat"))
                .or_raise()?;
            scalars.iter().map(|scalar| scalar.to_i64()).collect()
        }
        Err(_) => match numbers(repeats) {
            Ok(numbers) => numbers,
            Err(_) => return Ok(None),
        },
    };
    let sizes = numbers
        .iter()
        .map(|number| to_size("repeat", "repeats", *number));
    sizes.collect::<PyResult<Vec<usize>>>().map(Some)
}

fn repeat_each(a: &Array, each: &[usize], axis: Option<i64>) -> PyResult<PyArray> {
    let (a, axis) = match axis {
        Some(axis) => (
            a.clone(),
            normalize_axis("repeat", axis, a.ndim()).or_raise()?,
        ),
        None => (ops::reshape_to(a, [a.size()]).or_raise()?, 0),
    };
    let size = a.shape()[axis];
    let number = match each {
        [one] => vec![*one; size],
        _ => each.to_vec(),
    };
    if number.len() != size {
        return Err(PyValueError::new_err(format!(
            "[repeat] {} repeats for an axis of size {size}",
            number.len()
        )));
    }
    let places = number.iter().enumerate();
    let places: Vec<i64> = places
        .flat_map(|(place, count)| std::iter::repeat_n(place as i64, *count))
        .collect();
    let places = Array::from_slice(&places, [places.len()]).or_raise()?;
    wrap(ops::take(&a, &places, axis as i64))
}

super::functions! {
    /// Arrays joined along an axis; their other sizes are equal, their dtypes promote.
    ///
    /// Args:
    ///     arrays: at least one array.
    ///     axis: the axis; `None` joins the flat arrays.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: no arrays; other sizes that differ.
    ///
    /// Example:
    ///     >>> mx.concatenate([mx.array([1]), mx.array([2, 3])])
    ///     array([1, 2, 3], dtype=int32)
    #[pyo3(text_signature = "(arrays, axis=0, *, stream=None)")]
    concatenate[arrays, axis = Some(0), *](arrays: Arrays, axis: Option<i64>) -> PyArray =
        match axis {
            // one array is joined to nothing, along whatever axis
            Some(_) if arrays.len() == 1 => Ok(arrays[0].0.clone().into()),
            Some(axis) => wrap(ops::concatenate(&references(&arrays), axis)),
            None => wrap(ops::concatenate(&flat(&arrays)?.iter().collect::<Vec<_>>(), 0)),
        };
    /// Arrays of one shape joined along a new axis; their dtypes promote.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: no arrays; shapes that differ.
    ///
    /// Example:
    ///     >>> mx.stack([mx.array([1, 2]), mx.array([3, 4])]).tolist()
    ///     [[1, 2], [3, 4]]
    #[pyo3(text_signature = "(arrays, axis=0, *, stream=None)")]
    stack[arrays, axis = Some(0), *](arrays: Arrays, axis: Option<i64>) -> PyArray =
        wrap(ops::stack(&references(&arrays), axis.unwrap_or(0)));
    /// The array cut along an axis, as a list of parts.
    ///
    /// Args:
    ///     a: an array of at least one axis.
    ///     indices_or_sections: how many equal parts, or the positions before which to cut.
    ///     axis: the axis.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: a size that does not divide.
    ///
    /// Example:
    ///     >>> [part.tolist() for part in mx.split(mx.arange(5), [2])]
    ///     [[0, 1], [2, 3, 4]]
    split[a, /, indices_or_sections, axis = 0, *](
        a: ArrayArgument, indices_or_sections: Axes, axis: i64
    ) -> Vec<PyArray> = match indices_or_sections {
        Axes::One(parts) => wrap_all(ops::split(&a.0, usize::try_from(parts).unwrap_or(0), axis)),
        Axes::Many(indices) => wrap_all(ops::split_at(&a.0, &indices, axis)),
    };
    /// The array within a frame.
    ///
    /// Args:
    ///     a: any array.
    ///     pad_width: how many elements before and after: one number, a pair, or a pair for each
    ///         axis.
    ///     mode: `"constant"`; or `"edge"`, `"reflect"`, `"symmetric"`, which repeat the nearest
    ///         elements or mirror them without and with the edge.
    ///     constant_values: the constant, zero by default.
    ///
    /// Raises:
    ///     ValueError: negative widths; another mode; an empty axis without a constant.
    ///
    /// Example:
    ///     >>> mx.pad(mx.array([1, 2]), (1, 2))
    ///     array([0, 1, 2, 0, 0], dtype=int32)
    #[pyo3(text_signature = "(a, pad_width, mode='constant', constant_values=0, *, stream=None)")]
    pad[a, pad_width, mode = "constant", constant_values = None, *](
        a: ArrayArgument, pad_width: &Bound<'_, PyAny>, mode: &str,
        constant_values: Option<&Bound<'_, PyAny>>
    ) -> PyArray = {
        let widths = pad_widths(a.0.ndim(), pad_width)?;
        match mode {
            "constant" => {
                let value = match constant_values {
                    Some(value) => to_array(value, Some(a.0.dtype()))?,
                    None => ops::unary::scalar_like(&a.0, 0.0).or_raise()?,
                };
                let value = ops::reshape_to(&value, mlx_oxide_ir::Shape::scalar()).or_raise()?;
                wrap(ops::pad(&a.0, &widths, &value))
            }
            "edge" | "reflect" | "symmetric" => {
                crate::compile::note_sizes_read("pad");
                let empty = widths.iter().zip(a.0.shape().iter()).any(|(width, size)| *size == 0 && *width != (0, 0));
                if empty {
                    return Err(PyValueError::new_err(format!("[pad] an empty axis cannot be padded by mode {mode}")));
                }
                wrap(pad_from_edge(&a.0, &widths, mode))
            }
            _ => Err(PyValueError::new_err(format!("[pad] invalid mode {mode}"))),
        }
    };
    /// Each slice along an axis several times in a row.
    ///
    /// Args:
    ///     array: any array.
    ///     repeats: how many times; or a vector of a number for each slice, which is read now and
    ///         so cannot be traced.
    ///     axis: the axis; the flat array by default.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: negative numbers; not as many as slices.
    ///
    /// Example:
    ///     >>> mx.repeat(mx.array([1, 2]), 2)
    ///     array([1, 1, 2, 2], dtype=int32)
    repeat[array, repeats, axis = None, *](
        array: ArrayArgument, repeats: &Bound<'_, PyAny>, axis: Option<i64>
    ) -> PyArray = {
        if let Some(axis) = axis {
            normalize_axis("repeat", axis, array.0.ndim()).or_raise()?;
        }
        if let Some(each) = counts(repeats)? {
            return repeat_each(&array.0, &each, axis);
        }
        let repeats: i64 = repeats.extract()?;
        wrap(ops::repeat(&array.0, to_size("repeat", "repeats", repeats)?, axis))
    };
    /// The array laid side by side along its axes.
    ///
    /// Args:
    ///     a: any array.
    ///     reps: how many times along each axis; missing ones come first.
    ///
    /// Raises:
    ///     ValueError: a negative number.
    ///
    /// Example:
    ///     >>> mx.tile(mx.array([1, 2]), 2)
    ///     array([1, 2, 1, 2], dtype=int32)
    tile[a, reps, /, *](a: ArrayArgument, reps: Axes) -> PyArray = {
        let repetitions = crate::arguments::to_shape("tile", reps.list())?;
        wrap(ops::tile(&a.0, &repetitions))
    };
    /// The elements moved along axes; those pushed out come in at the other end.
    ///
    /// Args:
    ///     a: any array.
    ///     shift: how far, one number or one for each axis.
    ///     axis: one axis or several; the flat array by default.
    ///
    /// Raises:
    ///     IndexError: an axis out of bounds.
    ///     ValueError: fewer shifts than axes.
    ///
    /// Example:
    ///     >>> mx.roll(mx.array([1, 2, 3]), 1)
    ///     array([3, 1, 2], dtype=int32)
    roll[a, /, shift, axis = None, *](a: ArrayArgument, shift: Axes, axis: Option<Axes>) -> PyArray = {
        let Some(axes) = axis else {
            let flat = ops::reshape_to(&a.0, [a.0.size()]).or_raise()?;
            let rolled = ops::roll(&flat, shift.list().iter().sum(), 0).or_raise()?;
            return wrap(ops::reshape_to(&rolled, a.0.shape()));
        };
        let shifts = match (&shift, &axes) {
            (Axes::One(shift), axes) => vec![*shift; axes.list().len()],
            (Axes::Many(shifts), Axes::One(_)) => vec![shifts.iter().sum()],
            (Axes::Many(shifts), Axes::Many(axes)) if shifts.len() >= axes.len() => shifts.clone(),
            (Axes::Many(shifts), Axes::Many(axes)) => {
                return Err(PyValueError::new_err(format!(
                    "[roll] {} shifts for {} axes", shifts.len(), axes.len()
                )));
            }
        };
        let mut rolled = a.0;
        for (axis, shift) in axes.list().iter().zip(shifts) {
            rolled = ops::roll(&rolled, shift, *axis).or_raise()?;
        }
        Ok(rolled.into())
    };
}

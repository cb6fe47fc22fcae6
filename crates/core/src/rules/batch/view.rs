//! Views: the mapped axis is first, and the parameters leave it alone.

use super::Batched;
use crate::array::Array;
use crate::ops;
use mlx_oxide_ir::layout::SliceRange;
use mlx_oxide_ir::{AsStrided, Axes, Error, Op, Result, View};
use smallvec::SmallVec;

pub(super) fn batch(view: &View, input: &Batched) -> Result<Batched> {
    let Some(axis) = input.axis else {
        return Ok(Batched::shared(Array::apply(
            Op::View(view.clone()),
            &[&input.array],
        )?));
    };
    let size = input.array.shape()[axis];
    let array = ops::moveaxis(&input.array, axis as i64, 0)?;
    let view = match view {
        View::Reshape(shape) => {
            let mut shape = shape.clone();
            shape.insert(0, size);
            View::Reshape(shape)
        }
        View::Permute(axes) => {
            let axes: Axes = std::iter::once(0)
                .chain(axes.iter().map(|axis| axis + 1))
                .collect();
            View::Permute(axes)
        }
        View::Broadcast(shape) => return broadcast(&array, shape, size),
        View::Slice(ranges) => {
            let mut all: SmallVec<[SliceRange; 4]> = SmallVec::new();
            all.push(SliceRange::full(size));
            all.extend_from_slice(ranges);
            View::Slice(all)
        }
        View::AsStrided(target) => strided(&array, target, size)?,
        View::Bitcast(dtype) => {
            if array.ndim() == 1 && dtype.size() != array.itemsize() {
                return Err(Error::ShapeUnsuitable {
                    op: "view",
                    rule: "a scalar can only be viewed as a dtype of its own width",
                    shape: input.slice_shape(),
                });
            }
            View::Bitcast(*dtype)
        }
        View::StopGradient => View::StopGradient,
        View::Contiguous => View::Contiguous,
    };
    Ok(Batched::first(Array::apply(Op::View(view), &[&array])?))
}

/// New axes go between the mapped one and the slice's.
fn broadcast(array: &Array, shape: &mlx_oxide_ir::Shape, size: usize) -> Result<Batched> {
    let missing = shape.ndim() + 1 - array.ndim();
    let mut aligned = array.shape().clone();
    for _ in 0..missing {
        aligned.insert(1, 1);
    }
    let mut stretched = shape.clone();
    stretched.insert(0, size);
    let array = ops::broadcast_to(&ops::reshape_to(array, aligned)?, stretched)?;
    Ok(Batched::first(array))
}

fn strided(array: &Array, target: &AsStrided, size: usize) -> Result<View> {
    let mut target = target.clone();
    target.shape.insert(0, size);
    target.strides.insert(0, (array.size() / size) as isize);
    Ok(View::AsStrided(Box::new(target)))
}

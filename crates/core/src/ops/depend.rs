//! Order between computations that share no data.

use crate::array::{Array, CustomRules, Site};
use crate::rules::batch::Batched;
use mlx_oxide_ir::op::Custom;
use mlx_oxide_ir::{Op, Result};
use std::sync::Arc;

/// `inputs` unchanged, but computed only after `dependencies`.
///
/// The gradient passes through to the inputs; the dependencies get none.
pub fn depends(inputs: &[&Array], dependencies: &[&Array]) -> Result<Vec<Array>> {
    let op = Op::Custom(Box::new(Custom {
        name: "depends".into(),
        params: Arc::new([]),
        outputs: inputs
            .iter()
            .map(|input| input.array_type().clone())
            .collect(),
    }));
    let all: Vec<&Array> = dependencies.iter().chain(inputs).copied().collect();
    let rules = PassThrough {
        dependencies: dependencies.len(),
    };
    Array::apply_custom(op, &all, Arc::new(rules))
}

/// The identity on all inputs but the first ones.
struct PassThrough {
    dependencies: usize,
}

impl CustomRules for PassThrough {
    fn vjp(&self, _: &Site<'_>, cotangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        let none = std::iter::repeat_n(None, self.dependencies);
        Ok(none.chain(cotangents.iter().cloned()).collect())
    }

    fn jvp(&self, _: &Site<'_>, tangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        Ok(tangents[self.dependencies..].to_vec())
    }

    fn batch(&self, _: &Site<'_>, inputs: &[Batched]) -> Result<Vec<Batched>> {
        let arrays: Vec<&Array> = inputs.iter().map(|input| &input.array).collect();
        let (dependencies, values) = arrays.split_at(self.dependencies);
        let outputs = depends(values, dependencies)?;
        Ok(outputs
            .into_iter()
            .zip(&inputs[self.dependencies..])
            .map(|(array, input)| Batched {
                array,
                axis: input.axis,
            })
            .collect())
    }
}

//! Gradients of models.

use crate::module::{Module, ModuleExt};
use mlx_oxide_core::{Array, transforms};
use mlx_oxide_ir::Result;
use std::collections::BTreeMap;

/// The value of a scalar `loss` of a model, and its gradients with respect to the trained
/// parameters, by path.
///
/// # Errors
/// Whatever `loss` returns; a loss that is no scalar; an operation without a derivative.
pub fn value_and_grad<M: Module>(
    model: &mut M,
    loss: impl FnOnce(&mut M) -> Result<Array>,
) -> Result<(Array, BTreeMap<String, Array>)> {
    let parameters = model.trainable_parameters();
    let primals: Vec<Array> = parameters.values().cloned().collect();
    let positions: Vec<usize> = (0..primals.len()).collect();
    let function = |tracers: &[Array]| {
        model.update(
            &parameters
                .keys()
                .cloned()
                .zip(tracers.iter().cloned())
                .collect(),
        );
        Ok(vec![loss(model)?])
    };
    let computed = transforms::value_and_grad(function, &primals, &positions);
    model.update(&parameters);
    let (mut values, gradients) = computed?;
    Ok((
        values.remove(0),
        parameters.into_keys().zip(gradients).collect(),
    ))
}

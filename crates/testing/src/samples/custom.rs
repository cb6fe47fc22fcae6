//! Callers' own operations: the one kind that a backend can run, an identity.

use super::between;
use crate::sample::Sample;
use mlx_oxide_ir::{ArrayType, Custom, Dtype, Op};

pub(super) fn samples() -> Vec<Sample> {
    let inputs = vec![
        between([3], Dtype::Float32, -1.0, 1.0),
        between([2, 4], Dtype::Float64, -1.0, 1.0),
        between([5], Dtype::Int32, -9.0, 9.0),
    ];
    let op = Custom {
        name: "identity".into(),
        params: [].as_slice().into(),
        outputs: inputs[1..]
            .iter()
            .map(|input| ArrayType::new(input.shape.clone(), input.dtype))
            .collect(),
    };
    vec![Sample::new("identity", Op::Custom(Box::new(op)), inputs)]
}

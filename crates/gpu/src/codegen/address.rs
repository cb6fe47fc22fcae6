//! From the number of an element to its place in each operand.

use super::text::KernelText;
use mlx_oxide_ir::Layout;
use std::fmt::Write;

/// How the places of an operand follow from the element's number, as far as text depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Steps {
    /// One after the other.
    Linear,
    /// All at one place.
    Uniform,
    /// By strides along the axes.
    Strided,
}

impl Steps {
    /// Of strides along loops of these sizes.
    pub(crate) fn of(sizes: &[usize], strides: &[isize]) -> Self {
        let layout = Layout {
            shape: sizes.into(),
            strides: strides.into(),
            offset: 0,
        };
        if layout.is_uniform() {
            Steps::Uniform
        } else if layout.is_contiguous() {
            Steps::Linear
        } else {
            Steps::Strided
        }
    }
}

/// Declares `{prefix}_index{axis}` for every axis: the position of element `number` along axes
/// whose sizes are the parameters `{prefix}_size{axis}`.
pub(crate) fn index_parameters(text: &mut KernelText, prefix: &str, rank: usize) {
    for axis in 0..rank {
        text.parameter(format!("{prefix}_size{axis}"));
    }
}

/// Statements that set `{name}_place` for every operand to its place of element `number`.
/// Parameters `{name}_offset` and, for strided operands, `{name}_stride{axis}` are added in the
/// order of the operands.
pub(crate) fn places(
    text: &mut KernelText,
    prefix: &str,
    rank: usize,
    number: &str,
    operands: &[(String, Steps)],
) -> String {
    let mut code = String::new();
    if operands.iter().any(|(_, steps)| *steps == Steps::Strided) {
        let _ = writeln!(code, "var {prefix}_rest = {number};");
        for axis in (1..rank).rev() {
            let _ = writeln!(
                code,
                "let {prefix}_index{axis} = {prefix}_rest % parameters.{prefix}_size{axis};\n\
                 {prefix}_rest = {prefix}_rest / parameters.{prefix}_size{axis};"
            );
        }
        let _ = writeln!(code, "let {prefix}_index0 = {prefix}_rest;");
    }
    for (name, steps) in operands {
        let mut place = text.parameter(format!("{name}_offset"));
        match steps {
            Steps::Linear => {
                let _ = write!(place, " + {number}");
            }
            Steps::Uniform => {}
            Steps::Strided => {
                for axis in 0..rank {
                    let stride = text.parameter(format!("{name}_stride{axis}"));
                    let _ = write!(place, " + {prefix}_index{axis} * {stride}");
                }
            }
        }
        let _ = writeln!(code, "let {name}_place = {place};");
    }
    code
}

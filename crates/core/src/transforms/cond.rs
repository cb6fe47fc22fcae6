//! A choice between two functions.

use super::custom::dense;
use super::{ScanLayout, jvp, vjp, vmap};
use crate::array::{Array, CustomRules, Role, Site};
use crate::compile::shapeless;
use crate::graph::Graph;
use crate::ops;
use crate::rules::batch::Batched;
use mlx_oxide_ir::{ArrayType, Custom, Dtype, Error, Op, Result};
use smallvec::SmallVec;
use std::sync::Arc;

/// A traced function of some of the operands of a control structure.
pub struct Branch {
    pub(crate) graph: Graph,
    /// For each input of the graph the operand that it is.
    pub(crate) operands: SmallVec<[usize; 4]>,
}

/// A control structure as its traced functions.
pub enum ControlFlow<'a> {
    /// Of the operands after the condition: if false, if true.
    Cond(&'a [Branch; 2]),
    /// Of the state and then arrays that stay the same.
    While {
        /// Whether to go on.
        condition: &'a Branch,
        /// The next state.
        body: &'a Branch,
    },
    /// Of carries, slices and arrays that stay the same.
    Scan {
        /// The next carries, then what the step puts out.
        body: &'a Branch,
        /// What its operands are.
        layout: ScanLayout,
    },
}

impl Branch {
    /// Traces a function of the first operands; arrays that it takes from around it and that a
    /// transform follows become further operands.
    pub(super) fn trace<F>(
        function: F,
        types: &[ArrayType],
        operands: &mut Vec<Array>,
    ) -> Result<Self>
    where
        F: FnOnce(&[Array]) -> Result<Vec<Array>>,
    {
        let graph = crate::graph::simplify::simplify(Graph::trace(function, types)?);
        let (graph, followed) = graph.with_followed_as_inputs();
        let further = operands.len()..operands.len() + followed.len();
        operands.extend(followed);
        Ok(Branch {
            graph,
            operands: (0..types.len()).chain(further).collect(),
        })
    }

    fn pick<T: Clone>(&self, operands: &[T]) -> Vec<T> {
        let picked = self.operands.iter();
        picked.map(|operand| operands[*operand].clone()).collect()
    }

    pub(super) fn call(&self, operands: &[Array]) -> Result<Vec<Array>> {
        self.graph.replay(&self.pick(operands))
    }

    pub(super) fn output_types(&self) -> Vec<ArrayType> {
        let outputs = self.graph.outputs.iter();
        outputs
            .map(|output| self.graph.array_type(*output).clone())
            .collect()
    }

    /// The cotangents of all operands.
    pub(super) fn pull(&self, operands: &[Array], cotangents: &[Array]) -> Result<Vec<Array>> {
        let (_, pulled) = vjp(
            |inputs| self.graph.replay(inputs),
            &self.pick(operands),
            cotangents,
        )?;
        let mut all: Vec<Option<Array>> = vec![None; operands.len()];
        for (operand, cotangent) in self.operands.iter().zip(pulled) {
            all[*operand] = Some(cotangent);
        }
        dense(&all, operands)
    }

    /// The outputs' tangents.
    pub(super) fn push(&self, operands: &[Array], tangents: &[Array]) -> Result<Vec<Array>> {
        let graph = |inputs: &[Array]| self.graph.replay(inputs);
        Ok(jvp(graph, &self.pick(operands), &self.pick(tangents))?.1)
    }

    /// The outputs for batched operands, mapped over their first axis.
    pub(super) fn map(
        &self,
        operands: &[Array],
        axes: &[Option<usize>],
        size: usize,
    ) -> Result<Vec<Array>> {
        let operands = self.pick(operands);
        let axes = self.pick(axes);
        if axes.iter().all(Option::is_none) {
            let outputs = self.graph.replay(&operands)?.into_iter();
            return outputs
                .map(|output| Batched::shared(output).with_axis_first(size))
                .collect();
        }
        let axes: Vec<Option<i64>> = axes
            .iter()
            .map(|axis| axis.map(|axis| axis as i64))
            .collect();
        vmap(|inputs| self.graph.replay(inputs), &operands, &axes, &[])
    }
}

/// The operation of a control structure: a name and the outputs' types.
pub(super) fn operation(name: &str, outputs: Vec<ArrayType>) -> Op {
    Op::Custom(Box::new(Custom {
        name: name.into(),
        params: Arc::from([].as_slice()),
        outputs,
    }))
}

/// Fails unless two lists of types are equal.
pub(super) fn same_types(
    op: &'static str,
    rule: &'static str,
    lhs: &[ArrayType],
    rhs: &[ArrayType],
) -> Result<()> {
    if lhs.len() != rhs.len() {
        return Err(Error::InputCount {
            op,
            expected: lhs.len(),
            found: rhs.len(),
        });
    }
    for (lhs, rhs) in lhs.iter().zip(rhs) {
        if lhs.shape != rhs.shape {
            return Err(Error::ShapeMismatch {
                op,
                rule,
                lhs: lhs.shape.clone(),
                rhs: rhs.shape.clone(),
            });
        }
        if lhs.dtype != rhs.dtype {
            return Err(Error::DtypeMismatch {
                op,
                lhs: lhs.dtype,
                rhs: rhs.dtype,
            });
        }
    }
    Ok(())
}

/// A predicate as a `bool` scalar.
pub(super) fn predicate(op: &'static str, array: &Array) -> Result<Array> {
    if array.ndim() != 0 {
        return Err(Error::ShapeUnsuitable {
            op,
            rule: "the predicate must be a scalar",
            shape: array.shape().clone(),
        });
    }
    ops::astype(array, Dtype::Bool)
}

/// `on_true` of the operands where the scalar `condition` is true, else `on_false` of them; only
/// one of both is computed.
///
/// Both functions are traced; they may take arrays from around them. Differentiable in both
/// modes; under vmap with a mapped condition both are computed and selected from. Semantics after
/// `jax.lax.cond`.
///
/// # Errors
/// Branches whose outputs differ in number, shape or dtype; whatever they return.
pub fn cond<T, F>(
    condition: &Array,
    on_true: T,
    on_false: F,
    operands: &[Array],
) -> Result<Vec<Array>>
where
    T: FnOnce(&[Array]) -> Result<Vec<Array>>,
    F: FnOnce(&[Array]) -> Result<Vec<Array>>,
{
    shapeless::refuse("cond");
    let condition = predicate("cond", condition)?;
    let types: Vec<ArrayType> = operands
        .iter()
        .map(|operand| operand.array_type().clone())
        .collect();
    let mut operands = operands.to_vec();
    let on_true = Branch::trace(on_true, &types, &mut operands)?;
    let on_false = Branch::trace(on_false, &types, &mut operands)?;
    let (operation, rules) = cond_of([on_false, on_true])?;
    let Op::Custom(custom) = &operation else {
        return Ok(Vec::new());
    };
    if custom.outputs.is_empty() {
        return Ok(Vec::new());
    }
    let inputs: Vec<&Array> = std::iter::once(&condition).chain(&operands).collect();
    Array::apply_custom(operation, &inputs, rules)
}

/// The operation that chooses between two functions: if false, if true.
pub(crate) fn cond_of(branches: [Branch; 2]) -> Result<(Op, Arc<dyn CustomRules>)> {
    let outputs = branches[1].output_types();
    same_types(
        "cond",
        "outputs of the branches differ",
        &outputs,
        &branches[0].output_types(),
    )?;
    let rules = CondRules {
        branches: Arc::new(branches),
    };
    Ok((operation("cond", outputs), Arc::new(rules)))
}

/// Inputs: the condition, then the operands.
struct CondRules {
    /// If false, if true.
    branches: Arc<[Branch; 2]>,
}

impl CustomRules for CondRules {
    fn role(&self) -> Role {
        Role::Computation
    }

    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let chosen = inputs[0].item::<bool>()?;
        let outputs = self.branches[usize::from(chosen)].call(&inputs[1..])?;
        crate::eval(&outputs)?;
        Ok(outputs)
    }

    fn control_flow(&self) -> Option<ControlFlow<'_>> {
        Some(ControlFlow::Cond(&self.branches))
    }

    fn vjp(&self, site: &Site<'_>, cotangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        let count = site.inputs.len() - 1;
        let mut operands = site.inputs[1..].to_vec();
        operands.extend(dense(cotangents, site.outputs)?);
        let [on_false, on_true] = &*self.branches;
        let pulled = cond(
            &site.inputs[0],
            |operands| on_true.pull(&operands[..count], &operands[count..]),
            |operands| on_false.pull(&operands[..count], &operands[count..]),
            &operands,
        )?;
        let pulled = pulled.into_iter().map(Some);
        Ok(std::iter::once(None).chain(pulled).collect())
    }

    fn jvp(&self, site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        let count = site.inputs.len() - 1;
        let mut operands = site.inputs[1..].to_vec();
        operands.extend(dense(&tangents[1..], &site.inputs[1..])?);
        let [on_false, on_true] = &*self.branches;
        let pushed = cond(
            &site.inputs[0],
            |operands| on_true.push(&operands[..count], &operands[count..]),
            |operands| on_false.push(&operands[..count], &operands[count..]),
            &operands,
        )?;
        Ok(pushed.into_iter().map(Some).collect())
    }

    fn batch(&self, _site: &Site<'_>, inputs: &[Batched]) -> Result<Vec<Batched>> {
        let size = mapped_size(inputs);
        let operands: Vec<Array> = inputs[1..]
            .iter()
            .map(|input| input.array.clone())
            .collect();
        let axes: Vec<Option<usize>> = inputs[1..].iter().map(|input| input.axis).collect();
        let [on_false, on_true] = &*self.branches;
        let outputs = if inputs[0].axis.is_none() {
            cond(
                &inputs[0].array,
                |operands| on_true.map(operands, &axes, size),
                |operands| on_false.map(operands, &axes, size),
                &operands,
            )?
        } else {
            let on_true = on_true.map(&operands, &axes, size)?;
            let on_false = on_false.map(&operands, &axes, size)?;
            let chosen = on_true.iter().zip(&on_false);
            chosen
                .map(|(on_true, on_false)| select_slices(&inputs[0].array, on_true, on_false))
                .collect::<Result<_>>()?
        };
        Ok(outputs.into_iter().map(Batched::first).collect())
    }
}

/// The number of slices.
pub(super) fn mapped_size(inputs: &[Batched]) -> usize {
    inputs
        .iter()
        .find_map(|input| input.axis.map(|axis| input.array.shape()[axis]))
        .unwrap_or(1)
}

/// For each slice along the first axis that of one array or of the other.
pub(super) fn select_slices(
    conditions: &Array,
    on_true: &Array,
    on_false: &Array,
) -> Result<Array> {
    let mut shape = vec![1; on_true.ndim()];
    shape[0] = conditions.size();
    let conditions = ops::reshape_to(conditions, shape)?;
    ops::select(&conditions, on_true, on_false)
}

//! Functions with rules of their own under transforms.

use super::{jvp, vjp, vmap};
use crate::array::{Array, CustomRules, Site};
use crate::ops;
use crate::rules::batch::Batched;
use mlx_oxide_ir::{ArrayType, Custom, Error, Op, Result};
use std::sync::Arc;

/// A function of arrays.
pub type Function = dyn Fn(&[Array]) -> Result<Vec<Array>> + Send + Sync;
/// From primals, cotangents and outputs to the primals' cotangents; `None` is zero.
pub type VjpRule = dyn Fn(&[Array], &[Array], &[Array]) -> Result<Vec<Option<Array>>> + Send + Sync;
/// From primals and tangents to the outputs' tangents.
pub type JvpRule = dyn Fn(&[Array], &[Array]) -> Result<Vec<Array>> + Send + Sync;
/// From batched inputs to batched outputs.
pub type BatchRule = dyn Fn(&[Batched]) -> Result<Vec<Batched>> + Send + Sync;

/// A function whose derivatives and batching may be stated by hand; where a rule is missing, the
/// function itself is transformed.
///
/// ```
/// use mlx_oxide_core::{Array, Result, ops, transforms::{CustomFunction, grad}};
/// // the derivative of |x| at zero, defined as one
/// let absolute = CustomFunction::new(|x: &[Array]| Ok(vec![ops::abs(&x[0])?]))
///     .with_vjp(|x, cotangents, _| {
///         let positive = ops::greater_equal(&x[0], &ops::zeros_like(&x[0])?)?;
///         let negated = ops::negative(&cotangents[0])?;
///         Ok(vec![Some(ops::select(&positive, &cotangents[0], &negated)?)])
///     });
/// let gradient = grad(|x| absolute.call(x), &[Array::scalar(0.0f32)?], &[0])?;
/// assert_eq!(gradient[0].dtype(), mlx_oxide_core::Dtype::Float32);
/// # Ok::<(), mlx_oxide_core::Error>(())
/// ```
#[derive(Clone)]
pub struct CustomFunction {
    function: Arc<Function>,
    vjp: Option<Arc<VjpRule>>,
    jvp: Option<Arc<JvpRule>>,
    batch: Option<Arc<BatchRule>>,
}

impl CustomFunction {
    /// A function without rules.
    pub fn new<F>(function: F) -> Self
    where
        F: Fn(&[Array]) -> Result<Vec<Array>> + Send + Sync + 'static,
    {
        CustomFunction {
            function: Arc::new(function),
            vjp: None,
            jvp: None,
            batch: None,
        }
    }

    /// States the reverse-mode derivative.
    pub fn with_vjp<F>(mut self, rule: F) -> Self
    where
        F: Fn(&[Array], &[Array], &[Array]) -> Result<Vec<Option<Array>>> + Send + Sync + 'static,
    {
        self.vjp = Some(Arc::new(rule));
        self
    }

    /// States the forward-mode derivative.
    pub fn with_jvp<F>(mut self, rule: F) -> Self
    where
        F: Fn(&[Array], &[Array]) -> Result<Vec<Array>> + Send + Sync + 'static,
    {
        self.jvp = Some(Arc::new(rule));
        self
    }

    /// States what it does to batched inputs.
    pub fn with_vmap<F>(mut self, rule: F) -> Self
    where
        F: Fn(&[Batched]) -> Result<Vec<Batched>> + Send + Sync + 'static,
    {
        self.batch = Some(Arc::new(rule));
        self
    }

    /// The function applied to arrays.
    ///
    /// Gradients flow through the arguments alone: an array that the function takes from around
    /// it counts as a constant.
    ///
    /// # Errors
    /// Whatever the function returns.
    pub fn call(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        if !inputs.iter().any(Array::is_traced) {
            return (self.function)(inputs);
        }
        let detached: Vec<Array> = inputs
            .iter()
            .map(ops::stop_gradient)
            .collect::<Result<_>>()?;
        let outputs = (self.function)(&detached)?;
        with_rules(inputs, &outputs, Arc::new(FunctionRules(self.clone())))
    }
}

/// The outputs as results of the inputs by rules, whatever they were computed from.
pub(super) fn with_rules(
    inputs: &[Array],
    outputs: &[Array],
    rules: Arc<dyn CustomRules>,
) -> Result<Vec<Array>> {
    if outputs.is_empty() {
        return Ok(Vec::new());
    }
    let operands: Vec<&Array> = inputs.iter().chain(outputs).collect();
    Array::apply_custom(identity("custom_function", outputs), &operands, rules)
}

/// The operation whose outputs are its last inputs.
fn identity(name: &str, outputs: &[Array]) -> Op {
    let types: Vec<ArrayType> = outputs
        .iter()
        .map(|output| output.array_type().clone())
        .collect();
    Op::Custom(Box::new(Custom {
        name: name.into(),
        params: Arc::from([].as_slice()),
        outputs: types,
    }))
}

/// Cotangents or tangents with zeros where there is none.
pub(super) fn dense(values: &[Option<Array>], like: &[Array]) -> Result<Vec<Array>> {
    like.iter()
        .enumerate()
        .map(|(position, like)| match values.get(position) {
            Some(Some(value)) => Ok(value.clone()),
            _ => ops::zeros_like(like),
        })
        .collect()
}

/// The rules' results checked against what they belong to.
fn check(op: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::InputCount {
        op,
        expected,
        found,
    })
}

fn check_shapes<'a>(
    rule: &'static str,
    pairs: impl IntoIterator<Item = (&'a Array, &'a Array)>,
) -> Result<()> {
    for (found, expected) in pairs {
        if found.shape() != expected.shape() {
            return Err(Error::ShapeMismatch {
                op: "custom_function",
                rule,
                lhs: expected.shape().clone(),
                rhs: found.shape().clone(),
            });
        }
    }
    Ok(())
}

pub(super) struct FunctionRules(pub(super) CustomFunction);

impl CustomRules for FunctionRules {
    fn vjp(&self, site: &Site<'_>, cotangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        let primals = &site.inputs[..site.inputs.len() - site.outputs.len()];
        let cotangents = dense(cotangents, site.outputs)?;
        let mut pulled = match &self.0.vjp {
            Some(rule) => {
                let pulled = rule(primals, &cotangents, site.outputs)?;
                check("custom_function vjp", pulled.len(), primals.len())?;
                let given = pulled.iter().zip(primals);
                check_shapes(
                    "a cotangent of the vjp rule must have its primal's shape",
                    given.filter_map(|(pulled, primal)| Some((pulled.as_ref()?, primal))),
                )?;
                pulled
            }
            None => vjp(|inputs| (self.0.function)(inputs), primals, &cotangents)?
                .1
                .into_iter()
                .map(Some)
                .collect(),
        };
        pulled.resize(site.inputs.len(), None);
        Ok(pulled)
    }

    fn jvp(&self, site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        let primals = &site.inputs[..site.inputs.len() - site.outputs.len()];
        let tangents = dense(&tangents[..primals.len()], primals)?;
        let pushed = match &self.0.jvp {
            Some(rule) => {
                let pushed = rule(primals, &tangents)?;
                check("custom_function jvp", pushed.len(), site.outputs.len())?;
                check_shapes(
                    "a tangent of the jvp rule must have its output's shape",
                    pushed.iter().zip(site.outputs),
                )?;
                pushed
            }
            None => jvp(|inputs| (self.0.function)(inputs), primals, &tangents)?.1,
        };
        Ok(pushed.into_iter().map(Some).collect())
    }

    fn batch(&self, site: &Site<'_>, inputs: &[Batched]) -> Result<Vec<Batched>> {
        match &self.0.batch {
            Some(rule) => {
                let outputs = rule(&inputs[..inputs.len() - site.outputs.len()])?;
                check("custom_function vmap", outputs.len(), site.outputs.len())?;
                Ok(outputs)
            }
            None => batch_identity(Arc::new(FunctionRules(self.0.clone())), site, inputs),
        }
    }
}

/// The node again on batched inputs, its derivatives those of the slices.
pub(super) fn batch_identity(
    rules: Arc<dyn CustomRules>,
    site: &Site<'_>,
    inputs: &[Batched],
) -> Result<Vec<Batched>> {
    let size = inputs
        .iter()
        .find_map(|input| input.axis.map(|axis| input.array.shape()[axis]))
        .unwrap_or(1);
    let primal_count = inputs.len() - site.outputs.len();
    let outputs: Vec<Array> = inputs[primal_count..]
        .iter()
        .map(|output| output.with_axis_first(size))
        .collect::<Result<_>>()?;
    let primals: Vec<Array> = inputs[..primal_count]
        .iter()
        .map(|input| input.array.clone())
        .collect();
    let batched = BatchedRules {
        rules,
        op: site.op.clone(),
        wanted: site.wanted.to_vec(),
        axes: inputs[..primal_count]
            .iter()
            .map(|input| input.axis)
            .collect(),
    };
    let results = with_rules(&primals, &outputs, Arc::new(batched))?;
    Ok(results.into_iter().map(Batched::first).collect())
}

/// The rules of a node that was mapped over an axis.
#[derive(Clone)]
struct BatchedRules {
    rules: Arc<dyn CustomRules>,
    /// The operation on one slice.
    op: Op,
    wanted: Vec<bool>,
    /// The mapped axis of each primal; the outputs' is the first.
    axes: Vec<Option<usize>>,
}

impl BatchedRules {
    fn axes_of(&self, first_axis: usize) -> Vec<Option<i64>> {
        let own = self.axes.iter().map(|axis| axis.map(|axis| axis as i64));
        own.chain(std::iter::repeat_n(Some(0), first_axis))
            .collect()
    }
}

impl CustomRules for BatchedRules {
    fn vjp(&self, site: &Site<'_>, cotangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        let outputs = site.outputs.len();
        let primals = site.inputs.len() - outputs;
        let mut operands = site.inputs.to_vec();
        operands.extend(dense(cotangents, site.outputs)?);
        let slice_rule = |slices: &[Array]| {
            let (inputs, cotangents) = slices.split_at(primals + outputs);
            let site = Site {
                op: &self.op,
                inputs,
                outputs: &inputs[primals..],
                wanted: &self.wanted,
            };
            let cotangents: Vec<Option<Array>> = cotangents.iter().cloned().map(Some).collect();
            let pulled = self.rules.vjp(&site, &cotangents)?;
            dense(&pulled, &inputs[..primals])
        };
        let pulled = vmap(slice_rule, &operands, &self.axes_of(2 * outputs), &[])?;
        let mut placed: Vec<Option<Array>> = pulled
            .iter()
            .zip(&self.axes)
            .map(|(pulled, axis)| match axis {
                Some(axis) => ops::moveaxis(pulled, 0, *axis as i64).map(Some),
                // every slice shares the input
                None => ops::sum(pulled, Some(&[0]), false).map(Some),
            })
            .collect::<Result<_>>()?;
        placed.resize(site.inputs.len(), None);
        Ok(placed)
    }

    fn jvp(&self, site: &Site<'_>, tangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        let outputs = site.outputs.len();
        let primals = site.inputs.len() - outputs;
        let mut operands = site.inputs.to_vec();
        operands.extend(dense(&tangents[..primals], &site.inputs[..primals])?);
        let mut axes = self.axes_of(outputs);
        axes.extend(self.axes.iter().map(|axis| axis.map(|axis| axis as i64)));
        let slice_rule = |slices: &[Array]| {
            let (inputs, tangents) = slices.split_at(primals + outputs);
            let site = Site {
                op: &self.op,
                inputs,
                outputs: &inputs[primals..],
                wanted: &self.wanted,
            };
            let mut tangents: Vec<Option<Array>> = tangents.iter().cloned().map(Some).collect();
            tangents.resize(primals + outputs, None);
            let pushed = self.rules.jvp(&site, &tangents)?;
            dense(&pushed, &inputs[primals..])
        };
        let pushed = vmap(slice_rule, &operands, &axes, &[])?;
        Ok(pushed.into_iter().map(Some).collect())
    }

    fn batch(&self, site: &Site<'_>, inputs: &[Batched]) -> Result<Vec<Batched>> {
        batch_identity(Arc::new(self.clone()), site, inputs)
    }
}

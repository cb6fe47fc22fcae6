//! Functions inside programs: transforms nested in what is transformed.

use super::Kind;
use super::draw::{Draw, filled};
use super::elementwise::{kinds, tame};
use mlx_oxide_core::compile::compile;
use mlx_oxide_core::transforms::{self, CustomFunction};
use mlx_oxide_core::{Array, ops};
use mlx_oxide_ir::Result;

fn real(draw: &mut Draw<'_>) -> Option<()> {
    draw.operand(|it| it.dtype.is_floating() && filled(it))
        .map(|_| ())
}

fn pair(draw: &mut Draw<'_>) -> Option<()> {
    let first = draw.operand(|it| it.dtype.is_inexact())?;
    draw.beside(first, |it| it.dtype.is_inexact()).map(|_| ())
}

fn rows(draw: &mut Draw<'_>) -> Option<()> {
    draw.operand(|it| it.dtype.is_floating() && it.shape.ndim() > 0 && filled(it))?;
    draw.below(2);
    Some(())
}

fn sine_of_product(x: &[Array]) -> Result<Vec<Array>> {
    Ok(vec![tame(&ops::sin(&ops::multiply(&x[0], &x[1])?)?)?])
}

fn first(outputs: Vec<Array>) -> Array {
    outputs.into_iter().next().expect("there is an output")
}

fn sum(x: &[Array]) -> Result<Vec<Array>> {
    Ok(vec![ops::sum(&ops::square(&x[0])?, None, false)?])
}

/// A doubled gradient.
fn custom(x: &[Array]) -> Result<Array> {
    let function = CustomFunction::new(|x: &[Array]| Ok(vec![ops::tanh(&x[0])?])).with_vjp(
        |_: &[Array], cotangents: &[Array], _: &[Array]| {
            Ok(vec![Some(ops::add(&cotangents[0], &cotangents[0])?)])
        },
    );
    function.call(x).map(first)
}

fn scan(x: &Array, reverse: bool) -> Result<Array> {
    let start = ops::zeros_like(&ops::squeeze(&ops::slice_axis(x, 0, 0, 1)?, Some(&[0]))?)?;
    let step = |carry: &[Array], slice: &[Array]| {
        let next = ops::tanh(&ops::add(&carry[0], &slice[0])?)?;
        Ok((vec![next.clone()], vec![ops::multiply(&next, &slice[0])?]))
    };
    let (_, outputs) = transforms::scan(step, &[start], std::slice::from_ref(x), None, reverse)?;
    Ok(first(outputs))
}

fn cond(x: &Array) -> Result<Array> {
    let positive = ops::greater(&ops::sum(x, None, false)?, &Array::scalar(0.0f32)?)?;
    let outputs = transforms::cond(
        &positive,
        |x| Ok(vec![ops::sin(&x[0])?]),
        |x| Ok(vec![ops::multiply(&x[0], &x[0])?]),
        std::slice::from_ref(x),
    )?;
    tame(&first(outputs))
}

fn map(x: &Array) -> Result<Array> {
    let row = |x: &[Array]| {
        let softened = ops::fast::softmax(&ops::flatten(&x[0], 0, -1)?, None, false)?;
        Ok(vec![softened])
    };
    transforms::vmap(row, std::slice::from_ref(x), &[Some(0)], &[]).map(first)
}

pub(super) const KINDS: &[Kind] = kinds! {
    "checkpoint" pair |x| transforms::checkpoint(sine_of_product, x).map(first);
    "compile" pair |x| compile(sine_of_product).call(x).map(first);
    "grad" real |x| tame(&transforms::grad(sum, x, &[0]).map(first)?);
    "custom_function" real |x| custom(x);
    "scan" rows |x, n| scan(&x[0], n[0] == 1);
    "cond" real |x| cond(&x[0]);
    "vmap" rows |x| map(&x[0]);
};

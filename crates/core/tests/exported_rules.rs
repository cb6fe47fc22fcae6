//! Functions with derivatives of their own keep them in files.

use mlx_oxide_core::export::{Exported, Signature};
use mlx_oxide_core::graph::Graph;
use mlx_oxide_core::transforms::{CustomFunction, checkpoint, grad, jvp};
use mlx_oxide_core::{Array, Result, ops};

fn install() {
    mlx_oxide_cpu::install();
    mlx_oxide_reference::install();
}

fn signature() -> Signature {
    Signature {
        positional: 1,
        keywords: Vec::new(),
    }
}

fn through_file<F>(function: F, like: &Array) -> Result<Exported>
where
    F: FnOnce(&[Array]) -> Result<Vec<Array>>,
{
    let mut exported = Exported::default();
    let graph = Graph::trace(function, &[like.array_type().clone()])?;
    exported.add(signature(), graph)?;
    Exported::from_bytes(&exported.to_bytes()?)
}

fn gradient_of(
    function: impl FnOnce(&[Array]) -> Result<Vec<Array>>,
    x: &Array,
) -> Result<Vec<f32>> {
    let total = |x: &[Array]| Ok(vec![ops::sum(&function(x)?[0], None, false)?]);
    grad(total, std::slice::from_ref(x), &[0])?[0].to_vec()
}

/// `round(x)` whose derivative is said to be 1 in reverse and 3 in forward mode.
fn straight_through() -> CustomFunction {
    CustomFunction::new(|x: &[Array]| Ok(vec![ops::floor(&x[0])?]))
        .with_vjp(|_, cotangents, _| Ok(vec![Some(cotangents[0].clone())]))
        .with_jvp(|_, tangents| Ok(vec![(&tangents[0] * 3.0)?]))
}

#[test]
fn stated_derivatives_survive() -> Result<()> {
    install();
    let x = Array::from_slice(&[0.5f32, 2.25], [2])?;
    let function = straight_through();
    let imported = through_file(|x| function.call(x), &x)?;
    // a function from a file goes to a file again
    let again = through_file(|x| imported.call(&signature(), x), &x)?;
    for exported in [&imported, &again] {
        let call = |x: &[Array]| exported.call(&signature(), x);
        assert_eq!(
            call(std::slice::from_ref(&x))?[0].to_vec::<f32>()?,
            [0.0, 2.0]
        );
        assert_eq!(gradient_of(call, &x)?, [1.0, 1.0]);
        let (_, tangents) = jvp(call, std::slice::from_ref(&x), std::slice::from_ref(&x))?;
        assert_eq!(tangents[0].to_vec::<f32>()?, [1.5, 6.75]);
    }
    Ok(())
}

#[test]
fn checkpoints_and_stopped_gradients_survive() -> Result<()> {
    install();
    let x = Array::from_slice(&[0.5f32, 2.0], [2])?;
    let function = |x: &[Array]| {
        let inner = checkpoint(|x| Ok(vec![ops::exp(&ops::sin(&x[0])?)?]), x)?;
        Ok(vec![ops::multiply(&inner[0], &ops::stop_gradient(&x[0])?)?])
    };
    let imported = through_file(function, &x)?;
    let found = gradient_of(|x| imported.call(&signature(), x), &x)?;
    assert_eq!(found, gradient_of(function, &x)?);
    Ok(())
}

#[test]
fn a_rule_that_reads_values_is_missed_only_when_it_is_asked_for() -> Result<()> {
    install();
    let x = Array::from_slice(&[0.5f32, 2.0], [2])?;
    let function = CustomFunction::new(|x: &[Array]| Ok(vec![ops::square(&x[0])?])).with_vjp(
        |primals, cotangents, _| {
            let first = primals[0].to_vec::<f32>()?[0];
            Ok(vec![Some((&cotangents[0] * f64::from(first))?)])
        },
    );
    let imported = through_file(|x| function.call(x), &x)?;
    let call = |x: &[Array]| imported.call(&signature(), x);
    assert_eq!(
        call(std::slice::from_ref(&x))?[0].to_vec::<f32>()?,
        [0.25, 4.0]
    );
    let error = gradient_of(call, &x).unwrap_err().to_string();
    assert!(
        error.contains("the vjp rule") && error.contains("could not be written"),
        "{error}"
    );
    Ok(())
}

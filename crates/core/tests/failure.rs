//! Failures of evaluation are errors that can be caught, and the graph survives them.

use mlx_oxide_core::{
    Array, ArrayType, Device, DeviceType, Error, Result, Stream, async_eval, eval, ops,
};
use mlx_oxide_cpu::Cpu;
use mlx_oxide_ir::{Op, ScalarOp, Unary};
use mlx_oxide_runtime::stream::StreamScope;
use mlx_oxide_runtime::{Backend, Call, InfoValue, Results, backend};
use std::collections::BTreeMap;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// The CPU backend, but hyperbolic tangents fail while one of these is armed.
struct Fragile;

static FAILURES: AtomicU32 = AtomicU32::new(0);
static PANICS: AtomicU32 = AtomicU32::new(0);

fn is_tanh(op: &Op) -> bool {
    match op {
        Op::Unary(Unary::Tanh) => true,
        Op::Fused(program) => {
            let steps = &program.instructions;
            steps
                .iter()
                .any(|step| step.op == ScalarOp::Unary(Unary::Tanh))
        }
        _ => false,
    }
}

fn spend(armed: &AtomicU32) -> bool {
    armed
        .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
        .is_ok()
}

impl Backend for Fragile {
    fn device_type(&self) -> DeviceType {
        DeviceType::Cpu
    }

    fn device_count(&self) -> usize {
        1
    }

    fn device_info(&self, _device: Device) -> BTreeMap<String, InfoValue> {
        BTreeMap::new()
    }

    fn supports(&self, op: &Op, inputs: &[&ArrayType]) -> bool {
        is_tanh(op) && Cpu.supports(op, inputs)
    }

    fn run(&self, call: Call<'_>) -> Result<Results> {
        if spend(&FAILURES) {
            return Err(Error::Device {
                device: "cpu".to_owned(),
                reason: "lost for a moment".to_owned(),
            });
        }
        assert!(!spend(&PANICS), "a kernel's own mistake");
        Cpu.run(call)
    }

    fn synchronize(&self, _stream: Stream) -> Result<()> {
        Ok(())
    }
}

/// One test at a time: what is armed is shared.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static INSTALL: Once = Once::new();
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    INSTALL.call_once(|| {
        backend::install(&Fragile);
        mlx_oxide_cpu::install();
        mlx_oxide_reference::install();
    });
    ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Something before and after a hyperbolic tangent, of which both can be computed in place.
fn fragile() -> Result<Array> {
    let x = Array::from_slice(&[0.0f32, 1.0, -1.0, 2.0], [4])?;
    let before = ops::cumsum(&ops::negative(&x)?, Some(0), false, true)?;
    let middle = ops::exp(&ops::tanh(&before)?)?;
    ops::cumsum(&middle, Some(0), false, true)
}

#[test]
fn a_failed_evaluation_names_its_cause_and_succeeds_when_retried() {
    let _alone = alone();
    let expected = fragile().unwrap().to_vec::<f32>().unwrap();
    let array = fragile().unwrap();
    FAILURES.store(2, SeqCst);
    for _ in 0..2 {
        let error = eval(std::slice::from_ref(&array)).unwrap_err();
        assert_eq!(error.to_string(), "[cpu] lost for a moment");
        assert!(!array.is_evaluated());
    }
    assert_eq!(array.to_vec::<f32>().unwrap(), expected);
}

#[test]
fn a_failure_on_another_stream_arrives_where_the_array_is_read() {
    let _alone = alone();
    let expected = fragile().unwrap().to_vec::<f32>().unwrap();
    let stream = Stream::new(Device::CPU);
    let array = {
        let _scope = StreamScope::enter(stream);
        fragile().unwrap()
    };
    FAILURES.store(2, SeqCst); // the first is spent on the stream
    async_eval(std::slice::from_ref(&array));
    stream.synchronize().unwrap();
    assert!(array.to_vec::<f32>().is_err());
    assert_eq!(array.to_vec::<f32>().unwrap(), expected);
}

#[test]
fn a_panicking_kernel_is_an_error_and_nobody_waits_forever() {
    let _alone = alone();
    let expected = fragile().unwrap().to_vec::<f32>().unwrap();
    let stream = Stream::new(Device::CPU);
    let array = {
        let _scope = StreamScope::enter(stream);
        fragile().unwrap()
    };
    PANICS.store(2, SeqCst);
    async_eval(std::slice::from_ref(&array));
    stream.synchronize().unwrap();
    let error = array.to_vec::<f32>().unwrap_err().to_string();
    assert!(error.contains("a kernel's own mistake"), "{error}");
    assert_eq!(array.to_vec::<f32>().unwrap(), expected);
}

#[test]
fn every_thread_that_waits_for_a_failing_array_is_told_or_succeeds() {
    let _alone = alone();
    let expected = fragile().unwrap().to_vec::<f32>().unwrap();
    for _ in 0..50 {
        let array = fragile().unwrap();
        FAILURES.store(3, SeqCst);
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6)
                .map(|_| scope.spawn(|| array.to_vec::<f32>()))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        for outcome in outcomes {
            match outcome {
                Ok(found) => assert_eq!(found, expected),
                Err(error) => assert_eq!(error.to_string(), "[cpu] lost for a moment"),
            }
        }
        FAILURES.store(0, SeqCst);
        assert_eq!(array.to_vec::<f32>().unwrap(), expected);
    }
}

#[test]
fn a_failure_leaves_what_was_held_and_what_was_computed_as_it_was() {
    let _alone = alone();
    let x = Array::from_slice(&[0.5f32, 1.5], [2]).unwrap();
    let held = ops::cumsum(&x, Some(0), false, true).unwrap();
    let last = ops::tanh(&ops::negative(&held).unwrap()).unwrap();
    FAILURES.store(1, SeqCst);
    assert!(eval(std::slice::from_ref(&last)).is_err());
    assert_eq!(held.to_vec::<f32>().unwrap(), [0.5, 2.0]);
    assert_eq!(x.to_vec::<f32>().unwrap(), [0.5, 1.5]);
    let found = last.to_vec::<f32>().unwrap();
    assert!((found[0] - (-0.5f32).tanh()).abs() < 1e-6);
}

#[test]
fn an_index_out_of_bounds_is_found_at_evaluation_and_the_operand_survives() {
    let _alone = alone();
    let x = Array::from_slice(&[1.0f32, 2.0, 3.0], [3]).unwrap();
    let operand = ops::square(&x).unwrap();
    let place = Array::from_slice(&[0i32, 7], [2]).unwrap();
    let taken = ops::take(&operand, &place, 0).unwrap();
    for _ in 0..2 {
        let error = taken.eval().unwrap_err();
        assert!(
            matches!(
                error,
                Error::IndexOutOfBounds {
                    index: 7,
                    size: 3,
                    ..
                }
            ),
            "{error}"
        );
    }
    assert_eq!(operand.to_vec::<f32>().unwrap(), [1.0, 4.0, 9.0]);
}

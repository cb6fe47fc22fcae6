//! The greatest errors of the elementary functions in single precision, over all 2³² arguments:
//! `cargo run --release --example accuracy [STEP] [FUNCTION]`, of every `STEP`th argument.
//!
//! Prints the rows of the table in `docs/accuracy.md`. The error is in units in the last place of
//! the exact value, for which the function in double precision of the mathematical library stands;
//! a NaN, an infinity or a sign of zero that is wrong counts as infinite.

use mlx_oxide_cpu::Cpu;
use mlx_oxide_ir::{Dtype, Layout, Op, Unary, infer};
use mlx_oxide_runtime::{Backend, Buffer, Call, Device, Operand, Stream, parallel};
use std::sync::Mutex;

/// Arguments of a call.
const CHUNK: u64 = 1 << 20;

#[derive(Clone, Copy)]
struct Worst {
    error: f64,
    argument: f32,
}

fn error(found: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if nearest.is_nan() || found.is_nan() {
        return if nearest.is_nan() && found.is_nan() {
            0.0
        } else {
            f64::INFINITY
        };
    }
    if nearest.to_bits() == found.to_bits() && (nearest.is_infinite() || nearest == 0.0) {
        return 0.0;
    }
    if exact.is_infinite() || exact == 0.0 {
        return f64::INFINITY;
    }
    // an infinity that rounding may give is the power of two that it stands for
    let value = if found.is_infinite() {
        2f64.powi(128).copysign(found.into())
    } else {
        f64::from(found)
    };
    let magnitude = nearest.abs().clamp(f32::MIN_POSITIVE, f32::MAX);
    let exponent = (magnitude.to_bits() >> 23) as i32 - 127 - 23;
    ((value - exact) / 2f64.powi(exponent)).abs()
}

fn functions() -> Vec<(Unary, fn(f64) -> f64)> {
    vec![
        (Unary::Exp, f64::exp),
        (Unary::Expm1, f64::exp_m1),
        (Unary::Log, f64::ln),
        (Unary::Log2, f64::log2),
        (Unary::Log10, f64::log10),
        (Unary::Log1p, f64::ln_1p),
        (Unary::Sqrt, f64::sqrt),
        (Unary::Rsqrt, |x| 1.0 / x.sqrt()),
        (Unary::Sin, f64::sin),
        (Unary::Cos, f64::cos),
        (Unary::Tan, f64::tan),
        (Unary::Arcsin, f64::asin),
        (Unary::Arccos, f64::acos),
        (Unary::Arctan, f64::atan),
        (Unary::Sinh, f64::sinh),
        (Unary::Cosh, f64::cosh),
        (Unary::Tanh, f64::tanh),
        (Unary::Arcsinh, f64::asinh),
        (Unary::Arccosh, f64::acosh),
        (Unary::Arctanh, f64::atanh),
        (Unary::Sigmoid, |x| 1.0 / (1.0 + (-x).exp())),
        (Unary::Erf, libm::erf),
    ]
}

/// The worst of `arguments`, of which there is at least one.
fn worst_of(op: Unary, function: fn(f64) -> f64, arguments: &[f32]) -> Worst {
    let layout = Layout::contiguous([arguments.len()]);
    let operand = Operand {
        buffer: Buffer::from_bytes("accuracy", bytemuck::cast_slice(arguments)).expect("memory"),
        layout,
        dtype: Dtype::Float32,
        donatable: false,
    };
    let op = Op::Unary(op);
    let outputs = infer(&op, &[&operand.array_type()]).expect("a valid call");
    let call = Call {
        op: &op,
        inputs: std::slice::from_ref(&operand),
        outputs: &outputs,
        stream: Stream::default_of(Device::CPU),
    };
    let results = Cpu.run(call).expect("a supported call");
    let bytes = results[0].buffer.host_bytes().expect("host memory");
    let mut worst = Worst {
        error: -1.0,
        argument: 0.0,
    };
    for (x, found) in arguments.iter().zip(bytes.chunks_exact(4)) {
        let found = f32::from_le_bytes(found.try_into().expect("four bytes"));
        let error = error(found, function(f64::from(*x)));
        if error > worst.error {
            worst = Worst {
                error,
                argument: *x,
            };
        }
    }
    worst
}

fn main() {
    let step: u64 = std::env::args()
        .nth(1)
        .map_or(1, |step| step.parse().expect("a number"));
    let only = std::env::args().nth(2);
    for (op, function) in functions() {
        if only.as_deref().is_some_and(|only| only != op.name()) {
            continue;
        }
        let total = (1u64 << 32).div_ceil(step);
        let worst = Mutex::new(Worst {
            error: -1.0,
            argument: 0.0,
        });
        parallel::for_each(total.div_ceil(CHUNK) as usize, |chunk| {
            let first = chunk as u64 * CHUNK;
            let arguments: Vec<f32> = (first..total.min(first + CHUNK))
                .map(|number| f32::from_bits((number * step) as u32))
                .collect();
            let found = worst_of(op, function, &arguments);
            let mut worst = worst.lock().expect("no panic");
            if found.error > worst.error {
                *worst = found;
            }
        });
        let Worst { error, argument } = *worst.lock().expect("no panic");
        println!("| `{}` | {error:.2} | {argument:e} | {total} |", op.name());
    }
}

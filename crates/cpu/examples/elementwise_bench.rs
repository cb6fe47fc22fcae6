//! Times elementwise calls through the backend: `cargo run --release --example elementwise_bench`.
//!
//! Each line is the least time of several rounds; the figure in brackets is bytes read and
//! written over that time.

use mlx_oxide_cpu::Cpu;
use mlx_oxide_ir::{
    ArrayType, Binary, Dtype, Instruction, Layout, Op, Scalar, ScalarOp, ScalarProgram, Unary,
    infer,
};
use mlx_oxide_runtime::{Backend, Buffer, Call, Device, Operand, Stream};
use std::sync::Arc;
use std::time::Instant;

/// Values between -2 and 2.
fn operand(shape: &[usize], dtype: Dtype) -> Operand {
    let layout = Layout::contiguous(shape);
    let bytes: Vec<u8> = (0..layout.size())
        .flat_map(|index| {
            let value = ((index * 2_654_435_761) % 4001) as f64 / 1000.0 - 2.0;
            let (bytes, width) = Scalar::new(value, dtype).bytes();
            bytes.into_iter().take(width)
        })
        .collect();
    let buffer = Buffer::from_bytes("bench", &bytes).expect("memory");
    Operand {
        buffer,
        layout,
        dtype,
        donatable: false,
    }
}

fn stretched(operand: Operand, shape: &[usize]) -> Operand {
    Operand {
        layout: operand.layout.broadcast(&shape.into()),
        ..operand
    }
}

fn transposed(operand: Operand) -> Operand {
    Operand {
        layout: operand.layout.permute(&[1, 0]),
        ..operand
    }
}

fn time(name: &str, op: &Op, inputs: &[Operand]) {
    let types: Vec<ArrayType> = inputs.iter().map(Operand::array_type).collect();
    let types: Vec<&ArrayType> = types.iter().collect();
    let outputs = infer(op, &types).expect("a valid call");
    let size = outputs[0].size();
    let rounds = (40_000_000 / size.max(100)).clamp(7, 200_000);
    let mut least = f64::INFINITY;
    for _ in 0..rounds {
        let start = Instant::now();
        let call = Call {
            op,
            inputs,
            outputs: &outputs,
            stream: Stream::default_of(Device::CPU),
        };
        let results = Cpu.run(call).expect("a supported call");
        least = least.min(start.elapsed().as_secs_f64());
        drop(results);
    }
    let read: usize = inputs.iter().map(|input| input.buffer.len()).sum();
    let bytes = read + outputs.iter().map(ArrayType::bytes).sum::<usize>();
    println!(
        "{name:28} {:10.3} us  {:6.3} ns/element ({:.1} GB/s)",
        least * 1e6,
        least * 1e9 / size as f64,
        bytes as f64 / least / 1e9
    );
}

/// `a·½·(1 + erf(a·√½))`.
fn gelu() -> Op {
    let instruction = |op, operands: &[u32]| Instruction {
        op,
        operands: operands.iter().copied().collect(),
        dtype: Dtype::Float32,
    };
    let binary = ScalarOp::Binary;
    Op::Fused(Arc::new(ScalarProgram {
        inputs: vec![Dtype::Float32; 4],
        instructions: vec![
            instruction(binary(Binary::Multiply), &[0, 1]),
            instruction(ScalarOp::Unary(Unary::Erf), &[4]),
            instruction(binary(Binary::Add), &[5, 2]),
            instruction(binary(Binary::Multiply), &[0, 3]),
            instruction(binary(Binary::Multiply), &[7, 6]),
        ],
        outputs: vec![8],
    }))
}

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    let timed = |name: &str, op: &Op, inputs: &dyn Fn() -> Vec<Operand>| {
        if name.contains(&only) {
            time(name, op, &inputs());
        }
    };
    let float = Dtype::Float32;
    let add = Op::Binary(Binary::Add);
    for (name, size) in [
        ("add_8", 8),
        ("add_1k", 1 << 10),
        ("add_32k", 1 << 15),
        ("add_1m", 1 << 20),
        ("add_16m", 1 << 24),
    ] {
        timed(name, &add, &|| {
            vec![operand(&[size], float), operand(&[size], float)]
        });
    }
    let wide = [4096, 4096];
    timed("add_broadcast_16m", &add, &|| {
        vec![
            operand(&wide, float),
            stretched(operand(&[4096, 1], float), &wide),
        ]
    });
    timed("add_row_16m", &add, &|| {
        vec![
            operand(&wide, float),
            stretched(operand(&[4096], float), &wide),
        ]
    });
    let square = [2048, 2048];
    timed("add_scalar_4m", &add, &|| {
        vec![
            operand(&square, float),
            stretched(operand(&[1], float), &square),
        ]
    });
    timed("add_transposed_4m", &add, &|| {
        vec![operand(&square, float), transposed(operand(&square, float))]
    });
    timed("add_triples", &add, &|| {
        vec![
            operand(&[1 << 20, 3], float),
            stretched(operand(&[3], float), &[1 << 20, 3]),
        ]
    });
    timed("gelu_4m", &gelu(), &|| {
        let mut inputs = vec![operand(&square, float)];
        inputs.extend((0..3).map(|_| stretched(operand(&[1], float), &square)));
        inputs
    });
    for dtype in [
        Dtype::Float16,
        Dtype::Bfloat16,
        Dtype::Int32,
        Dtype::Float64,
        Dtype::Complex64,
    ] {
        timed(&format!("add_4m_{dtype}"), &add, &|| {
            vec![operand(&square, dtype), operand(&square, dtype)]
        });
    }
    for dtype in [Dtype::Float16, Dtype::Bfloat16, Dtype::Int32] {
        timed(&format!("cast_4m_{dtype}"), &Op::Cast(dtype), &|| {
            vec![operand(&square, float)]
        });
    }
    for dtype in [float, Dtype::Float64] {
        for &unary in Unary::ALL
            .iter()
            .filter(|unary| unary.domain().contains(dtype))
        {
            timed(
                &format!("{}_1m_{dtype}", unary.name()),
                &Op::Unary(unary),
                &|| vec![operand(&[1 << 20], dtype)],
            );
        }
        for &binary in Binary::ALL
            .iter()
            .filter(|binary| binary.domain().contains(dtype))
        {
            timed(
                &format!("{}_1m_{dtype}", binary.name()),
                &Op::Binary(binary),
                &|| vec![operand(&[1 << 20], dtype), operand(&[1 << 20], dtype)],
            );
        }
    }
}

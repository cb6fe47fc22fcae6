//! Speed of matrix products, alternating with the `gemm` crate on one thread:
//! `cargo run --release -p mlx-oxide-cpu --example matmul_bench [threads]`.

use mlx_oxide_cpu::Cpu;
use mlx_oxide_ir::{ArrayType, Contract, Dtype, Layout, Op, Shape};
use mlx_oxide_runtime::{Backend, Buffer, Call, Device, Operand, Stream, parallel};
use std::time::Instant;

fn operand(shape: &[usize], dtype: Dtype, transposed: bool) -> Operand {
    let size: usize = shape.iter().product();
    let bytes: Vec<u8> = match dtype {
        Dtype::Float32 => (0..size)
            .flat_map(|i| ((i * 7919 % 1000) as f32 / 500.0 - 1.0).to_le_bytes())
            .collect(),
        Dtype::Float64 => (0..size)
            .flat_map(|i| ((i * 7919 % 1000) as f64 / 500.0 - 1.0).to_le_bytes())
            .collect(),
        _ => (0..size)
            .flat_map(|i| ((0x3c00 + i % 256) as u16).to_le_bytes())
            .collect(),
    };
    let mut layout = Layout::contiguous(Shape::from(shape));
    if transposed {
        let ndim = shape.len();
        layout.strides[ndim - 2] = 1;
        layout.strides[ndim - 1] = shape[ndim - 2] as isize;
    }
    Operand {
        buffer: Buffer::from_bytes("bench", &bytes).expect("memory"),
        layout,
        dtype,
        donatable: false,
    }
}

fn best(mut run: impl FnMut(), rounds: usize) -> f64 {
    (0..rounds)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

fn main() {
    let threads = std::env::args().nth(1).and_then(|t| t.parse().ok());
    parallel::set_threads(threads.unwrap_or(1));
    let cases: &[(usize, usize, usize, usize, Dtype, bool, bool)] = &[
        (1, 256, 256, 256, Dtype::Float32, false, false),
        (1, 1024, 1024, 1024, Dtype::Float32, false, false),
        (1, 1024, 1024, 1024, Dtype::Float32, false, true),
        (1, 1024, 1024, 1024, Dtype::Float32, true, false),
        (1, 2048, 2048, 2048, Dtype::Float32, false, false),
        (1, 1000, 1000, 1000, Dtype::Float32, false, false),
        (1, 1024, 1024, 1024, Dtype::Float64, false, false),
        (256, 64, 64, 64, Dtype::Float32, false, false),
        (1, 1024, 1024, 1024, Dtype::Float16, false, false),
        (1, 1024, 1024, 1024, Dtype::Bfloat16, false, false),
        (1, 1024, 1024, 1024, Dtype::Bfloat16, false, true),
        (1, 1, 4096, 4096, Dtype::Float32, false, true),
        (1, 1, 4096, 4096, Dtype::Float32, false, false),
        (1, 1, 4096, 4096, Dtype::Bfloat16, false, true),
        (1, 4, 4096, 4096, Dtype::Float32, false, true),
    ];
    let most = std::env::args().nth(2).and_then(|n| n.parse().ok());
    for &(batch, m, k, n, dtype, lt, rt) in cases.iter().take(most.unwrap_or(cases.len())) {
        let lhs = operand(&[batch, m, k], dtype, lt);
        let rhs = operand(&[batch, k, n], dtype, rt);
        let inputs = [lhs, rhs];
        let outputs = [ArrayType::new(Shape::from(&[batch, m, n][..]), dtype)];
        let op = Op::Contract(Contract::Matmul);
        let run = || {
            let call = Call {
                op: &op,
                inputs: &inputs,
                outputs: &outputs,
                stream: Stream::default_of(Device::CPU),
            };
            Cpu.run(call).expect("runs");
        };
        let work = 2.0 * (batch * m * n * k) as f64;
        let bytes = (batch * (m * k + k * n + m * n) * dtype.size()) as f64;
        let rounds = (6e10 / work.max(bytes * 20.0)).clamp(5.0, 400.0) as usize;
        let own = best(run, rounds);
        println!(
            "{batch}x{m}x{k}x{n} {dtype:?} {}{}: {:.3} ms {:.1} GFLOP/s {:.1} GB/s",
            if lt { "T" } else { "N" },
            if rt { "T" } else { "N" },
            own * 1e3,
            work / own / 1e9,
            bytes / own / 1e9,
        );
    }
}

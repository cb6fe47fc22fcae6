//! Operations on the device under test, and their kernels translated to the other platforms'
//! languages.

use mlx_oxide_gpu::Gpu;
use mlx_oxide_ir::{ArrayType, Dtype, Layout, Op, Scalar, Shape, infer};
use mlx_oxide_runtime::{Backend, Buffer, Call, Operand, Stored, Stream};
use std::collections::HashSet;
use std::sync::Mutex;

/// Whether tests run; fails where there is no adapter, unless the environment says otherwise.
pub(crate) fn present() -> bool {
    if std::env::var("MLX_OXIDE_GPU_TESTS").as_deref() == Ok("skip") {
        return false;
    }
    mlx_oxide_gpu::allow_software_adapters(true);
    assert!(
        Gpu.device_count() > 0,
        "no GPU adapter: run .ci/install-lavapipe.sh, or set MLX_OXIDE_GPU_TESTS=skip"
    );
    true
}

/// Numbers as an operand.
pub(crate) fn operand(values: &[f64], shape: impl Into<Shape>, dtype: Dtype) -> Operand {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| Scalar::new(*value, dtype).bytes().0[..dtype.size()].to_vec())
        .collect();
    let shape = shape.into();
    assert_eq!(shape.size(), values.len());
    Operand {
        buffer: Buffer::from_bytes("test", &bytes).unwrap(),
        layout: Layout::contiguous(shape),
        dtype,
        donatable: false,
    }
}

/// The same elements under another layout of the same buffer.
pub(crate) fn relaid(operand: &Operand, layout: Layout) -> Operand {
    Operand {
        layout,
        ..operand.clone()
    }
}

/// Runs an operation that the backend must support.
pub(crate) fn run(op: &Op, inputs: &[&Operand]) -> Vec<(Stored, ArrayType)> {
    let types: Vec<ArrayType> = inputs.iter().map(|input| input.array_type()).collect();
    let types: Vec<&ArrayType> = types.iter().collect();
    assert!(Gpu.supports(op, &types), "{op:?} on {types:?} is declined");
    let outputs = infer(op, &types).unwrap();
    let inputs: Vec<Operand> = inputs.iter().map(|input| (*input).clone()).collect();
    let results = Gpu
        .run(Call {
            op,
            inputs: &inputs,
            outputs: &outputs,
            stream: Stream::default_of(mlx_oxide_runtime::Device::GPU),
        })
        .unwrap_or_else(|error| panic!("{op:?}: {error}"));
    translate_new_kernels();
    results.into_iter().zip(outputs).collect()
}

/// The only output's elements as numbers; the imaginary parts are left out.
pub(crate) fn numbers(op: &Op, inputs: &[&Operand]) -> Vec<f64> {
    let results = run(op, inputs);
    read(&results[0].0, &results[0].1)
}

/// The elements of a result as numbers.
pub(crate) fn read(stored: &Stored, array: &ArrayType) -> Vec<f64> {
    assert_eq!(stored.layout.shape, array.shape);
    elements(stored, array.dtype)
        .iter()
        .map(|element| match array.dtype {
            Dtype::Int64 => element.to_i64() as f64,
            _ => element.to_f64(),
        })
        .collect()
}

/// The elements of a result.
pub(crate) fn elements(stored: &Stored, dtype: Dtype) -> Vec<Scalar> {
    let bytes = stored.buffer.host_bytes().unwrap();
    let size = dtype.size();
    stored
        .layout
        .places()
        .map(|place| {
            let mut bits = [0; 8];
            bits[..size].copy_from_slice(&bytes[place * size..(place + 1) * size]);
            Scalar::from_bits(u64::from_le_bytes(bits), dtype)
        })
        .collect()
}

/// Fails unless every number is near, relative to its size and to one; NaN is near NaN.
pub(crate) fn assert_near(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let near = found == expected
            || (found.is_nan() && expected.is_nan())
            || (found - expected).abs() <= tolerance * expected.abs().max(1.0);
        assert!(near, "{what}: element {place} is {found}, not {expected}");
    }
}

static TRANSLATED: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// Translates the kernels compiled since the last call to MSL and HLSL.
pub(crate) fn translate_new_kernels() {
    let mut seen = TRANSLATED.lock().unwrap_or_else(|e| e.into_inner());
    let seen = seen.get_or_insert_default();
    for text in mlx_oxide_gpu::compiled_kernels() {
        if seen.insert(text.clone()) {
            translate(&text);
        }
    }
}

fn translate(text: &str) {
    let module = naga::front::wgsl::parse_str(text)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(text)));
    let info = naga::valid::Validator::new(
        naga::valid::ValidationFlags::all(),
        naga::valid::Capabilities::all(),
    )
    .validate(&module)
    .unwrap_or_else(|error| panic!("{}", error.emit_to_string(text)));
    // Metal has no double precision, so kernels with it are not for Metal
    if !text.contains("f64") {
        to_msl(&module, &info);
    }
    to_hlsl(&module, &info);
}

fn to_msl(module: &naga::Module, info: &naga::valid::ModuleInfo) {
    let options = naga::back::msl::Options {
        lang_version: (3, 0),
        fake_missing_bindings: true,
        ..Default::default()
    };
    let (text, _) =
        naga::back::msl::write_string(module, info, &options, &Default::default()).unwrap();
    assert!(text.contains("kernel void"));
}

fn to_hlsl(module: &naga::Module, info: &naga::valid::ModuleInfo) {
    let options = naga::back::hlsl::Options {
        shader_model: naga::back::hlsl::ShaderModel::V6_0,
        ..Default::default()
    };
    let mut text = String::new();
    naga::back::hlsl::Writer::new(&mut text, &options, &Default::default())
        .write(module, info, None)
        .unwrap();
    assert!(text.contains("numthreads"));
}

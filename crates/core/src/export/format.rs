//! The file format, version 1.
//!
//! ```text
//! 8 bytes   "MLXOXFN\0"
//! u32       version
//! u32       CRC-32 of all that follows
//! u64       length of the header
//! header    `Header` in the encoding of postcard
//! blob      the constants' bytes, little-endian, at the offsets that the header names
//! ```
//! Numbers are little-endian. Nothing in a file is trusted: types of results are inferred anew,
//! references must point backwards, constants must lie in the blob.

use super::{Exported, ExportedTrace, Signature, is_portable};
use crate::array::Array;
use crate::graph::{Graph, Step, Value};
use mlx_oxide_ir::{ArrayType, Dtype, Error, Op, Result, Scalar, Source, infer};
use mlx_oxide_runtime::Stream;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

const MAGIC: &[u8; 8] = b"MLXOXFN\0";
const VERSION: u32 = 1;
const PREFIX: usize = 24;

#[derive(Serialize, Deserialize)]
struct Header {
    metadata: Option<String>,
    constants: Vec<Constant>,
    traces: Vec<Trace>,
}

#[derive(Serialize, Deserialize)]
struct Constant {
    array_type: ArrayType,
    /// Whether the one element in the blob is all elements.
    uniform: bool,
    offset: u64,
}

#[derive(Serialize, Deserialize)]
struct Trace {
    positional: u32,
    keywords: Vec<String>,
    shapeless: bool,
    inputs: Vec<ArrayType>,
    /// For each constant of the graph its number in the file.
    constants: Vec<u32>,
    steps: Vec<Operation>,
    outputs: Vec<Value>,
}

#[derive(Serialize, Deserialize)]
struct Operation {
    op: Op,
    inputs: Vec<Value>,
}

/// The content of a file.
pub(super) fn encode(exported: &Exported) -> Result<Vec<u8>> {
    let mut blob = Vec::new();
    let mut written: Vec<&Array> = Vec::new();
    let mut header = Header {
        metadata: exported.metadata.clone(),
        constants: Vec::new(),
        traces: Vec::new(),
    };
    for trace in &exported.traces {
        let mut constants = Vec::with_capacity(trace.graph.constants.len());
        for constant in &trace.graph.constants {
            let known = written.iter().position(|other| other.is_same(constant));
            let number = match known {
                Some(number) => number,
                None => {
                    header.constants.push(store(constant, &mut blob)?);
                    written.push(constant);
                    written.len() - 1
                }
            };
            constants.push(number as u32);
        }
        let graph = &trace.graph;
        header.traces.push(Trace {
            positional: trace.signature.positional as u32,
            keywords: trace.signature.keywords.clone(),
            shapeless: trace.shapeless,
            inputs: graph.inputs.clone(),
            constants,
            steps: operations(graph)?,
            outputs: graph.outputs.clone(),
        });
    }
    let header = postcard::to_allocvec(&header).map_err(|error| Error::ExportedFunction {
        op: "export_function",
        reason: error.to_string(),
    })?;
    let mut checked = (header.len() as u64).to_le_bytes().to_vec();
    checked.extend(header);
    checked.extend(blob);
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(crc32fast::hash(&checked).to_le_bytes());
    bytes.extend(checked);
    Ok(bytes)
}

fn operations(graph: &Graph) -> Result<Vec<Operation>> {
    let portable = |step: &Step| match is_portable(&step.op) {
        true => Ok(Operation {
            op: step.op.clone(),
            inputs: step.inputs.to_vec(),
        }),
        false => Err(Error::ExportedFunction {
            op: "export_function",
            reason: format!("operation {} cannot be written", step.op.name()),
        }),
    };
    graph.steps.iter().map(portable).collect()
}

/// Appends a constant's bytes to the blob; of a stretched scalar only the one element.
fn store(constant: &Array, blob: &mut Vec<u8>) -> Result<Constant> {
    let stored = constant.to_stored()?;
    let width = constant.itemsize();
    blob.resize(blob.len().next_multiple_of(width), 0);
    let offset = blob.len() as u64;
    let uniform = constant.size() > 1 && stored.layout.is_uniform();
    if uniform {
        let (bytes, width) = constant.element(&stored, stored.layout.offset)?.bytes();
        blob.extend_from_slice(&bytes[..width]);
    } else {
        constant.with_bytes(|bytes| {
            blob.extend_from_slice(bytes);
            Ok(())
        })?;
    }
    Ok(Constant {
        array_type: constant.array_type().clone(),
        uniform,
        offset,
    })
}

fn malformed(reason: impl Into<String>) -> Error {
    Error::ExportedFunction {
        op: "import_function",
        reason: format!("the file is malformed: {}", reason.into()),
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    bytes
        .get(at..at + N)
        .and_then(|part| part.try_into().ok())
        .ok_or_else(|| malformed("it is cut off"))
}

/// The function in a file's content.
pub(super) fn decode(bytes: &[u8]) -> Result<Exported> {
    if !bytes.starts_with(MAGIC) {
        return Err(malformed("it is no exported function of mlx-oxide"));
    }
    let version = u32::from_le_bytes(number(bytes, 8)?);
    if version != VERSION {
        return Err(malformed(format!(
            "its version is {version}; this library reads version {VERSION}"
        )));
    }
    let sum = u32::from_le_bytes(number(bytes, 12)?);
    let length = u64::from_le_bytes(number(bytes, 16)?);
    if crc32fast::hash(&bytes[16..]) != sum {
        return Err(malformed("its check sum is wrong"));
    }
    let content = &bytes[PREFIX..];
    let (header, blob) = usize::try_from(length)
        .ok()
        .and_then(|length| content.split_at_checked(length))
        .ok_or_else(|| malformed("the header is longer than the file"))?;
    let header: Header =
        postcard::from_bytes(header).map_err(|error| malformed(error.to_string()))?;
    let constants: Vec<Array> = header
        .constants
        .iter()
        .map(|constant| load(constant, blob))
        .collect::<Result<_>>()?;
    let traces = header.traces.into_iter();
    Ok(Exported {
        metadata: header.metadata,
        traces: traces
            .map(|trace| rebuild(trace, &constants))
            .collect::<Result<_>>()?,
    })
}

/// A constant from the blob.
fn load(constant: &Constant, blob: &[u8]) -> Result<Array> {
    let array_type = &constant.array_type;
    array_type.shape.clone().checked("import_function")?;
    let stored = match constant.uniform {
        true => ArrayType::new([], array_type.dtype),
        false => array_type.clone(),
    };
    let bytes = usize::try_from(constant.offset)
        .ok()
        .and_then(|offset| blob.get(offset..offset.checked_add(stored.bytes())?))
        .ok_or_else(|| malformed("a constant lies outside the file"))?;
    if array_type.dtype == Dtype::Bool && bytes.iter().any(|byte| *byte > 1) {
        return Err(malformed("a truth value is neither 0 nor 1"));
    }
    let array = Array::from_bytes(bytes, stored)?;
    match constant.uniform {
        true => {
            let stretched = crate::ops::broadcast_to(&array, array_type.shape.clone())?;
            stretched.eval()?;
            Ok(stretched)
        }
        false => Ok(array),
    }
}

/// A trace with everything that it says checked.
fn rebuild(trace: Trace, constants: &[Array]) -> Result<ExportedTrace> {
    for input in &trace.inputs {
        input.shape.clone().checked("import_function")?;
    }
    if (trace.positional as usize).checked_add(trace.keywords.len()) != Some(trace.inputs.len()) {
        return Err(malformed("inputs and signature differ in number"));
    }
    let constants: Vec<Array> = trace
        .constants
        .iter()
        .map(|number| constants.get(*number as usize).cloned())
        .collect::<Option<_>>()
        .ok_or_else(|| malformed("a constant does not exist"))?;
    let mut graph = Graph {
        inputs: trace.inputs,
        constants,
        steps: Vec::with_capacity(trace.steps.len()),
        outputs: Vec::new(),
    };
    let stream = Stream::current();
    for operation in trace.steps {
        let step = check(operation, &graph, stream)?;
        graph.steps.push(step);
    }
    if !trace.outputs.iter().all(|value| exists(&graph, *value)) {
        return Err(malformed("an output does not exist"));
    }
    graph.outputs = trace.outputs;
    if trace.shapeless && !crate::compile::shapeless::holds_no_sizes(&graph) {
        return Err(malformed("a shapeless trace depends on sizes"));
    }
    Ok(ExportedTrace {
        signature: Signature {
            positional: trace.positional as usize,
            keywords: trace.keywords,
        },
        shapeless: trace.shapeless,
        graph,
    })
}

fn check(mut operation: Operation, graph: &Graph, stream: Stream) -> Result<Step> {
    if !is_portable(&operation.op) {
        return Err(malformed("an operation is not allowed in files"));
    }
    if let Op::Source(Source::Full { value, .. }) = &mut operation.op {
        *value = match value.dtype() {
            Dtype::Bool => Scalar::new(f64::from(u8::from(value.bits() != 0)), Dtype::Bool),
            dtype => Scalar::from_bits(value.bits(), dtype),
        };
    }
    if !operation.inputs.iter().all(|value| exists(graph, *value)) {
        return Err(malformed("an operand does not exist"));
    }
    let types: SmallVec<[&ArrayType; 4]> = operation
        .inputs
        .iter()
        .map(|value| graph.array_type(*value))
        .collect();
    let types = infer(&operation.op, &types)?;
    Ok(Step {
        op: operation.op,
        inputs: operation.inputs.into(),
        types,
        stream,
        rules: None,
    })
}

fn exists(graph: &Graph, value: Value) -> bool {
    match value {
        Value::Input(input) => (input as usize) < graph.inputs.len(),
        Value::Constant(constant) => (constant as usize) < graph.constants.len(),
        Value::Result { step, output } => graph
            .steps
            .get(step as usize)
            .is_some_and(|step| (output as usize) < step.types.len()),
    }
}

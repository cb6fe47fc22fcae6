//! From a file's content to functions.
//!
//! Nothing in a file is trusted: types of results are inferred anew, references must point
//! backwards, constants must lie in the blob.

use super::format::{
    Body, Constant, DEEPEST, Function, Header, Kind, MAGIC, OLDEST_VERSION, Operation, PREFIX,
    Part, Rule, SizelessFunction, SizelessOperation, Trace, VERSION,
};
use super::{Exported, ExportedTrace, Signature, is_portable};
use crate::array::{Array, CustomRules};
use crate::compile::shapeless::{self, Program, What, has_no_sizes};
use crate::graph::simplify::{simplify, simplify_for_values};
use crate::graph::{Graph, Step, Value};
use crate::transforms::{Branch, ScanLayout, StatedRules, Traced, cond_of, scan_of, while_of};
use mlx_oxide_ir::{ArrayType, Dtype, Error, Op, OutputTypes, Result, Scalar, Source, infer};
use mlx_oxide_runtime::Stream;
use smallvec::SmallVec;
use std::sync::Arc;

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
    let (header, blob) = open(bytes)?;
    let constants: Vec<Array> = header
        .constants
        .iter()
        .map(|constant| load(constant, blob))
        .collect::<Result<_>>()?;
    let mut reader = Reader {
        constants,
        functions: Vec::with_capacity(header.functions.len()),
        stream: Stream::current(),
    };
    for function in header.functions {
        let function = reader.function(function)?;
        reader.functions.push(function);
    }
    let traces = header.traces.into_iter();
    Ok(Exported {
        metadata: header.metadata,
        traces: traces
            .map(|trace| reader.trace(trace))
            .collect::<Result<_>>()?,
    })
}

/// The header and the blob, once the check sum is right.
fn open(bytes: &[u8]) -> Result<(Header, &[u8])> {
    if !bytes.starts_with(MAGIC) {
        return Err(malformed(
            "it is no exported function of mlx-oxide; those of Apple's MLX are not read",
        ));
    }
    let version = u32::from_le_bytes(number(bytes, 8)?);
    if !(OLDEST_VERSION..=VERSION).contains(&version) {
        return Err(malformed(format!(
            "its version is {version}; this library reads versions {OLDEST_VERSION} to {VERSION}"
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
    let header = postcard::from_bytes(header).map_err(|error| malformed(error.to_string()))?;
    Ok((header, blob))
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

/// What has been read so far.
struct Reader {
    constants: Vec<Array>,
    functions: Vec<Read>,
    stream: Stream,
}

/// A function, and how deep functions lie in it.
struct Read {
    graph: Graph,
    depth: u32,
}

impl Reader {
    fn pick(&self, numbers: &[u32]) -> Result<Vec<Array>> {
        numbers
            .iter()
            .map(|number| self.constants.get(*number as usize).cloned())
            .collect::<Option<_>>()
            .ok_or_else(|| malformed("a constant does not exist"))
    }

    fn function(&self, function: Function) -> Result<Read> {
        check_inputs(&function.inputs)?;
        let mut graph = Graph {
            inputs: function.inputs,
            constants: self.pick(&function.constants)?,
            steps: Vec::with_capacity(function.steps.len()),
            outputs: Vec::new(),
        };
        let mut depth = 0;
        for operation in function.steps {
            let step = self.step(operation, &graph, &mut depth)?;
            graph.steps.push(step);
        }
        if depth > DEEPEST {
            return Err(malformed("functions lie too deep in functions"));
        }
        if !function.outputs.iter().all(|value| exists(&graph, *value)) {
            return Err(malformed("an output does not exist"));
        }
        graph.outputs = function.outputs;
        Ok(Read { graph, depth })
    }

    fn step(&self, operation: Operation, graph: &Graph, depth: &mut u32) -> Result<Step> {
        if !operation.inputs.iter().all(|value| exists(graph, *value)) {
            return Err(malformed("an operand does not exist"));
        }
        let types: SmallVec<[&ArrayType; 4]> = operation
            .inputs
            .iter()
            .map(|value| graph.array_type(*value))
            .collect();
        let (op, rules) = match operation.kind {
            Kind::Op(op) if !is_portable(&op) => {
                return Err(malformed("an operation is not allowed in files"));
            }
            Kind::Op(op) => (canonical(op), None),
            Kind::Cond(parts) => {
                let (op, rules) = self.cond(&parts, &types, depth)?;
                (op, Some(rules))
            }
            Kind::While { condition, body } => {
                let (op, rules) = self.while_loop(&condition, &body, &types, depth)?;
                (op, Some(rules))
            }
            Kind::Scan {
                body,
                carried,
                scanned,
                length,
                reverse,
            } => {
                let layout = ScanLayout {
                    carried: carried as usize,
                    scanned: scanned as usize,
                    length: usize::try_from(length).map_err(|_| malformed("a scan is too long"))?,
                    reverse,
                };
                let (op, rules) = self.scan(&body, layout, &types, depth)?;
                (op, Some(rules))
            }
            Kind::Rules { outputs, vjp, jvp } => {
                let (op, rules) = self.rules(outputs, vjp, jvp, &types, depth)?;
                (op, Some(rules))
            }
        };
        let types: OutputTypes = infer(&op, &types)?;
        Ok(Step {
            op,
            inputs: operation.inputs.into(),
            types,
            stream: self.stream,
            rules,
        })
    }

    fn cond(
        &self,
        [on_false, on_true]: &[Part; 2],
        types: &[&ArrayType],
        depth: &mut u32,
    ) -> Result<(Op, Arc<dyn CustomRules>)> {
        let [condition, operands @ ..] = types else {
            return Err(malformed("a choice has no condition"));
        };
        check_condition(condition)?;
        cond_of([
            self.branch(on_false, operands, depth)?,
            self.branch(on_true, operands, depth)?,
        ])
    }

    fn while_loop(
        &self,
        condition: &Part,
        body: &Part,
        types: &[&ArrayType],
        depth: &mut u32,
    ) -> Result<(Op, Arc<dyn CustomRules>)> {
        let condition = self.branch(condition, types, depth)?;
        let body = self.branch(body, types, depth)?;
        match condition.graph.outputs.as_slice() {
            [output] => check_condition(condition.graph.array_type(*output))?,
            _ => return Err(malformed("a loop needs one condition")),
        }
        let state = types
            .get(..body.graph.outputs.len())
            .ok_or_else(|| malformed("a loop has too many results"))?;
        let state: Vec<ArrayType> = state.iter().map(|state| (*state).clone()).collect();
        while_of(&state, condition, body)
    }

    fn scan(
        &self,
        body: &Part,
        layout: ScanLayout,
        types: &[&ArrayType],
        depth: &mut u32,
    ) -> Result<(Op, Arc<dyn CustomRules>)> {
        let types = layout.step_types(types)?;
        let operands: SmallVec<[&ArrayType; 4]> = types.iter().collect();
        let body = self.branch(body, &operands, depth)?;
        scan_of(&types, body, layout)
    }

    /// An operation whose last inputs, so many, are its outputs.
    fn rules(
        &self,
        outputs: u32,
        vjp: Rule,
        jvp: Rule,
        types: &[&ArrayType],
        depth: &mut u32,
    ) -> Result<(Op, Arc<dyn CustomRules>)> {
        let primals = types.len().checked_sub(outputs as usize);
        let primals = primals.filter(|_| outputs > 0);
        let (primals, outputs) =
            types.split_at(primals.ok_or_else(|| malformed("rules have too many results"))?);
        let rules = StatedRules {
            vjp: Arc::new(self.rule(vjp, types, outputs, primals, depth)?),
            jvp: Arc::new(self.rule(jvp, types, primals, outputs, depth)?),
        };
        let outputs = outputs.iter().map(|output| (*output).clone()).collect();
        Ok((StatedRules::operation(outputs), Arc::new(rules)))
    }

    /// An earlier function of the operands and what belongs to some, which gives arrays of the
    /// shapes of others.
    fn rule(
        &self,
        rule: Rule,
        operands: &[&ArrayType],
        further: &[&ArrayType],
        results: &[&ArrayType],
        depth: &mut u32,
    ) -> Result<Traced> {
        let number = match rule {
            Rule::Function(number) => number,
            Rule::Missing(reason) => return Ok(Err(reason)),
        };
        let function = self.functions.get(number as usize);
        let function = function.ok_or_else(|| malformed("a function does not exist"))?;
        *depth = (*depth).max(function.depth + 1);
        let graph = &function.graph;
        let given = operands.iter().chain(further).copied();
        let shapes = graph.outputs.iter();
        let shapes = shapes.map(|output| &graph.array_type(*output).shape);
        let fits = given.eq(&graph.inputs) && shapes.eq(results.iter().map(|it| &it.shape));
        match fits {
            true => Ok(Ok(graph.clone())),
            false => Err(malformed("a rule does not fit its function")),
        }
    }

    /// An earlier function of some of the operands.
    fn branch(&self, part: &Part, operands: &[&ArrayType], depth: &mut u32) -> Result<Branch> {
        let function = self
            .functions
            .get(part.function as usize)
            .ok_or_else(|| malformed("a function does not exist"))?;
        *depth = (*depth).max(function.depth + 1);
        let graph = function.graph.clone();
        let given = part
            .operands
            .iter()
            .map(|operand| operands.get(*operand as usize).copied());
        if !given.eq(graph.inputs.iter().map(Some)) {
            return Err(malformed("operands of a function are not its inputs"));
        }
        Ok(Branch {
            graph,
            operands: part
                .operands
                .iter()
                .map(|operand| *operand as usize)
                .collect(),
        })
    }

    fn trace(&self, trace: Trace) -> Result<ExportedTrace> {
        let (graph, program) = match trace.body {
            Body::Sized(number) => {
                let function = self.functions.get(number as usize);
                let function = function.ok_or_else(|| malformed("a function does not exist"))?;
                (function.graph.clone(), None)
            }
            Body::Shapeless(function) => {
                let program = self.program(function)?;
                // checks references and operands, too
                let graph = simplify(program.resize(&program.inputs)?);
                (graph, Some(program))
            }
        };
        let named = trace.keywords.len();
        if (trace.positional as usize).checked_add(named) != Some(graph.inputs.len()) {
            return Err(malformed("inputs and signature differ in number"));
        }
        Ok(ExportedTrace {
            signature: Signature {
                positional: trace.positional as usize,
                keywords: trace.keywords,
            },
            values: simplify_for_values(graph.clone()),
            graph,
            program,
        })
    }

    fn program(&self, function: SizelessFunction) -> Result<Program> {
        check_inputs(&function.inputs)?;
        let steps = function.steps.into_iter();
        Ok(Program {
            constants: self.pick(&function.constants)?,
            inputs: function.inputs,
            steps: steps
                .map(|operation| check_sizeless(operation, self.stream))
                .collect::<Result<_>>()?,
            outputs: function.outputs,
        })
    }
}

fn check_inputs(inputs: &[ArrayType]) -> Result<()> {
    inputs
        .iter()
        .try_for_each(|input| input.shape.clone().checked("import_function").map(|_| ()))
}

fn check_condition(condition: &ArrayType) -> Result<()> {
    match condition.dtype == Dtype::Bool && condition.shape.ndim() == 0 {
        true => Ok(()),
        false => Err(malformed("a condition is no truth value")),
    }
}

fn check_sizeless(operation: SizelessOperation, stream: Stream) -> Result<shapeless::Step> {
    let what = match operation.what {
        What::Op(op) if !is_portable(&op) || !has_no_sizes(&op) => {
            return Err(malformed("a shapeless trace depends on sizes"));
        }
        What::Op(op) => What::Op(canonical(op)),
        call => call,
    };
    Ok(shapeless::Step {
        what,
        inputs: operation.inputs.into(),
        stream,
    })
}

/// The operation with a scalar whose bits are those of its dtype.
fn canonical(mut op: Op) -> Op {
    if let Op::Source(Source::Full { value, .. }) = &mut op {
        *value = match value.dtype() {
            Dtype::Bool => Scalar::new(f64::from(u8::from(value.bits() != 0)), Dtype::Bool),
            dtype => Scalar::from_bits(value.bits(), dtype),
        };
    }
    op
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

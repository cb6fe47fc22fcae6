//! From functions to a file's content.

use super::format::{
    Body, Constant, Function, Header, Kind, MAGIC, MOST_DERIVATIVES, Operation, Part, Rule,
    SizelessFunction, SizelessOperation, Trace, VERSION,
};
use super::{Exported, is_portable};
use crate::array::{Array, CustomRules, Role};
use crate::graph::simplify::simplify_for_files;
use crate::graph::{Graph, Step};
use crate::transforms::{Branch, ControlFlow, StatedRules, Traced};
use mlx_oxide_ir::{ArrayType, Error, Result};

/// The content of a file.
pub(super) fn encode(exported: &Exported) -> Result<Vec<u8>> {
    let mut writer = Writer {
        header: Header {
            metadata: exported.metadata.clone(),
            constants: Vec::new(),
            functions: Vec::new(),
            traces: Vec::new(),
        },
        blob: Vec::new(),
        written: Vec::new(),
        rules: 0,
    };
    for trace in &exported.traces {
        let body = match &trace.program {
            Some(program) => {
                let steps = program.steps.iter().map(|step| SizelessOperation {
                    what: step.what.clone(),
                    inputs: step.inputs.to_vec(),
                });
                Body::Shapeless(SizelessFunction {
                    inputs: program.inputs.clone(),
                    constants: writer.constants(&program.constants)?,
                    steps: steps.collect(),
                    outputs: program.outputs.clone(),
                })
            }
            None => Body::Sized(writer.function(&trace.graph)?),
        };
        writer.header.traces.push(Trace {
            positional: trace.signature.positional as u32,
            keywords: trace.signature.keywords.clone(),
            body,
        });
    }
    let header =
        postcard::to_allocvec(&writer.header).map_err(|error| unwritable(error.to_string()))?;
    let mut checked = (header.len() as u64).to_le_bytes().to_vec();
    checked.extend(header);
    checked.extend(writer.blob);
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(crc32fast::hash(&checked).to_le_bytes());
    bytes.extend(checked);
    Ok(bytes)
}

fn unwritable(reason: String) -> Error {
    Error::ExportedFunction {
        op: "export_function",
        reason,
    }
}

struct Writer {
    header: Header,
    blob: Vec<u8>,
    /// The constants of the header.
    written: Vec<Array>,
    /// How many rules lie around what is written.
    rules: u32,
}

impl Writer {
    /// The number of a function, which is written after those inside it.
    fn function(&mut self, graph: &Graph) -> Result<u32> {
        let steps = graph.steps.iter();
        let steps = steps.map(|step| self.operation(step, graph));
        let steps = steps.collect::<Result<_>>()?;
        let function = Function {
            inputs: graph.inputs.clone(),
            constants: self.constants(&graph.constants)?,
            steps,
            outputs: graph.outputs.clone(),
        };
        self.header.functions.push(function);
        Ok(self.header.functions.len() as u32 - 1)
    }

    fn operation(&mut self, step: &Step, graph: &Graph) -> Result<Operation> {
        if let Some(rules) = &step.rules
            && rules.role() == Role::Rules
        {
            return self.rules(step, rules.as_ref(), graph);
        }
        let control_flow = step.rules.as_ref().and_then(|rules| rules.control_flow());
        let kind = match control_flow {
            Some(ControlFlow::Cond([on_false, on_true])) => {
                Kind::Cond([self.part(on_false)?, self.part(on_true)?])
            }
            Some(ControlFlow::While { condition, body }) => Kind::While {
                condition: self.part(condition)?,
                body: self.part(body)?,
            },
            Some(ControlFlow::Scan { body, layout }) => Kind::Scan {
                body: self.part(body)?,
                carried: layout.carried as u32,
                scanned: layout.scanned as u32,
                length: layout.length as u64,
                reverse: layout.reverse,
            },
            None if is_portable(&step.op) => Kind::Op(step.op.clone()),
            None => {
                let name = step.op.name();
                return Err(unwritable(format!("operation {name} cannot be written")));
            }
        };
        Ok(Operation {
            kind,
            inputs: step.inputs.to_vec(),
        })
    }

    /// An operation that only transforms look at, with what they see of it.
    fn rules(&mut self, step: &Step, rules: &dyn CustomRules, graph: &Graph) -> Result<Operation> {
        let values = step.inputs.iter();
        let types: Vec<ArrayType> = values
            .map(|value| graph.array_type(*value).clone())
            .collect();
        let (vjp, jvp) = if self.rules < MOST_DERIVATIVES {
            let stated = StatedRules::of(step, rules, &types);
            (self.rule(&stated.vjp)?, self.rule(&stated.jvp)?)
        } else {
            let reason = || {
                let most = MOST_DERIVATIVES;
                Rule::Missing(format!(
                    "functions in files have derivatives up to order {most}"
                ))
            };
            (reason(), reason())
        };
        Ok(Operation {
            kind: Kind::Rules {
                outputs: step.types.len() as u32,
                vjp,
                jvp,
            },
            inputs: step.inputs.to_vec(),
        })
    }

    fn rule(&mut self, rule: &Traced) -> Result<Rule> {
        let graph = match rule {
            Ok(graph) => simplify_for_files(graph.clone()),
            Err(reason) => return Ok(Rule::Missing(reason.clone())),
        };
        if let Some(name) = super::foreign(&graph) {
            return Ok(Rule::Missing(format!("operation {name} cannot be written")));
        }
        self.rules += 1;
        let function = self.function(&graph);
        self.rules -= 1;
        Ok(Rule::Function(function?))
    }

    fn part(&mut self, branch: &Branch) -> Result<Part> {
        Ok(Part {
            function: self.function(&simplify_for_files(branch.graph.clone()))?,
            operands: branch
                .operands
                .iter()
                .map(|operand| *operand as u32)
                .collect(),
        })
    }

    /// The numbers of constants, each of which is written once.
    fn constants(&mut self, constants: &[Array]) -> Result<Vec<u32>> {
        let mut numbers = Vec::with_capacity(constants.len());
        for constant in constants {
            let known = self
                .written
                .iter()
                .position(|other| other.is_same(constant));
            let number = match known {
                Some(number) => number,
                None => {
                    let stored = store(constant, &mut self.blob)?;
                    self.header.constants.push(stored);
                    self.written.push(constant.clone());
                    self.written.len() - 1
                }
            };
            numbers.push(number as u32);
        }
        Ok(numbers)
    }
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
